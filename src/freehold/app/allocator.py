"""The C allocator, told to keep what it will need again, in one place.

glibc gives a large block back to the kernel as soon as it is free, and the next one costs a page fault for every 4 KB:
more than all the work on a request with a body of a megabyte. And it gives every thread a heap of its own, of which
each keeps its own free blocks: threads that work beside requests in turns would add some 12 MB. The interpreter lets
one thread run at a time, so they do not wait for each other at one heap. Other C libraries have no such settings.
"""

import ctypes

MMAP_THRESHOLD = 4 * 1024 * 1024
"""Bytes from which a block is mapped by itself, and given back at once."""

TRIM_THRESHOLD = 32 * 1024 * 1024
"""Bytes that may lie free at the end of the heap: what this costs in memory at most."""

HEAPS = 1

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h


def keep_blocks() -> bool:
    """For this process, from now on. Whether the C library took it."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    told = {_M_TRIM_THRESHOLD: TRIM_THRESHOLD, _M_MMAP_THRESHOLD: MMAP_THRESHOLD, _M_ARENA_MAX: HEAPS}
    return all([mallopt(what, value) for what, value in told.items()])

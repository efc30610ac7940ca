"""The C allocator, told to keep what it will need again.

glibc gives a large block back to the kernel as soon as it is free, and the next one costs a page fault for every 4 KB:
more than all the work on a request with a body of a megabyte. Other C libraries have no such settings.
"""

import ctypes

MMAP_THRESHOLD = 4 * 1024 * 1024
"""Bytes from which a block is mapped by itself, and given back at once."""

TRIM_THRESHOLD = 32 * 1024 * 1024
"""Bytes that may lie free at the end of the heap: what this costs in memory at most."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_large_blocks() -> bool:
    """For this process, from now on. Whether the C library took it."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD), mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)])

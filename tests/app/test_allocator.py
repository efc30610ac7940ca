"""Large bodies do not cost a page fault for every 4 KB; threads have no heaps of their own."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from freehold.app.allocator import keep_blocks

def faults(blocks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(blocks):
        whole = b"".join([b"x" * 500_000] * 3)
        copy = bytes(bytearray(whole))
        del whole, copy
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_blocks()
faults(5)
print(faults(100))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_blocks_of_a_megabyte_are_taken_from_the_heap_again_and_again() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert int(said.stdout) < 1000  # untold, glibc gives each back: some 700 faults for every turn


THREADS = """
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from freehold.app.allocator import keep_blocks

def heaps(threads):
    together = Barrier(threads)

    def work(_):
        kept = [bytes(2000) for _ in range(100)]
        together.wait()
        return kept

    with ThreadPoolExecutor(threads) as pool:
        kept = list(pool.map(work, range(threads)))
        libc.malloc_info(0, file)

import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fflush.argtypes = (ctypes.c_void_p,)
file = libc.fopen(b"/dev/stdout", b"w")
assert keep_blocks()
heaps(4)
libc.fflush(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_threads_take_their_memory_from_one_heap() -> None:
    said = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)

    assert said.stdout.count("<heap nr=") == 1  # untold, glibc makes one for each thread

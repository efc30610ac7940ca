"""Large bodies do not cost a page fault for every 4 KB."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from freehold.app.allocator import keep_large_blocks

def faults(blocks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(blocks):
        whole = b"".join([b"x" * 500_000] * 3)
        copy = bytes(bytearray(whole))
        del whole, copy
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_large_blocks()
faults(5)
print(faults(100))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_blocks_of_a_megabyte_are_taken_from_the_heap_again_and_again() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert int(said.stdout) < 1000  # untold, glibc gives each back: some 700 faults for every turn

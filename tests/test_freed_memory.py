"""Memory of freed tensors is used again: counted in page faults of a process of its own, as malloc's settings stay."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from neurohw.runs.freed_memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def work():
    a = torch.ones(10_000_000)  # 40 MB, which glibc never keeps by itself
    b = a + 1
    c = b * a
for _ in range(10):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's malloc")
def test_tensors_get_the_pages_of_those_before_them() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("kept", "returned")
    }
    assert faults["kept"] < 0.1 * faults["returned"]

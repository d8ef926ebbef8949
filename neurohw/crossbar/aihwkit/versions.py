"""Which torch each release of aihwkit fits, as tried: others crash on import, read wrongly or were not tried."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

Release = tuple[int, int]
_TORCH: dict[str, tuple[Release, ...]] = {
    "1.1.0": ((2, 10), (2, 11)),
    "1.2.0": ((2, 13), (2, 14), (2, 15)),
}
_OURS = "1.2.0" if sys.version_info >= (3, 13) else "1.1.0"  # as pyproject.toml has it
REMEDY_COMMAND = 'pip install "aihwkit=={}" "torch=={}.{}.*"'.format(_OURS, *_TORCH[_OURS][-1])


def release_of(torch_version: str) -> Release:
    """Return (major, minor) of a version such as "2.11.0+cu130"."""
    major, minor, *_ = torch_version.split("+")[0].split(".")
    return int(major), int(minor)


def fitting_torch() -> tuple[tuple[Release, ...], str]:
    """Return the releases of torch that the installed aihwkit fits, and a sentence of it; none where it is unknown."""
    try:
        installed = version("aihwkit")
    except PackageNotFoundError:
        return (), "aihwkit is not installed"
    releases = _TORCH.get(installed, ())
    known = ", ".join(f"{major}.{minor}" for major, minor in releases) or "no torch that was tried"
    return releases, f"aihwkit {installed} fits torch {known}"

"""Which code runs here: workers of a cluster must have the coordinator's, or their records would not be its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from neurohw import __version__
from neurohw.runs.record import versions


@dataclass(frozen=True)
class Identity:
    """What decides numbers besides a point's settings.

    Args:
        version: of neurohw.
        code: hash of its modules: two checkouts may say the same version.
        packages: name -> version of what it computes with.
    """

    version: str
    code: str
    packages: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return version and code."""
        return f"neurohw {self.version} (code {self.code})"

    def fits(self, other: Identity) -> bool:
        """Return whether both have the same code."""
        return (self.version, self.code) == (other.version, other.code)

    def differences(self, other: Identity) -> str:
        """Return which packages differ, as "torch 2.10.0, here 2.11.0"."""
        here = dict(other.packages)
        return ", ".join(f"{name} {v}, here {here.get(name)}" for name, v in self.packages if here.get(name) != v)


@cache
def identity() -> Identity:
    """Return the identity of this process's neurohw, as it was when it was first asked."""
    package, digest = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    packages = tuple((name, v) for name, v in versions().items() if name != "neurohw")
    return Identity(__version__, digest.hexdigest()[:12], packages)

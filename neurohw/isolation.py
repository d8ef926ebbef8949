"""Nothing from the folder where one stands runs: no module, and no settings that a library looks for there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

READ_SETTINGS = ("brian2", "matplotlib")  # on import, from `brian_preferences` (evaluated) and `matplotlibrc`


def isolate() -> None:
    """Keep the folder where one stands out of this process and of those it starts; a command does so first of all."""
    os.environ["PYTHONSAFEPATH"] = "1"  # workers are started with `-c`, which puts that folder first
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; a back-end of another name may not exist
    if not any(isinstance(finder, _Aside) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Aside())


@contextmanager
def aside() -> Iterator[None]:
    """Stand in the package's own folder, which holds no settings; then where one stood, even if that has no path."""
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(Path(__file__).parent)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


class _Aside:
    """Has the libraries that read settings on import do so aside."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in READ_SETTINGS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            vars(spec.loader)["exec_module"] = _aside(spec.loader.exec_module)
        return spec


def _aside(executed: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def execute(module: ModuleType) -> None:
        with aside():
            executed(module)

    return execute

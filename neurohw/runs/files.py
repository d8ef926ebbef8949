"""Files that appear whole or not at all, and the lock of a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurohw.errors import FolderInUse, InputError, NeurohwError

LOCK = ".lock"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    Its content is on the disk before the rename. A link is followed; what is no regular file (a device, a pipe) is
    written to as it is.

    Raises:
        NeurohwError: it cannot be written; what stood at `path` still stands.
    """
    with atomic_set(path) as (temporary,):
        yield temporary


@contextmanager
def atomic_set(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield temporary paths of files that belong together, the last of which speaks for the others; see `atomic`.

    The last one is removed before the others are renamed, and renamed after them: it never stands beside files that
    are not its own.
    """
    pairs: list[tuple[Path, Path]] = []  # the temporary, and what it becomes
    try:
        for path in paths:
            pairs.append(_beside(path))
        yield tuple(temporary for temporary, _ in pairs)
        renamed = [(temporary, target) for temporary, target in pairs if temporary != target]
        for temporary, _ in renamed:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        if len(renamed) > 1:
            renamed[-1][1].unlink(missing_ok=True)
        for temporary, target in renamed:
            temporary.replace(target)
    except OSError as error:
        names = ", ".join(map(str, paths))
        raise NeurohwError(f"{names}: cannot be written ({error.strerror or error})") from error
    finally:
        for temporary, target in pairs:
            if temporary != target:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _beside(path: Path) -> tuple[Path, Path]:
    """Return a new, empty file with the mode that the umask leaves, and what it will replace; twice a node itself."""
    if path.exists() and not path.is_file():
        return path, path
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary, target


def remove_partial(path: Path) -> None:
    """Remove the temporary files of `path` that killed processes left; the caller holds the folder's lock."""
    for partial in path.parent.glob(f".{path.name}.{'[0-9a-f]' * 8}.partial"):
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def writable_folder(path: Path) -> Path:
    """Make the folder if it is missing and return it.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written to ({error.strerror}); name another folder") from error
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process: its file `.lock` is locked (flock) and says who holds it, and goes at the end.

    The lock ends with its process, however that ends; the file of one that was killed is taken over. A file system
    without such locks is written to without one.

    Raises:
        FolderInUse: somebody else holds it.
    """
    path = folder / LOCK
    handle = _held(path)
    try:
        owner = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(handle, 0)
            os.pwrite(handle, owner.encode(), 0)
        yield
    finally:
        if _is_still(path, handle):
            path.unlink(missing_ok=True)
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Return whether somebody holds the folder; nothing is changed."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _held(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 200, 0).decode(errors="replace") or "another process"
            os.close(handle)
            raise FolderInUse(f"{path.parent}: is in use by {owner}; wait for its end, or name another folder "
                             "with --out") from None  # fmt: skip
        except OSError:
            return handle
        if _is_still(path, handle):
            return handle
        os.close(handle)  # its owner has just removed it


def _is_still(path: Path, handle: int) -> bool:
    """Return whether the open file is what stands at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False

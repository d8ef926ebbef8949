"""What lies below a folder, or in a zip: listed, checked and read within limits before anything is decoded."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from neurohw.errors import DataError
from neurohw.reading import content_of, size_text

LARGEST_FILE = 2**25  # bytes, unpacked
LARGEST_TREE = 2**33  # bytes of all files together, unpacked
MOST_FILES = 2_000_000
_NOBODYS = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # what systems leave behind, beside names that begin with a dot
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError, struct.error)


class Tree:
    """The files of a folder or a zip by their names, whose parts are divided by slashes.

    Args:
        path: of the folder or zip.
        sizes: file -> bytes, unpacked.
        folders: those that may have no files; the folders of files need not be named.
        content: reads a file.
    """

    def __init__(
        self, path: Path, sizes: Mapping[str, int], folders: Iterable[str], content: Callable[[str], bytes]
    ) -> None:
        self.path, self._sizes, self._content = path, sizes, content
        self._files: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        for name in sorted(sizes):
            self._files[_parent(name)].append(name)
        for folder in {*folders, *self._files}:
            while folder:
                self._folders[_parent(folder)].add(folder)
                folder = _parent(folder)
        self._check()

    def _check(self) -> None:
        for name, size in self._sizes.items():
            if size > LARGEST_FILE:
                raise self.wrong(f"unpacks to {size_text(size)}; allowed: at most {size_text(LARGEST_FILE)}", name)
        if (total := sum(self._sizes.values())) > LARGEST_TREE:
            raise self.wrong(f"unpacks to {size_text(total)}; allowed: at most {size_text(LARGEST_TREE)}")

    def files_in(self, folder: str) -> list[str]:
        """Return the files of a folder ("": the topmost), in naming order."""
        return self._files.get(folder, [])

    def folders_in(self, folder: str) -> list[str]:
        """Return the folders in a folder ("": the topmost), in naming order."""
        return sorted(self._folders.get(folder, ()))

    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Raises:
            DataError: it cannot be read whole.
        """
        try:
            content = self._content(name)
        except ValueError as error:
            raise self.wrong(str(error), name) from error
        except _BROKEN_ZIP as error:
            raise self.wrong(f"cannot be read ({error})", name) from error
        if len(content) != self._sizes[name]:
            raise self.wrong(f"found {len(content)} bytes, expected {self._sizes[name]}", name)
        return content

    def wrong(self, message: str, name: str = "") -> DataError:
        """Return the error that names folder or zip, and a file of it."""
        return DataError(": ".join([str(self.path), *([name] if name else []), message]))


@contextmanager
def opened(path: Path) -> Iterator[Tree]:
    """Open a folder or a zip; files that systems leave behind are left out.

    Raises:
        DataError: it is neither, or cannot be read, or holds links out of it or to folders, names that are no plain
            relative ones, one name twice, or more than the limits of this file.
    """
    if path.is_dir():
        yield _of_folder(path)
    elif path.is_file():
        try:
            packed = zipfile.ZipFile(path)
        except (*_BROKEN_ZIP, MemoryError) as error:
            raise DataError(f"{path}: found no readable zip ({error}); allowed: a folder or a zip") from error
        with packed:
            yield _of_zip(path, packed)
    else:
        raise DataError(f"{path}: no such folder or zip")


def _of_folder(path: Path) -> Tree:
    sizes: dict[str, int] = {}
    folders: set[str] = set()
    home = path.resolve()
    try:
        for place, inner, files in os.walk(path, onerror=_raised):
            inner[:] = [name for name in inner if _wanted(name)]
            for name in (*inner, *filter(_wanted, files)):
                entry = Path(place, name)
                known = _checked(entry.relative_to(path).as_posix(), path)
                if entry.is_symlink() and (name in inner or not entry.resolve().is_relative_to(home)):
                    raise DataError(f"{path}: {known}: found a link to {entry.readlink()}; allowed: files and folders, "
                                    "and links to files within")  # fmt: skip
                if name in inner:
                    folders.add(known)
                elif not stat.S_ISREG(entry.stat().st_mode):
                    raise DataError(f"{path}: {known}: found a device or a pipe; allowed: files and folders")
                else:
                    sizes[known] = entry.stat().st_size
            if len(sizes) > MOST_FILES:
                raise DataError(f"{path}: found more than {MOST_FILES:,} files; allowed: at most that")
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror}") from error
    return Tree(path, sizes, folders, lambda name: content_of(path / name, LARGEST_FILE))


def _of_zip(path: Path, packed: zipfile.ZipFile) -> Tree:
    infos: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    if len(packed.infolist()) > MOST_FILES:
        raise DataError(f"{path}: found more than {MOST_FILES:,} files; allowed: at most that")
    for info in packed.infolist():
        name = _checked(info.filename.removesuffix("/"), path)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{path}: {name}: found a link; allowed: files and folders")
        if not all(map(_wanted, name.split("/"))):
            continue
        if info.is_dir():
            folders.add(name)
        elif name in infos:
            raise DataError(f"{path}: {name}: found twice; allowed: each name once")
        elif info.flag_bits & 1:
            raise DataError(f"{path}: {name}: found encrypted; allowed: files without a password")
        else:
            infos[name] = info

    def content(name: str) -> bytes:
        with packed.open(infos[name]) as file:
            return file.read(LARGEST_FILE + 1)

    return Tree(path, {name: info.file_size for name, info in infos.items()}, folders, content)


def _checked(name: str, path: Path) -> str:
    """Return a name that leads nowhere else and can be printed."""
    plain = name.isprintable() and "\\" not in name
    if not plain or not all(part not in ("", ".", "..") for part in name.split("/")):
        raise DataError(f"{path}: found the name {name!r}; allowed: relative names of printable characters, "
                        "divided by slashes, without '..'")  # fmt: skip
    return name


def _wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _NOBODYS


def _parent(name: str) -> str:
    return "" if "/" not in name else str(PurePosixPath(name).parent)


def _raised(error: OSError) -> None:
    raise error

"""Files of a dataset that lie in a gzipped tar, unpacked where nobody else writes for as long as they are read."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurohw.data.idx import check_md5
from neurohw.data.registry import DataFile
from neurohw.errors import DataError

_BROKEN_TAR = (tarfile.TarError, zlib.error, EOFError, OSError)


@contextmanager
def unpacked(archive: Path, files: Sequence[DataFile]) -> Iterator[dict[DataFile, Path]]:
    """Unpack `files` into a folder that is removed afterwards; nothing else of the archive is written.

    Raises:
        DataError: the archive cannot be read, or lacks a file, or holds another in its place.
    """
    with tempfile.TemporaryDirectory() as folder:
        places: dict[DataFile, Path] = {file: Path(folder, file.name) for file in files}
        try:
            _unpack(archive, places)
        except _BROKEN_TAR as error:
            raise DataError(f"{archive}: cannot be unpacked in {folder} ({error})") from error
        yield places


def _unpack(archive: Path, places: dict[DataFile, Path]) -> None:
    left = {file.name: file for file in places}
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            if member.name not in left or not member.isreg():
                continue
            file = left.pop(member.name)
            packed = tar.extractfile(member)
            content = packed.read(file.limit) if packed else b""
            try:
                check_md5(content, file)
            except DataError as fault:
                raise DataError(f"{archive}: {file.name}: {fault}") from fault
            places[file].parent.mkdir(exist_ok=True)
            places[file].write_bytes(content)
    if left:
        raise DataError(f"{archive}: lacks {', '.join(left)}")

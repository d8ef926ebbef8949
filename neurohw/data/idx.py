"""IDX files, gzipped or plain: read whole, and refused unless they hold exactly what was expected."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurohw.data.registry import DataFile, IdxFile, identify, remedy
from neurohw.errors import DataError
from neurohw.reading import GZIP, content_of, gunzipped

UBYTE_MAGIC = 0x0800  # plus the number of axes: 2049 for labels, 2051 for images
KINDS = {UBYTE_MAGIC + 1: "labels", UBYTE_MAGIC + 3: "images"}


def read_idx(path: Path, expected: IdxFile) -> NDArray[np.uint8]:
    """Return the array in an IDX file, of `expected.shape`.

    Args:
        path: the file, gzipped or plain whatever its name says.
        expected: the shape and MD5 that it must have.

    Raises:
        DataError: the file is unreadable, truncated, swapped or corrupt.
    """
    try:
        content = unpack(path, expected)
        array = _parse(content, expected.shape)
        check_md5(content, expected)
    except DataError as fault:
        raise DataError(f"{path}: {fault}.\n{remedy(expected.dataset)}") from fault
    return array


def unpack(path: Path, file: DataFile) -> bytes:
    """Return the content of `path`, where `file` is expected, decompressed if it may be gzipped and begins like that.

    Raises:
        DataError: it cannot be read, or not decompressed, or is larger than `file` may be; the message
            leaves naming the file to the caller.
    """
    try:
        raw = content_of(path, file.limit)
    except ValueError as error:
        raise DataError(f"found a file that {error}") from error
    if not (file.may_be_gzipped and raw.startswith(GZIP)):
        return raw
    try:
        return gunzipped(raw, file.limit)
    except ValueError as error:
        raise DataError(
            f"found a truncated or corrupt gzip file of {len(raw)} bytes ({error}), expected a whole one"
        ) from error


def check_md5(content: bytes, file: DataFile) -> None:
    """Refuse unpacked content without an MD5 that `file` may have.

    Raises:
        DataError: the MD5 differs; the message names the known file that was found instead, if it is one.
    """
    actual = md5_of(content)
    if actual not in file.md5s:
        known = identify(actual)
        which = f" ({known[0]}'s {known[1]})" if known else ""
        raise DataError(f"found content with MD5 {actual}{which}, expected MD5 {' or '.join(file.md5s)}")


def md5_of(content: bytes) -> str:
    """Return the MD5 of `content` in hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _parse(content: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the array of `shape` in unpacked IDX content: magic number, one size per axis, then the bytes."""
    header = 4 * (1 + len(shape))
    if len(content) < header:
        raise DataError(f"found {len(content)} bytes, expected at least the {header} of an IDX header")
    magic, *sizes = (int(word) for word in np.frombuffer(content[:header], ">u4"))
    if magic != UBYTE_MAGIC + len(shape):
        raise DataError(f"found {_kind(magic)}, expected {_kind(UBYTE_MAGIC + len(shape))}")
    promised = header + math.prod(sizes)
    if len(content) != promised:
        raise DataError(f"found {len(content)} bytes, expected the {promised} that its header promises")
    if tuple(sizes) != shape:
        raise DataError(f"found {_by(sizes)} values, expected {_by(shape)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _kind(magic: int) -> str:
    return f"{KINDS.get(magic, 'something else')} (magic number {magic})"


def _by(sizes: list[int] | tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))

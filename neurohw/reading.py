"""Files of users, read once and up to a limit: regular files only, for a device or a pipe may have no end."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import zlib
from pathlib import Path

from neurohw.errors import InputError

TEXT = 2**20  # bytes of a file that people write: an experiment, a sweep, a device
MEASURED = 2**27  # bytes of measurements
RECORDED = 2**26  # bytes of the record and of the curve that a run leaves
GZIP = b"\x1f\x8b"
_XZ_MEMORY = 2**27  # bytes; the highest of xz's presets takes half of it


def read_bytes(path: Path, limit: int) -> bytes:
    """Return what a regular file holds, `limit` bytes at most.

    Raises:
        InputError: it cannot be read, is no regular file, or holds more; the message names it.
    """
    try:
        return content_of(path, limit)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def read_text(path: Path, limit: int = TEXT) -> str:
    """Return the text of a regular file in UTF-8.

    Raises:
        InputError: as `read_bytes`, or it is no text in UTF-8.
    """
    try:
        return read_bytes(path, limit).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}; allowed: text in UTF-8") from error


def content_of(path: Path, limit: int) -> bytes:
    """Return what a regular file holds, `limit` bytes at most; a ValueError, which does not name it, if it cannot."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for a writer
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("cannot be read (a folder, a device or a pipe); allowed: a file")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if len(content) > limit:
        raise ValueError(f"holds more than {size_text(limit)}; allowed: at most that")
    return content


def gunzipped(content: bytes, limit: int) -> bytes:
    """Return what gzip packed; a ValueError if it is damaged, or unpacks to more than `limit` bytes."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(unpacked) > limit:
        raise ValueError(f"it unpacks to more than {size_text(limit)}")
    return unpacked


def unxzed(content: bytes, limit: int) -> bytes:
    """Return what xz packed; a ValueError if it is damaged, asks for much memory, or unpacks to more than `limit`."""
    unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        unpacked = unpacking.decompress(content, limit + 1)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error
    if len(unpacked) > limit:
        raise ValueError(f"it unpacks to more than {size_text(limit)}")
    if not unpacking.eof:
        raise ValueError("Compressed file ended before the end-of-stream marker was reached")
    if unpacking.unused_data:
        raise ValueError("something follows its end")
    return unpacked


def size_text(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size >> 20} MiB" if size >= 2**20 and size % 2**20 == 0 else f"{size:,} bytes"

"""Names and hashes that become parts of paths: what they may be is said here, and checked where they are read."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from neurohw.errors import InputError

LONGEST = 100  # characters; a folder is called after a name, a hash and a seed, in at most 255 bytes
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST - 1}}}")
_HASH = re.compile(r"[0-9a-f]{12}")


def as_name(text: str) -> str:
    """Return a name that may become a part of a path; a ValueError says what is allowed."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"got {text!r}; allowed: letters, digits, '_', '.' and '-', "
                         f"a letter or digit first, at most {LONGEST} characters")  # fmt: skip
    return text


def as_hash(text: str) -> str:
    """Return a configuration's hash; a ValueError says what is allowed."""
    if not _HASH.fullmatch(text):
        raise ValueError(f"got {text!r}; allowed: 12 hexadecimal digits in lower case")
    return text


def is_path(text: str) -> bool:
    """Return whether a dataset is given by the path of a folder or zip: with a slash, or ending in ".zip"."""
    return "/" in text or os.sep in text or text.lower().endswith(".zip")


def checked_name(text: str, origin: str) -> str:
    """Return a name that may become a part of a path.

    Args:
        text: the name.
        origin: where it was given, for the message.

    Raises:
        InputError: it may not.
    """
    try:
        return as_name(text)
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from None


Name = Annotated[str, Field(strict=True), AfterValidator(as_name)]
Hash = Annotated[str, Field(strict=True), AfterValidator(as_hash)]

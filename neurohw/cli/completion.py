"""What a shell completes (`neurohw --install-completion`): names of experiments and devices, keys and their values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from neurohw.shipping import shipped, shipped_files

_ROW = re.compile(r"^\| `(?P<key>[\w.]+)` \| [^|]* \| [^|]* \| (?P<allowed>[^|]*) \|", re.MULTILINE)
_WORD = re.compile(r"[a-z][\w-]*")
_DEVICE = "hardware.device"


def experiments(incomplete: str) -> list[str]:
    """Return the shipped experiments that begin so."""
    return _beginning(shipped_files("experiments", "*/experiment.toml"), incomplete)


def sweeps(incomplete: str) -> list[str]:
    """Return the shipped sweeps that begin so."""
    return _beginning(shipped_files("experiments", "*/sweep.toml"), incomplete)


def devices(incomplete: str) -> list[str]:
    """Return the devices of the library that begin so."""
    from neurohw.devices.library import device_names

    return _beginning(device_names(), incomplete)


def keys(incomplete: str) -> list[str]:
    """Return the dotted keys that begin so."""
    return _beginning(_allowed(), incomplete)


def settings(incomplete: str) -> list[str]:
    """Return what KEY=VALUE may become: keys, or the values of one whose are names."""
    key, given, value = incomplete.partition("=")
    if not given:
        return [f"{name}=" for name in keys(key)]
    return [f"{key}={word}" for word in (devices(value) if key == _DEVICE else _words(key, value))]


def _words(key: str, value: str) -> list[str]:
    """Return the values of a key that begin so, where its page lists them; none where it describes them."""
    words = _allowed().get(key, "").split(", ")
    return _beginning(words, value) if len(words) > 1 and all(map(_WORD.fullmatch, words)) else []


def _allowed() -> dict[str, str]:
    """Return every key with what is allowed, from the page of keys: what makes it takes a second to load."""
    page: Path = shipped("experiments") / "KEYS.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return {row["key"]: row["allowed"] for row in _ROW.finditer(text)}


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]

"""Reading users' files: regular ones, up to a limit, and nothing beyond it is taken."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import resource
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurohw.archive import configuration
from neurohw.circuits.library import load_circuit
from neurohw.data.idx import read_idx
from neurohw.data.registry import IDX_DATASETS
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment, nested, parse_override
from neurohw.reading import gunzipped, read_bytes, read_text, unxzed
from neurohw.shipping import DEEPEST, parsed_toml, read_toml


@given(st.binary(max_size=300), st.integers(0, 300))
def test_content_comes_whole_or_not_at_all(content: bytes, limit: int) -> None:
    """Plain, gzipped and in xz: a limit of the content's own size is enough, a smaller one is refused."""
    packed = ((gunzipped, gzip.compress), (unxzed, lzma.compress))
    for unpack, pack in packed:
        if len(content) <= limit:
            assert unpack(pack(content), limit) == content
        else:
            with pytest.raises(ValueError, match="unpacks to more than"):
                unpack(pack(content), limit)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_damaged_packing_is_a_value_error_or_the_content(content: bytes, data: st.DataObject) -> None:
    for unpack, pack in ((gunzipped, gzip.compress), (unxzed, lzma.compress)):
        packed = bytearray(pack(content))
        cut = data.draw(st.integers(0, len(packed)))
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(0, 255))
        with contextlib.suppress(ValueError):
            assert len(unpack(bytes(packed[cut:] if data.draw(st.booleans()) else packed[:cut]), 1000)) <= 1000


def test_bombs_take_no_more_than_the_limit() -> None:
    """4 MB that would be 4 GB, and 200,000 members of nothing: in a second, within the memory of the limit."""
    bomb = gzip.compress(bytes(1 << 20)) * 4000
    resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        gunzipped(bomb, 1 << 20)
    assert gunzipped(gzip.compress(b"") * 50_000, 10) == b""
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        unxzed(lzma.compress(bytes(1 << 24)), 1 << 20)
    greedy = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    with pytest.raises(ValueError, match=r"[Mm]emory"):
        unxzed(greedy, 100)
    assert time.monotonic() - began < 10


def endless(tmp_path: Path) -> list[Path]:
    pipe, folder, large = tmp_path / "pipe", tmp_path / "folder", tmp_path / "large"
    os.mkfifo(pipe)
    folder.mkdir()
    with large.open("wb") as file:
        file.truncate(1 << 40)  # a hole
    return [Path("/dev/zero"), pipe, folder, large, tmp_path / "absent", Path("/dev/stdin"), tmp_path / "with\0null"]


READERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: read_bytes(path, 1 << 20),
    "text": read_text,
    "TOML": read_toml,
    "experiment": load_experiment,
    "device": load_device,
    "circuit": load_circuit,
    "archive": lambda path: configuration(path, "0" * 12),
    "IDX": lambda path: read_idx(path, IDX_DATASETS["mnist"].test_labels),
}


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_file_or_has_no_end_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    for path in endless(tmp_path):
        with pytest.raises(InputError) as refused:
            READERS[kind](path)
        assert path.name.split("\0")[0] in str(refused.value)


NESTED: dict[str, Callable[[int], str]] = {
    "lists": lambda n: f"a = {'[' * (n - 1)}1{']' * (n - 1)}",
    "inline tables": lambda n: f"a = {'{ a = ' * (n - 1)}1{' }' * (n - 1)}",
    "dotted keys": lambda n: f"{'.'.join('a' * n)} = 1",
    "headers": lambda n: f"[{'.'.join('a' * (n - 1))}]\na = 1",
}


@given(st.sampled_from(sorted(NESTED)), st.one_of(st.integers(2, 40), st.sampled_from([900, 5000, 100_000])))
def test_toml_is_nested_as_deep_as_allowed_and_no_deeper(how: str, depth: int) -> None:
    if depth <= DEEPEST:
        assert parsed_toml(NESTED[how](depth), "it")
    else:
        with pytest.raises(InputError, match="it: tables or lists are nested too deeply; allowed: 20 levels"):
            parsed_toml(NESTED[how](depth), "it")


@given(st.one_of(st.integers(-(2**65), 2**65), st.integers(1, 10_000).map(lambda n: 10**n)))
def test_integers_have_64_bits(number: int) -> None:
    digits = hex(number) if number > 2**70 else str(number)
    if -(2**63) <= number < 2**63:
        assert parsed_toml(f"a = [{digits}]", "it") == {"a": [number]}
        return
    for text in {digits, "9" * min(len(digits) * 2, 9000)}:
        with pytest.raises(InputError, match="allowed: integers of 64 bits"):
            parsed_toml(f"a = {text}", "it")
        with pytest.raises(InputError, match=r"--set a: .*allowed: integers of 64 bits"):
            parse_override(f"a={text}")


@given(st.text(max_size=60))
@example("9223372036854775807")
@example("9223372036854775808")  # more than 64 bits
@example('"\\u0007"')
@example("3 apples")
def test_any_text_is_toml_or_is_refused_as_none(text: str) -> None:
    """An override is TOML or else plain text, unless it is TOML that no file may hold either."""
    with contextlib.suppress(InputError, tomllib.TOMLDecodeError):
        assert isinstance(parsed_toml(text, "it"), dict)
    try:
        parsed_toml(f"value = {text}", "it")
    except tomllib.TOMLDecodeError:
        assert parse_override(f"key={text}") == ("key", text.strip())
    except InputError:
        with pytest.raises(InputError, match="--set key"):
            parse_override(f"key={text}")
    else:
        assert parse_override(f"key={text}")[0] == "key"


def test_a_dotted_key_is_as_deep_as_tables_may_be() -> None:
    assert nested({".".join("a" * DEEPEST): 1})
    with pytest.raises(InputError, match="got a key of 2000 parts; allowed: 20"):
        nested({".".join("a" * 2000): 1})

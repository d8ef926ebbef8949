"""Fault maps in files: what is hashed is what is built, and whatever else a file holds is refused by name."""

from __future__ import annotations

import contextlib
import io
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurohw.clock import Clock
from neurohw.config import OnChipExperiment, config_hash
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.build import build_network, file_contents
from neurohw.runs.fault_maps import fault_map, read_fault_maps
from neurohw.seeding import Streams

SHAPE = (3, 4)
CODES = np.arange(12).reshape(SHAPE) % 5


def experiment(path: Path | str) -> OnChipExperiment:
    return load_experiment("quickstart", {
        "hardware": {"backend": "analog", "device": "ecram", "fault_maps": {"W1": str(path)}},
        "network.layers": [4, 3], "target.k": 1,
    })  # fmt: skip


def npy(array: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def csv(array: np.ndarray) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in array).encode()


def the_map(content: bytes) -> torch.Tensor | None:
    return fault_map(experiment("it"), {"W1": content}, "W1", SHAPE)


@pytest.mark.parametrize("content", [
    csv(CODES), b"# codes\n" + csv(CODES.astype(float)), npy(CODES), npy(np.asfortranarray(CODES.astype(np.int8))),
    npy(CODES.astype(">f4")), npy(CODES.astype(np.float64)[::1]),
])  # fmt: skip
def test_every_spelling_of_a_map_is_the_same(content: bytes) -> None:
    found = the_map(content)
    assert found is not None
    assert found.tolist() == CODES.tolist()


class Payload:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(np.full(SHAPE, Payload(), object), allow_pickle=True), "its header promises object"),
        (pickle.dumps(Payload()), "cannot be read"),
        (npy(CODES + 0j), "12 values of type complex128"),
        (csv(CODES + 1j), "cannot be read"),
        (npy(np.zeros(SHAPE, [("code", "i4")])), "12 values of type"),
        (npy(np.full(SHAPE, "1")), "12 values of type <U1"),
        (npy(np.zeros(SHAPE, "M8[s]")), "12 values of type datetime64"),
        (npy(np.zeros((0, 4))), "cannot be read"),
        (b"", "no numbers"),
        (b"# 1,2\n\n", "no numbers"),
        (npy(CODES)[:-1], "its header promises"),
        (npy(CODES).replace(b"(3, 4)", b"(9" + b"9" * 40 + b", 4)"), "cannot be read"),
        (csv(CODES).replace(b"4", b"nan"), "allowed: 0 works"),
        (csv(CODES).replace(b"4", b"5"), "allowed: 0 works"),
        (csv(CODES).replace(b"4", b"0.5"), "allowed: 0 works"),
        (csv(CODES[:2]), r"got the shape \(2, 4\); allowed: \(3, 4\)"),
    ],
)
def test_what_is_no_map_is_refused_by_name(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=rf"hardware\.fault_maps\.W1: it: .*{said}"):
        the_map(content)


@given(st.sampled_from([npy(CODES), npy(CODES.astype(np.float32)), csv(CODES)]), st.data())
def test_a_damaged_map_is_a_map_or_refused(whole: bytes, data: st.DataObject) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=4))
    with contextlib.suppress(InputError):
        found = the_map(bytes(content))
        assert found is not None
        assert found.shape == SHAPE


def test_an_address_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "socket", None)
    for address in ("http://127.0.0.1:9/map.csv", "file:///etc/passwd", "ftp://host/map.npy"):
        with pytest.raises(InputError, match=r"hardware\.fault_maps\.W1: .*cannot be read"):
            read_fault_maps(experiment(address))
    assert list(tmp_path.iterdir()) == []


def test_what_is_hashed_is_what_is_built(tmp_path: Path) -> None:
    """The file changes between the two: hash and cells are those of what was read."""
    path = tmp_path / "faults.csv"
    path.write_bytes(csv(np.zeros(SHAPE, int)))
    given = experiment(path)
    whole = read_fault_maps(given)
    before = config_hash(given, file_contents(given, {}, whole))
    path.write_bytes(csv(np.full(SHAPE, 4)))
    assert config_hash(given, file_contents(given, {}, whole)) == before
    assert config_hash(given, file_contents(given, {})) != before
    array = build_network(given, Streams(0), Clock(), whole).layers[0].array
    assert (array.snapshot() != 0).all()
    dead = build_network(given, Streams(0), Clock()).layers[0].array
    assert (dead.snapshot() == 0).all()
    path.unlink()
    with pytest.raises(InputError, match=r"hardware\.fault_maps\.W1: .*faults\.csv: cannot be read \(No such file"):
        file_contents(given, {})

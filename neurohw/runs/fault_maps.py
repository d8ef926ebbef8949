"""Fault maps in files, read once: what is hashed is what is built; see `neurohw.crossbar.faults` for the codes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from neurohw.config import OnChipExperiment
from neurohw.crossbar.faults import WrongMap, checked_map
from neurohw.errors import InputError
from neurohw.reading import MEASURED, read_bytes

_Header = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, whether columns come first, type of the numbers
_HEADERS: Mapping[tuple[int, int], Callable[[io.BytesIO], _Header]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
ALLOWED = "allowed: .npy, or CSV without header, of codes [n_post, n_pre]"
Contents = Mapping[str, bytes]  # of the files, by layer, "W1" the first, or by a device of its weights, "W1.plus"


def read_fault_maps(experiment: OnChipExperiment) -> Contents:
    """Return what the files of `hardware.fault_maps` hold.

    Raises:
        InputError: a layer that there is not, or a file that cannot be read.
    """
    named, n_layers = experiment.hardware.fault_maps, experiment.network.depth
    layers = {f"W{i + 1}" for i in range(n_layers)}
    if unknown := [key for key in named if key.partition(".")[0] not in layers]:
        raise InputError(f"hardware.fault_maps: got {', '.join(sorted(unknown))}; allowed: W1 to W{n_layers}")
    contents = {}
    for layer, path in named.items():
        try:
            contents[layer] = read_bytes(Path(path), MEASURED)
        except InputError as error:
            raise InputError(f"hardware.fault_maps.{layer}: {error}; {ALLOWED}") from None
    return contents


def fault_map(experiment: OnChipExperiment, contents: Contents, key: str, shape: tuple[int, int]) -> Tensor | None:
    """Return a map, int8; None where there is none.

    Args:
        experiment: names the files.
        contents: of the files.
        key: "W1" for the first layer, or a device of its weights, "W1.plus".
        shape: of the layer's weights, [n_post, n_pre]; its map may have a leading axis of devices.

    Raises:
        InputError: the file holds something else, or does not fit the layer.
    """
    if key not in contents:
        return None
    origin = _origin(experiment, key)
    try:
        codes = torch.from_numpy(_codes(contents[key]).astype(np.float64))
        return checked_map(codes, codes.shape if "." in key else (*codes.shape[:-2], *shape))
    except ValueError as error:
        raise InputError(f"{origin}: cannot be read ({error}); {ALLOWED}") from error
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def layer_maps(
    experiment: OnChipExperiment, contents: Contents, layer: str, shape: tuple[int, int]
) -> dict[str, Tensor]:
    """Return the maps of a layer by device, "" for the weight's only one; see `fault_map`."""
    maps = {}
    for key in contents:
        named, _, device = key.partition(".")
        codes = fault_map(experiment, contents, key, shape) if named == layer else None
        if codes is not None:
            maps[device] = codes
    return maps


@contextmanager
def named_maps(experiment: OnChipExperiment, layer: str) -> Iterator[None]:
    """Let the error of a map that fits no device of a layer's weights name the key and the file."""
    try:
        yield
    except WrongMap as error:
        key = f"{layer}.{error.device}"
        given = key if key in experiment.hardware.fault_maps else layer
        raise InputError(f"{_origin(experiment, given)}: {error}") from None


def _origin(experiment: OnChipExperiment, key: str) -> str:
    return f"hardware.fault_maps.{key}: {experiment.hardware.fault_maps[key]}"


def _codes(content: bytes) -> np.ndarray:
    """Return the array of a file; a ValueError where it holds none of real numbers."""
    codes = _npy(content) if content.startswith(npy.MAGIC_PREFIX) else _csv(content)
    if codes.dtype.kind not in "biuf" or not codes.size:
        raise ValueError(f"{codes.size} values of type {codes.dtype}")
    return codes


def _npy(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    read_header = _HEADERS.get(npy.read_magic(file))
    if read_header is None:
        raise ValueError("a version of .npy that is not known")
    try:
        shape, columns_first, dtype = read_header(file)
    except Exception as error:  # numpy reads it as Python literals, which fail in many ways
        raise ValueError(f"its header is damaged: {type(error).__name__}") from error
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"its header promises {dtype} {shape}, {len(content) - file.tell():,} bytes follow")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if columns_first else "C")


def _csv(content: bytes) -> np.ndarray:
    text = content.decode()
    if not any(line.split("#")[0].strip() for line in text.splitlines()):
        raise ValueError("no numbers")
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)

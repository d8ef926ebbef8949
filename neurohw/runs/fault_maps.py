"""Fault maps in files, read once: what is hashed is what is built; see `neurohw.crossbar.faults` for the codes."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from neurohw.config import Experiment
from neurohw.crossbar.faults import checked_map
from neurohw.errors import InputError
from neurohw.reading import MEASURED, read_bytes

ALLOWED = "allowed: .npy, or CSV without header, of codes [n_post, n_pre]"
Contents = Mapping[str, bytes]  # of the files, by layer, "W1" the first


def read_fault_maps(experiment: Experiment) -> Contents:
    """Return what the files of `hardware.fault_maps` hold.

    Raises:
        InputError: a layer that there is not, or a file that cannot be read.
    """
    named, n_layers = experiment.hardware.fault_maps, len(experiment.network.layers) - 1
    if unknown := named.keys() - {f"W{i + 1}" for i in range(n_layers)}:
        raise InputError(f"hardware.fault_maps: got {', '.join(sorted(unknown))}; allowed: W1 to W{n_layers}")
    contents = {}
    for layer, path in named.items():
        try:
            contents[layer] = read_bytes(Path(path), MEASURED)
        except InputError as error:
            raise InputError(f"hardware.fault_maps.{layer}: {error}; {ALLOWED}") from None
    return contents


def fault_map(experiment: Experiment, contents: Contents, layer: str, shape: tuple[int, int]) -> Tensor | None:
    """Return the map of a layer, int8; None where it has none.

    Args:
        experiment: names the files.
        contents: of the files.
        layer: "W1" for the first.
        shape: of its weights, [n_post, n_pre].

    Raises:
        InputError: the file holds something else, or does not fit the layer.
    """
    if layer not in contents:
        return None
    origin = f"hardware.fault_maps.{layer}: {experiment.hardware.fault_maps[layer]}"
    try:
        return checked_map(torch.from_numpy(_codes(contents[layer]).astype(np.float64)), shape)
    except ValueError as error:
        raise InputError(f"{origin}: cannot be read ({error}); {ALLOWED}") from error
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def _codes(content: bytes) -> np.ndarray:
    """Return the array of a file; a ValueError where it holds none of real numbers."""
    codes = _npy(content) if content.startswith(npy.MAGIC_PREFIX) else _csv(content)
    if codes.dtype.kind not in "biuf" or not codes.size:
        raise ValueError(f"{codes.size} values of type {codes.dtype}")
    return codes


def _npy(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(npy.read_magic(file))
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

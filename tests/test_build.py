"""From a configuration to analog arrays: devices from files and overrides, fault maps, ageing, replay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neurohw.clock import Clock
from neurohw.config import OnChipExperiment, config_hash
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.build import build_network, file_contents
from neurohw.runs.hardware import device_model
from neurohw.runs.run import run
from neurohw.seeding import Streams


def experiment(**hardware: Any) -> OnChipExperiment:
    given = {"backend": "analog", "device": "ecram", **hardware}
    return load_experiment("quickstart", {"hardware": given, "training.epochs": 2})


def first_array(**hardware: Any) -> AnalogArray:
    array = build_network(experiment(**hardware), Streams(0), Clock()).layers[0].array
    assert isinstance(array, AnalogArray)
    return array


def test_a_device_file_and_its_overrides_reach_the_cells() -> None:
    model = device_model(experiment(device_parameters={"step_ctoc": 0.5, "conductance.levels": 32}).hardware)
    assert model is not None
    assert model.response().step_ctoc == 0.5
    assert model.levels == 32
    array = first_array(device_parameters={"conductance.levels": 4, "w_max_dtod": 0.0, "w_min_dtod": 0.0})
    array.program(torch.linspace(-1.0, 1.2, 6400).view(100, 64))
    assert len(array.snapshot().unique()) == 4


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^hardware\.device_parameters: device ecram: stepp: unknown key \(did you mean"
    ):
        device_model(experiment(device_parameters={"stepp": 1.0}).hardware)


def test_the_hash_covers_the_device_file(tmp_path: Path) -> None:
    text = load_device("ecram").to_toml()
    path = tmp_path / "mine.toml"
    path.write_text(text)
    mine = experiment(device=str(path))
    before = config_hash(mine, file_contents(mine, {}))
    changed = text.replace("step = {value = 0.002", "step = {value = 0.003")
    assert changed != text
    path.write_text(changed)
    assert config_hash(mine, file_contents(mine, {})) != before


def test_stuck_cells_are_half_low_half_high() -> None:
    faults = device_model(experiment(stuck_fraction=0.2).hardware)
    assert faults is not None
    assert (faults.fault_rates().stuck_low, faults.fault_rates().stuck_high) == (0.1, 0.1)


def test_fault_maps_come_from_files(tmp_path: Path) -> None:
    codes = np.zeros((100, 64))
    codes[3] = 4
    np.save(tmp_path / "faults.npy", codes)
    array = first_array(fault_maps={"W1": str(tmp_path / "faults.npy")})
    assert not array.snapshot()[3].any()
    assert array.snapshot()[4].any()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0,1\n2,3", r"hardware\.fault_maps\.W1: .*got the shape \(2, 2\); allowed: \(100, 64\)"),
        ("a,b", r"hardware\.fault_maps\.W1: .*cannot be read"),
    ],
)
def test_a_wrong_fault_map_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "faults.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        first_array(fault_maps={"W1": str(tmp_path / "faults.csv")})


def test_fault_maps_are_of_devices_of_a_weight(tmp_path: Path) -> None:
    """By name, also as nested tables, or a leading axis; the error names key and file."""
    codes = np.zeros((2, 100, 64))
    codes[0, 0], codes[1, 1] = 4, 2  # dead plus, minus stuck high
    for name, file in (("plus", codes[0]), ("minus", codes[1]), ("both", codes)):
        np.save(tmp_path / f"{name}.npy", file)
    path = {name: str(tmp_path / f"{name}.npy") for name in ("plus", "minus", "both")}
    named: Any = {"W1.plus": path["plus"], "W1.minus": path["minus"]}
    nested: Any = {"W1": {"plus": path["plus"], "minus": path["minus"]}}
    arrays = [first_array(remedy="differential", fault_maps=maps) for maps in (named, nested, {"W1": path["both"]})]
    for array in arrays:
        assert not array.conductances()["plus"][0].any()
        assert (array.cells.banks["minus"].kept[1] > 0).all()
        assert torch.equal(array.snapshot(), arrays[0].snapshot())
    for maps, said in (
        ({"W1": path["plus"]}, r"hardware\.fault_maps\.W1: .*plus\.npy: got one map, but plus, minus make a weight"),
        ({"W1.left": path["plus"]}, r"hardware\.fault_maps\.W1\.left: .*plus\.npy: got a map of 'left'; allowed: plus"),
        ({"W2.plus": path["plus"]}, r"hardware\.fault_maps: got W2\.plus; allowed: W1 to W1"),
    ):
        with pytest.raises(InputError, match=said):
            first_array(remedy="differential", fault_maps=maps)


def test_a_fault_map_of_no_layer_is_named() -> None:
    with pytest.raises(InputError, match=r"hardware\.fault_maps: got W9; allowed: W1 to W1"):
        first_array(fault_maps={"W9": "x.npy"})


def test_read_errors_wires_and_tiles_are_built() -> None:
    tiled = build_network(experiment(tile=[40, 40], wire_resistance=2.0), Streams(0), Clock()).layers[0].array
    assert isinstance(tiled, TiledArray)
    assert len(tiled.grid) == 3
    pre = torch.rand(5, 64, generator=torch.Generator().manual_seed(0))
    quiet = {"read_noise": 0.0, "dac_bits": 0, "adc_bits": 0}
    plain, bent = first_array(**quiet), first_array(**quiet, column_gain=0.1, read_nonlinearity=0.2)
    assert torch.allclose(plain.read(pre), pre @ plain.snapshot().t(), atol=1e-5)
    assert not torch.allclose(bent.read(pre), pre @ bent.snapshot().t(), atol=1e-3)


def test_the_trained_network_ages_in_its_own_devices(tmp_path: Path) -> None:
    aging = load_experiment(
        "quickstart",
        {
            "hardware": {
                "device": "ecram",
                "step_seconds": 1e-6,
                "device_parameters": {"retention.drift_nu": 0.2},
            },
            "training.epochs": 2,
            "evaluation.age_seconds": [1.0, 1e6],
        },
    )
    by_age = run(aging, 0, tmp_path / "aged").metrics["by_age_seconds"]
    assert by_age["1"]["direct_accuracy"] > by_age["1e+06"]["direct_accuracy"] + 0.1


def test_a_second_process_gives_the_same_bits(tmp_path: Path) -> None:
    """Everything random is on: the metrics and every tensor of the checkpoint are equal."""
    script = (
        "import sys; from neurohw import load_experiment, run;"
        "e = load_experiment('quickstart', {'hardware': {'device': 'reram_es', 'remedy': 'tiki-taka-v2', "
        "'relative_noise': 0.05, 'device_parameters': {'retention.drift_nu': 0.01, 'faults.stuck_low': 0.02}}, "
        "'network.rule': 'ep', 'ep.contrast': 'difference', 'training.epochs': 1});"
        "print(run(e, 3, sys.argv[1]).metrics)"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / name)], capture_output=True, text=True, check=True
        ).stdout
        for name in ("one", "two")
    ]
    assert printed[0] == printed[1]
    first, second = (torch.load(tmp_path / n / "checkpoint.pt", weights_only=True)["network"] for n in ("one", "two"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any("fast" in key for key in first)

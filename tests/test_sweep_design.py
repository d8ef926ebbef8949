"""Designs, variants and constraints of sweeps: where points lie, which are left out, what is refused beforehand."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, qmc

import neurohw as nh
from neurohw.errors import InputError
from neurohw.studies.constraints import Constraint
from neurohw.studies.design import Design, KeyRange
from neurohw.studies.sweep import load_sweep

TEXT = """
experiment = "quickstart"
seeds = [0]
[set]
"hardware.device" = "linear_step"
"hardware.dac_bits" = 7
[variants]
bp = { "network.rule" = "bp" }
ep = { "network.rule" = "ep", "hardware.dac_bits" = 6 }
[axes]
"hardware.read_noise" = [0.05, 0.2]
[design]
kind = "sobol"
points = 8
seed = 3
[design.keys]
"hardware.device_parameters.step_ctoc" = { low = 0.0, high = 0.5 }
"hardware.device_parameters.up_down_ratio" = { low = 0.25, high = 4, log = true }
"hardware.adc_bits" = { low = 5, high = 9, integer = true }
"""
FOUR = {
    "a.w": {"low": -1, "high": 3.0},
    "b.x": {"low": 1e-3, "high": 10, "log": True},
    "c.y": {"low": 2, "high": 6, "integer": True},
    "d.z": {"low": 1, "high": 64, "integer": True, "log": True},
}


def written(tmp_path: Path, text: str = TEXT) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def design(**changes: Any) -> Design:
    return Design.model_validate({"kind": "sobol", "points": 64, "keys": FOUR} | changes)


@pytest.mark.parametrize("kind", ["sobol", "latin-hypercube"])
def test_points_are_scipys_in_the_ranges(kind: str) -> None:
    """The same shares as SciPy's own, each carried into its range by the formula of its scale."""
    samples = design(kind=kind, seed=5).samples()
    maker = {"sobol": qmc.Sobol, "latin-hypercube": qmc.LatinHypercube}[kind]
    shares = maker(4, rng=np.random.default_rng(5)).random(64)
    assert [s["a.w"] for s in samples] == pytest.approx(list(-1 + 4 * shares[:, 0]), rel=1e-5, abs=1e-5)
    logs = [math.log10(s["b.x"]) for s in samples]
    assert logs == pytest.approx(list(-3 + 4 * shares[:, 1]), abs=1e-5)


@pytest.mark.parametrize("kind", ["sobol", "latin-hypercube"])
def test_each_key_is_spread_evenly(kind: str) -> None:
    """By the value or its logarithm (Kolmogorov-Smirnov), integers each as often."""
    samples = design(kind=kind, points=512, seed=1).samples()
    assert kstest([s["a.w"] for s in samples], "uniform", (-1, 4)).statistic < 0.01
    assert kstest([math.log(s["b.x"]) for s in samples], "uniform", (math.log(1e-3), math.log(1e4))).statistic < 0.01
    counts = np.bincount([s["c.y"] for s in samples])
    assert counts[2:].tolist() == pytest.approx([512 / 5] * 5, abs=2)
    assert all(type(s["c.y"]) is int and 1 <= s["d.z"] <= 64 for s in samples)
    octaves = np.histogram([s["d.z"] for s in samples], [1, 2, 4, 8, 16, 32, 64])[0]
    shares = [math.log((2 * n - 0.5) / (n - 0.5)) / math.log(64.5 / 0.5) for n in (1, 2, 4, 8, 16, 32)]
    assert octaves[:-1].tolist() == pytest.approx([512 * share for share in shares[:-1]], abs=2)


@pytest.mark.parametrize("kind", ["sobol", "latin-hypercube"])
def test_a_seed_gives_the_same_points_in_another_process(kind: str) -> None:
    code = ("import sys, json; from neurohw.studies.design import Design; "
            "print(json.dumps(Design.model_validate(json.loads(sys.argv[1])).samples()))")  # fmt: skip
    mine = design(kind=kind, seed=7)
    said = subprocess.run(
        [sys.executable, "-c", code, mine.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(mine.samples()).replace("'", '"')
    assert design(kind=kind, seed=8).samples() != mine.samples()


def test_twice_as_many_points_of_sobol_keep_those_that_there_were() -> None:
    assert design(points=64).samples() == design(points=128).samples()[:64]


def test_ends_of_a_range_belong_to_it() -> None:
    whole = KeyRange(low=2, high=5, integer=True)
    assert [whole.at(share) for share in (0.0, 0.2499, 0.2501, 1.0)] == [2, 2, 3, 5]
    assert (KeyRange(low=0.1, high=0.3).at(0.0), KeyRange(low=0.1, high=0.3).at(1.0)) == (0.1, 0.3)
    assert KeyRange(low=1, high=100, log=True).at(0.5) == 10.0
    assert KeyRange(low=1 / 3, high=1).at(0.0) == 1 / 3  # rounding leads no value out of its range


def test_every_variant_is_run_at_every_point_of_grid_and_design(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path))
    points = list(sweep.points(tmp_path))
    assert sweep.size() == len(points) == 2 * 2 * 8
    assert [p.experiment.network.rule for p in points] == ["bp"] * 16 + ["ep"] * 16
    assert {p.experiment.hardware.dac_bits for p in points[:16]} == {7}
    assert {p.experiment.hardware.dac_bits for p in points[16:]} == {6}
    assert [p.experiment.hardware.read_noise for p in points[:16]] == [0.05] * 8 + [0.2] * 8
    first = [p.experiment.hardware.device_parameters for p in points[:8]]
    assert first == [p.experiment.hardware.device_parameters for p in points[8:16]]
    assert len({parameters["up_down_ratio"] for parameters in first}) == 8
    assert points[0].place.startswith("bp, read_noise = 0.05, step_ctoc = 0.")


def test_names_of_keys_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    axes = '[axes]\n"training.learning_rate" = [[0.1]]\n"training.pretrain.learning_rate" = [[0.2]]\n"target.k" = [2]\n'
    semi = '"training.mode" = "semi-supervised"\n"data.labels" = 50\n'
    text = f'experiment = "quickstart"\n[set]\n{semi}{axes}'
    (point, *_) = load_sweep(written(tmp_path, text)).points(tmp_path)
    assert point.place == "training.learning_rate = [0.1], pretrain.learning_rate = [0.2], k = 2"


def test_points_that_do_not_fulfil_a_constraint_are_left_out(tmp_path: Path) -> None:
    all_points = list(load_sweep(written(tmp_path)).points(tmp_path))
    bits, noise = (
        "hardware.adc_bits >= hardware.dac_bits",
        "hardware.device_parameters.step_ctoc < 2 * hardware.read_noise",
    )
    points = list(load_sweep(written(tmp_path, f'constraints = ["{bits}", "{noise}"]' + TEXT)).points(tmp_path))
    kept = [p for p in all_points if (chip := p.experiment.hardware).adc_bits >= chip.dac_bits
            and chip.device_parameters["step_ctoc"] < 2 * chip.read_noise]  # fmt: skip
    assert [p.folder for p in points] == [p.folder for p in kept]
    assert 0 < len(points) < len(all_points)


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("a.b < c", {"a.b": 1, "c": 2}, True),
        ("a.b<=c", {"a.b": 2, "c": 2.0}, True),
        ("3 * a.b > 1e1", {"a.b": 3}, False),
        ("a.b != 0.5", {"a.b": 0.5}, False),
        ('a.b == "ecram"', {"a.b": "ecram"}, True),
        ("a.b == c", {"a.b": "x", "c": "y"}, False),
        ("-1.5 <= -0.5 * a.b", {"a.b": 3}, True),
    ],
)
def test_a_constraint_is_a_comparison(text: str, values: dict[str, Any], holds: bool) -> None:
    assert Constraint.of(text).holds(values) is holds


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("high = 0.5", "high = -0.5", "design.keys.hardware.device_parameters.step_ctoc: got low = 0 and high = -0.5"),
        ("low = 0.25", "low = 0", "up_down_ratio.low: got 0 with log = true; allowed: numbers above 0"),
        ("low = 5", "low = 5.5", "adc_bits: got 5.5 to 9 with integer = true; allowed: whole numbers"),
        ("integer = true", "log = true", r"hardware.adc_bits: got .*; add integer = true to its range"),
        ("high = 0.5", "high = inf", "step_ctoc.high: got inf; allowed: a finite number"),
        ("low = 0.25", 'low = "a"', "up_down_ratio.low: got 'a'; allowed: a finite number"),
        ("points = 8", "points = 12", "design.points: got 12; allowed of a Sobol design: powers of 2, as 8 or 16"),
        ("points = 8", "points = 0", "design.points: got 0"),
        ('"sobol"', '"halton"', "design.kind: got 'halton'; allowed: 'sobol' or 'latin-hypercube'"),
        ("log = true", "logarithmic = true", r"logarithmic: unknown key; allowed: low, high, log, integer"),
        ("step_ctoc", "step_ctc", r"hardware.device_parameters: device linear_step: step_ctc: unknown key \(did you"),
        ('"hardware.adc_bits" =', '"hardware.adc_bit" =', r"hardware.adc_bit: unknown key \(did you mean adc_bits"),
        ('"hardware.adc_bits" =', '"hardware.dac_bits" =', r"dac_bits: stands in \[set\] as well"),
        ('"hardware.adc_bits" =', '"hardware.read_noise" =', r"design.keys.hardware.read_noise: stands in \[axes\] as"),
        ('"hardware.adc_bits" =', '"network.rule" =', r"variants.bp.network.rule: stands in \[design.keys\] as well"),
        ("[0.05, 0.2]", "[0.05, 0.2, 0.05]", "axes.hardware.read_noise: got 0.05 more than once"),
        ("[0.05, 0.2]", "[]", "axes.hardware.read_noise: got"),
        ("[0.05, 0.2]", "[0.05, -0.2]", "hardware.read_noise: got -0.2; allowed"),
        ("low = 0.0", "low = -0.1", "device linear_step: .*step_ctoc"),
        (
            "seeds = [0]",
            'constraints = ["hardware.adc_bits"]',
            "constraints.0: got 'hardware.adc_bits'; allowed: a comp",
        ),
        ("seeds = [0]", 'constraints = ["1 < 2"]', "constraints.0: got '1 < 2'; allowed: a comparison"),
        ("seeds = [0]", 'constraints = ["__import__(1) < a.b"]', "allowed: a comparison"),
        (
            "seeds = [0]",
            'constraints = ["hardware.adc_bits < hardware.tile"]',
            "hardware.tile is not set by every point",
        ),
        ("seeds = [0]", 'constraints = ["network.rule < hardware.adc_bits"]', "got 'bp' and .*; allowed: numbers"),
        (
            "seeds = [0]",
            'constraints = ["hardware.adc_bits > 9"]',
            "constraints: no point fulfils 'hardware.adc_bits > 9'",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_file_and_key(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in TEXT
    path = written(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as refused:
        list(load_sweep(path).points(tmp_path))
    assert str(refused.value).startswith(str(path))


def test_a_sweep_from_python_has_a_design(tmp_path: Path) -> None:
    small = {"data.train_limit": 40, "data.test_limit": 20, "training.epochs": 1, "hardware.device": "linear_step"}
    key = "hardware.device_parameters.conductance.levels"
    records = nh.sweep(
        "quickstart", {key: [4, 64]}, [0], settings=small, out=tmp_path, tell=None, constraints=[f"{key} > 8"],
        design={"kind": "latin-hypercube", "points": 2, "keys": {"hardware.read_noise": {"low": 0.01, "high": 0.1}}},
    )  # fmt: skip
    assert [r.config["hardware"]["device_parameters"] for r in records] == [{"conductance.levels": 64.0}] * 2
    assert len({r.config["hardware"]["read_noise"] for r in records}) == 2
    with pytest.raises(InputError, match=r"^sweep: design\.points: got 3; allowed of a Sobol design"):
        nh.sweep("quickstart", design={"kind": "sobol", "points": 3, "keys": {"ep.beta": {"low": 0.1, "high": 1}}})


def test_the_sweep_of_the_readme_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(experiment = .*?)```", text, re.S)
    assert found is not None
    sweep = load_sweep(written(tmp_path, found[1]))
    assert 0 < len(list(sweep.points(tmp_path))) < sweep.size() == 2 * 2 * 8 * 3


def test_the_shipped_design_spreads_numbers_of_a_device(tmp_path: Path) -> None:
    points = list(load_sweep("device_requirements").points(tmp_path))
    assert len(points) == 64
    laws = [point.experiment.hardware.device_parameters for point in points]
    assert len({law["up_down_ratio"] for law in laws}) == 32
    assert {law["step_dtod"] for law in laws} == {0.1}

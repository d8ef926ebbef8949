"""Exported devices behave, in the simulators they are written for, as the engine's own cells without noise.

The trains are of 100 pulses up and 100 down (of a cell that only potentiates: 100 up and a reset), from the bottom of
the range. Agreement is in shares of what the train moves the conductance: 1 % is asked.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neurohw.cli import app as cli
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.pulses import PulseCounts
from neurohw.devices.laws import LAWS
from neurohw.devices.library import device_names, load_device
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from neurohw.exporting.expressions import step_expressions
from neurohw.exporting.targets import TARGETS, find_target
from neurohw.exporting.trains import bench_polarities, mean_train

CURVES: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": {"gamma_up": 0.6, "gamma_down": -0.4},
    "soft-bounds": {},
    "soft-bounds-reference": {"reference": 0.1},
    "exponential": {"A_up": 0.01, "A_down": 0.02, "gamma_up": 6.0, "gamma_down": 5.0, "a": 0.5, "b": 0.1},
    "power": {"gamma": 1.7, "gamma_asymmetry": 0.2},
    "piecewise": {"table_up": [1.8, 1.2, 0.9, 0.3], "table_down": [0.2, 0.8, 1.0, 1.7]},
}
REFERENCES = ["ag_asi", "reram_es", "ecram", "pcm"]  # published curves, and one that only potentiates
CASES = [*CURVES, *REFERENCES]
PULSES = 100
FEW = 0.01


def device(name: str) -> DeviceModel:
    """Return a shipped device, or one of a law: a lopsided range, unlike steps, every spread and noise."""
    if name not in CURVES:
        return load_device(name)

    def quantity(value: Any, unit: str = "1") -> dict[str, Any]:
        return {"value": value, "unit": unit, "source": "test"}

    common = {
        "step": 0.02, "w_max": 0.9, "w_min": -0.4, "asymmetry": 0.2, "step_dtod": 0.2, "step_ctoc": 0.5,
        "w_max_dtod": 0.1, "w_min_dtod": 0.1, "asymmetry_dtod": 0.05,
    }  # fmt: skip
    pulse = {key: quantity(value) for key, value in {**common, **CURVES[name]}.items()}
    return DeviceModel.model_validate({
        **dict.fromkeys(("description", "technology", "reference"), "test"), "name": f"own-{name}", "cell": "1R",
        "conductance": {"g_min": quantity(2, "uS"), "g_max": quantity(30, "uS")},
        "pulse": {"law": name, "sided": 2, **pulse},
        "read": {"voltage": quantity(0.2, "V"), "noise": quantity(0.01)},
        "write": {"potentiation_voltage": quantity(1.4, "V"), "depression_voltage": quantity(-1.1, "V"),
                  "pulse_time": quantity(50, "ns")},
    })  # fmt: skip


def engine(model: DeviceModel) -> NDArray[np.float64]:
    """Return conductances after each pulse of the bench, of a cell of the engine without spreads and noise."""
    spreads = {key: 0.0 for key in model.response().parameters() if key.endswith(("_dtod", "_ctoc"))}
    quiet = model.with_parameters({**spreads, "write_noise": 0.0})
    array = AnalogArray(torch.zeros(1, 1), quiet, "one-sided" if model.sided == 1 else "none")
    bank = next(iter(array.cells.banks.values()))
    bank.set(torch.full((1, 1), -1e9))  # clipped to the bottom of the range
    first, one, seen = torch.zeros(1, dtype=torch.int64), torch.ones(1), []
    for up in bench_polarities(model):
        if up or model.sided == 2:
            bank.apply([PulseCounts(first, one, up)])
        else:
            bank.reset(first)
        seen.append(bank.kept.item())
    return np.asarray(model.conductance(np.array(seen)))


def distance(model: DeviceModel, found: NDArray[np.float64]) -> float:
    """Return the largest distance from the engine's train, over what the train moves."""
    expected = engine(model)[: len(found)]
    assert len(found) >= PULSES
    return float(np.abs(found - expected).max() / (expected.max() - expected.min()))


def written(target: str, model: DeviceModel, folder: Path) -> Path:
    for name, text in find_target(target).files(model).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_the_trains_beside_an_export_are_the_engines(name: str, tmp_path: Path) -> None:
    model = device(name)
    assert distance(model, mean_train(model, bench_polarities(model))[1:]) < 1e-4
    table = np.loadtxt(written("verilog-a", model, tmp_path) / f"{model.name}_expected.csv", delimiter=",", skiprows=1)
    assert distance(model, table[:, 2]) < 1e-4
    assert table[:, 1].tolist() == [1 if up else -1 for up in bench_polarities(model)]


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed (apt-get install ngspice)")
@pytest.mark.parametrize("name", CASES)
def test_ngspice_runs_the_bench_as_the_engine_does(name: str, tmp_path: Path) -> None:
    model = device(name)
    folder = written("ngspice", model, tmp_path)
    command = ["ngspice", "-b", f"{model.name}_bench.cir"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = np.loadtxt(folder / f"{model.name}_reads.txt", skiprows=1)
    assert distance(model, found[:, 1]) < FEW
    assert len(found) == len(bench_polarities(model))


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed (apt-get install ngspice)")
def test_a_half_selected_cell_in_ngspice_stays_and_one_of_larger_steps_does_not(tmp_path: Path) -> None:
    model = device("linear")
    folder = written("ngspice", model, tmp_path)
    bench = (folder / f"{model.name}_bench.cir").read_text(encoding="ascii")
    half = bench.replace("Bdrive drive 0 V = V(pulse) * V(height)", "Bdrive drive 0 V = 0.5 * V(pulse) * V(height)")
    twice = bench.replace("Xcell p 0 cell_own_linear", "Xcell p 0 cell_own_linear up=2 g0=5u")
    reads = {}
    for label, text in (("half", half), ("twice", twice)):
        assert text != bench
        (folder / "other.cir").write_text(text, encoding="ascii")
        subprocess.run(["ngspice", "-b", "other.cir"], cwd=folder, capture_output=True, timeout=60, check=True)
        reads[label] = np.loadtxt(folder / f"{model.name}_reads.txt", skiprows=1)[:, 1]
    assert np.ptp(reads["half"]) < 1e-5 * (model.g_max - model.g_min)
    law, start = model.response(), model.weight(5e-6)
    first = 2 * law.steps(torch.tensor([start]), law.mean_cell(), True).item() * model.siemens
    assert reads["twice"][0] == pytest.approx(5e-6 + first, rel=2e-3)


def integrated(module: Any, model: DeviceModel) -> Iterator[float]:
    """Yield the conductances after each pulse: implicit steps of the compiled module's own equations."""
    known = dict(model.numbers())
    volts = [known[f"write.{side}_voltage"].si("V") if f"write.{side}_voltage" in known else default
             for side, default in (("potentiation", 1.0), ("depression", -1.0))]  # fmt: skip
    width = known["write.pulse_time"].si("s") if "write.pulse_time" in known else 100e-9
    defaults = {"mfactor": 1.0, **module.get_param_defaults()}
    w = model.weight(defaults["g0"])
    state = np.array([w, w])

    def evaluated(v: float, at: NDArray[np.float64]) -> tuple[Any, Any]:
        return module.run_init_eval({"V(p,n)": v, "V(w)": at[0], "V(h)": at[1], **defaults})

    for up in bench_polarities(model):
        for v, seconds, steps in ((volts[0] if up else -abs(volts[1]), width, 4), (0.0, width, 3)):
            dt = seconds / steps
            for _ in range(steps):
                before, new = np.array([charge for _, charge in evaluated(v, state)[0][2:]]), state.copy()
                for _ in range(3):
                    residuals, derivatives = evaluated(v, new)
                    f = np.array([i + (q - q0) / dt for (i, q), q0 in zip(residuals[2:], before, strict=True)])
                    jacobian = np.zeros((2, 2))
                    for row, column, resistive, reactive in derivatives:
                        if row >= 2 and column >= 2:
                            jacobian[row - 2, column - 2] = resistive + reactive / dt
                    new = new - np.linalg.solve(jacobian, f)
                state = new
        residuals, _ = evaluated(0.1, state)
        yield residuals[0][0] / 0.1


@pytest.mark.skipif(
    importlib.util.find_spec("openvaf_py") is None, reason="no Verilog-A compiler is installed (pip install openvaf-py)"
)
@pytest.mark.parametrize("name", CASES)
def test_openvaf_compiles_the_module_and_its_equations_make_the_engines_train(name: str, tmp_path: Path) -> None:
    import openvaf_py

    model = device(name)
    (module,) = openvaf_py.compile_va(str(written("verilog-a", model, tmp_path) / f"{model.name}.va"))
    assert distance(model, np.array(list(integrated(module, model)))) < FEW


@pytest.mark.parametrize("name", CASES)
def test_aihwkit_runs_the_script_as_the_engine_does(name: str, tmp_path: Path) -> None:
    model = device(name)
    script = runpy.run_path(str(written("aihwkit", model, tmp_path) / f"{model.name.replace('-', '_')}_aihwkit.py"))
    polarities = bench_polarities(model)[: None if model.sided == 2 else PULSES]
    assert distance(model, np.array(list(script["train"](polarities)))) < FEW
    config = script["rpu_config"]()
    config.forward.out_noise, config.forward.out_res = 0.0, -1.0
    tile = config.tile_class(3, 2, config, bias=False)
    outputs = tile.tile.forward(torch.ones(3000, 2), False, False, False, False, False)
    if name in CURVES:  # read noise of 1 % of the range of 1.3, of two cells and of their references
        assert outputs.std(0).mean().item() == pytest.approx(0.013 * math.sqrt(2 * 2), rel=0.05)


def neurosim_numbers(text: str) -> dict[str, float]:
    return {key: float(value) for key, value in re.findall(r"^\t(\w+) = ([-\d.e+]+)[ ;]", text, re.MULTILINE)}


def neurosim_array(text: str, side: str) -> NDArray[np.float64]:
    (found,) = re.findall(rf"rawDataConductance{side}\[\] = {{(.*)}};", text)
    return np.array([float(number) for number in found.split(",")])


@pytest.mark.parametrize(
    ("name", "ltp", "ltd", "pulses"),
    [("ag_asi", 2.4, -4.88, (97, 100)), ("alox_hfo2", 1.94, -0.61, (40, 40)), ("fefet_hzo", 1.75, 1.46, (32, 32)),
     ("epiram", 0.5, -0.5, (256, 256)), ("taox_hfox", 0.04, -0.63, (128, 128))],
)  # fmt: skip
def test_a_device_of_neurosims_table_goes_back_with_its_published_labels(
    name: str, ltp: float, ltd: float, pulses: tuple[int, int], tmp_path: Path
) -> None:
    """Chen, Peng & Yu 2018 and its successors: labels and numbers of levels that those files were made of."""
    text = (written("neurosim", load_device(name), tmp_path) / f"{name}_RealDevice.txt").read_text(encoding="ascii")
    found = neurosim_numbers(text)
    assert (found["NL_LTP"], found["NL_LTD"]) == (pytest.approx(ltp, abs=0.01), pytest.approx(ltd, abs=0.01))
    assert (found["maxNumLevelLTP"], found["maxNumLevelLTD"]) == pulses


@pytest.mark.parametrize("name", [name for name in CASES if name != "pcm"])
def test_neurosims_cells_follow_the_engine(name: str, tmp_path: Path) -> None:
    """MeasuredDevice to the end of its curve; RealDevice as far off as its file says (Cell.cpp's NonlinearWeight)."""
    model = device(name)
    folder = written("neurosim", model, tmp_path)
    measured = (folder / f"{model.name}_MeasuredDevice.txt").read_text(encoding="ascii")
    real = (folder / f"{model.name}_RealDevice.txt").read_text(encoding="ascii")
    numbers = neurosim_numbers(real)
    low, high = numbers["minConductance"], numbers["maxConductance"]
    off = [float(share) / 100 for share in re.findall(r"([\d.e-]+) % (?:of the range )?\(LT", real)]
    for side, share, up in (("LTP", off[0], True), ("LTD", off[1], False)):
        curve = neurosim_array(measured, side)
        rising = curve if up else curve[::-1]
        assert (np.diff(rising) > 0).all()
        assert (rising[0], rising[-1]) == (pytest.approx(low, rel=1e-5), pytest.approx(high, rel=1e-5))
        own = mean_train(model, [up] * (len(curve) - 2), model.weight(curve[0]))
        assert np.abs(own - curve[:-1]).max() < FEW * (high - low)
        k = neurosim_k(numbers[f"NL_{side}"])
        x = np.linspace(0, 1, len(curve))
        labelled = low + (high - low) * np.expm1(-k * x) / np.expm1(-k)
        assert np.abs(labelled - rising).max() == pytest.approx(share * (high - low), abs=0.004 * (high - low))


def test_one_number_for_both_directions_is_said_and_is_the_mean_square(tmp_path: Path) -> None:
    """Soft bounds from -0.4 to 0.9: by hand, in the middle, over the range that pulses reach."""
    model = device("soft-bounds")
    folder = written("neurosim", model, tmp_path)
    text = (folder / f"{model.name}_train.txt").read_text(encoding="ascii")
    low, high = (float(re.search(rf"{name}Conductance = ([\d.e+-]+)", text)[1]) for name in ("min", "max"))  # type: ignore[index]
    up, down = 0.5 * 0.02 * (1 - 0.25 / 0.9), 0.5 * 0.02 * 0.8 * (1 + 0.25 / 0.4)
    wanted = math.sqrt((up**2 + down**2) / 2) * model.siemens / (high - low)
    assert float(re.search(r"c2cVari = ([\d.e-]+)", text)[1]) == pytest.approx(wanted, rel=1e-4)  # type: ignore[index]
    assert "one number of levels for both directions" in text


def neurosim_k(label: float) -> float:
    """Return P / A of NeuroSim's getParamA, by bisection of the largest distance from the line."""
    low, high, x = 1e-6, 60.0, np.linspace(0, 1, 20_001)
    for _ in range(60):
        k = (low + high) / 2
        below = 10.1 * (np.expm1(-k * x) / np.expm1(-k) - x).max() < abs(label)
        low, high = (k, high) if below else (low, k)
    return math.copysign(low, label)


def test_neurosims_table_of_labels_is_what_the_labels_are_read_with() -> None:
    """getParamA(1) and getParamA(5) of MLP+NeuroSim V3.0's formula.cpp."""
    assert 1 / neurosim_k(1.0) == pytest.approx(1.251653, rel=2e-3)
    assert 1 / neurosim_k(0.5) == pytest.approx(2.519877, rel=2e-3)


@pytest.mark.parametrize("name", [name for name in CASES if name != "pcm"])
def test_crosssims_tables_make_the_engines_train_and_its_noise(name: str, tmp_path: Path) -> None:
    """Read as CrossSim's DG_LOOKUP reads them: the mean of all rows but the last, looked up at the nearest column."""
    model = device(name)
    folder = written("crosssim", model, tmp_path) / model.name
    tables = {}
    for side in ("increasing", "decreasing"):
        path = folder / f"dG_{side}.txt"
        bins, chances = (np.genfromtxt(path, delimiter=",", skip_header=skip, max_rows=1) for skip in (1, 2))
        changes = np.loadtxt(path, delimiter=",", skiprows=3)
        assert changes.shape == (len(chances), len(bins))
        cell = model.response().mean_cell()
        ends = [model.conductance(cell[bound].item()) for bound in ("w_min", "w_max")]
        assert (bins[0], bins[-1]) == (pytest.approx(ends[0], abs=1e-12), pytest.approx(ends[1]))
        tables[side] = bins, (np.diff(chances)[:, None] * changes[:-1]).sum(0), changes
    g, seen = tables["increasing"][0][0], []
    for up in bench_polarities(model):
        bins, mean, _ = tables["increasing" if up else "decreasing"]
        g = min(max(g + mean[round((g - bins[0]) / (bins[1] - bins[0]))], bins[0]), bins[-1])
        seen.append(g)
    assert distance(model, np.array(seen)) < FEW
    bins, mean, changes = tables["increasing"]
    law = model.response()
    middle = torch.tensor([model.weight(bins[250])], dtype=torch.float32)
    cells = law.mean_cell()
    noise = abs(float(law.noise(middle, law.steps(middle, cells, True), cells, True))) * model.siemens
    assert changes[:, 250].std() == pytest.approx(noise, rel=0.03)


REFUSED = {  # of the shipped devices, by what
    "stt_mram": dict.fromkeys(TARGETS, "conductance.levels"),
    "pcm": {"neurosim": "pulse.sided", "crosssim": "pulse.sided"},
    "pcm_drift": {"neurosim": "pulse.sided", "crosssim": "pulse.sided", "aihwkit": "retention.drift_nu_log"},
    "sonos": {"aihwkit": "retention.drift_nu_state"},
}
MANY = 300  # states: NeuroSim's curves of more take seconds


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", device_names())
def test_every_shipped_device_goes_out_or_is_refused_by_the_key(name: str, target: str) -> None:
    """And what is written lacks no number in silence: those that it has no place for are named."""
    model = load_device(name)
    if target in REFUSED.get(name, {}):
        with pytest.raises(InputError, match=f"device {name}: .*{re.escape(REFUSED[name][target])}"):
            find_target(target).files(model)
        return
    if target != "neurosim" or model.states < MANY:
        assert len(find_target(target).files(model)) >= 2
    given = {key for key, quantity in model.numbers() if quantity.value}
    left_out = set(find_target(target).left_out(model))
    assert left_out <= given
    if target in ("ngspice", "verilog-a"):
        assert {key for key in given if key.endswith(("_dtod", "_ctoc")) or key.startswith("retention.")} <= left_out


@pytest.mark.parametrize("target", TARGETS)
def test_texts_of_a_device_stay_in_the_comments(target: str, tmp_path: Path) -> None:
    hostile = 'a """ \\N{x} {{ 1 }} µ\n.include /etc/passwd\nimport os'
    tables = {**load_device("ag_asi").tables(), "name": "a-1", "description": hostile, "reference": hostile}
    files = find_target(target).files(DeviceModel.model_validate(tables))
    for name, text in files.items():
        assert not any(line.lstrip().startswith((".include /", "import os")) for line in text.splitlines())
        assert text.isascii()
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_a_law_without_an_expression_is_refused_by_its_name() -> None:
    class Own(LAWS["constant"]):  # type: ignore[misc, name-defined]
        name = "own"

    with pytest.raises(InputError, match="law 'own' cannot be exported to ngspice; allowed: constant, linear"):
        step_expressions(Own(), "w", "ngspice")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Return a function that runs `neurohw` in an empty folder and returns status and all that it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["neurohw", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + " ".join(captured.err.split())

    return call


def test_the_command_writes_files_and_names_what_they_lack(command: Any, tmp_path: Path) -> None:
    status, out = command("device", "export", "ecram", "--to", "ngspice", "--out", "there/it")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "there/it").iterdir()) == [
        "ecram.sub", "ecram_bench.cir", "ecram_expected.csv",
    ]  # fmt: skip
    assert "left out, as its files have no place for them: pulse.step_dtod, pulse.step_ctoc" in out
    assert "use: ngspice -b ecram_bench.cir" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ecram", "--to", "ngspce"), "--to: unknown simulator 'ngspce' (did you mean ngspice?); allowed: ngspice,"),
        (("stt_mram", "--to", "verilog-a"), "device stt_mram: conductance.levels: got 2, which Verilog-A cannot"),
        (("pcm", "--to", "neurosim"), "device pcm: pulse.sided: got 1, but NeuroSim needs pulses of both polarities"),
        (("sonos", "--to", "aihwkit"), "device sonos: aihwkit has no counterpart of retention.drift_nu_state"),
    ],
    ids=["simulator", "levels", "one-sided", "aihwkit"],
)
def test_what_cannot_go_out_is_refused_and_nothing_is_written(
    command: Any, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    status, out = command("device", "export", *arguments)
    assert status == 2
    assert message in out
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == "[]"

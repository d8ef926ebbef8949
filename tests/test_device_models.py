"""Device models: files in, objects out, aihwkit's presets and NeuroSim's tables reproduced, wrong input explained."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from scipy.optimize import brentq

import neurohw
from neurohw.cli import app as cli
from neurohw.cli import console
from neurohw.crossbar.aihwkit.presets import PRESETS, device_preset
from neurohw.crossbar.aihwkit.tile_state import new_tile
from neurohw.crossbar.aihwkit.translation import lost_in_aihwkit, to_aihwkit
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.checks import CHECKS
from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import LAWS, ConstantStep
from neurohw.devices.library import device_names, load_device
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.devices.retention import Retention
from neurohw.devices.tables import TEMPERATURES, FaultTable, RetentionTable, override_names
from neurohw.errors import InputError
from neurohw.shipping import shipped
from neurohw.testing import DeviceModelConformance
from tests.aihwkit_presets import from_aihwkit
from tests.approximately import approx

FOLDER = shipped("device_models")
PULSED = [name for name in PRESETS if name != "ideal"]
TEMPLATE = (FOLDER / "template.toml").read_text(encoding="utf-8")

# name -> (LTP, LTD nonlinearity, LTP, LTD pulses, cycle-to-cycle share, R_on, on/off ratio), from the files' sources
NEUROSIM = {
    "alox_hfo2": (1.94, -0.61, 40, 40, 0.05, 16.9e3, 4.43),
    "ag_asi": (2.4, -4.88, 97, 100, 0.035, 26e6, 12.5),
    "pcmo": (3.68, -6.76, 50, 50, 0.01, 23e6, 6.84),
    "taox_hfox": (0.04, -0.63, 128, 128, 0.037, 100e3, 10.0),
    "epiram": (0.5, -0.5, 256, 256, 0.02, 81e3, 50.2),
    "fefet_hzo": (1.75, 1.46, 32, 32, 0.005, 559.28e3, 45.0),
}
# label -> A over the pulses, getParamA of MLP+NeuroSim V3.0: along the table, then at the labels above
NORMALISED_A = {0.01: 126.269, 0.19: 6.6437, 1.51: 0.8195, 3.01: 0.3853, 4.51: 0.2266, 6.01: 0.1351, 7.51: 0.0702}
NORMALISED_A |= {0.04: 31.5668, 0.5: 2.51988, 0.61: 2.06327, 0.63: 1.99733, 1.46: 0.848677, 1.75: 0.702081}
NORMALISED_A |= {1.94: 0.629249, 2.4: 0.499181, 3.68: 0.300644, 4.88: 0.200303, 6.76: 0.100251}
WEAKER_SIDE = {  # what is left of that share on the side with the smaller step
    "alox_hfo2": 0.043,
    "ag_asi": 0.019,
    "pcmo": 0.0038,
    "taox_hfox": 0.0363,
    "epiram": 0.02,
    "fefet_hzo": 0.00498,
}


class TestShippedDevices(DeviceModelConformance):
    @pytest.fixture(params=[*device_names(), "template.toml"])
    def model(self, request: pytest.FixtureRequest) -> DeviceModel:
        return load_device(FOLDER / request.param if request.param.endswith(".toml") else request.param)


def test_the_library_holds_the_presets_and_more() -> None:
    assert set(PULSED) < set(device_names())
    assert len(set(device_names()) - set(PULSED)) >= 7
    assert "template" not in device_names()


@pytest.mark.parametrize("name", device_names())
def test_a_file_says_its_name_and_where_it_is_from(name: str) -> None:
    model = load_device(name)
    assert model.name == name == name.lower()
    readme = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in readme if line.startswith(f"| `{name}` |"))
    assert f" {len(model.assumed())} of {len(dict(model.numbers()))} " in row


@pytest.mark.parametrize("name", PULSED)
def test_a_preset_goes_through_a_file_to_aihwkit_and_back(name: str) -> None:
    """Field by field what aihwkit itself has."""
    loaded, preset = load_device(name), from_aihwkit(name)
    assert loaded.response() == preset.response()
    assert loaded.retention_parameters() == preset.retention_parameters()
    assert loaded.sided == preset.sided
    for model in (loaded, preset):
        assert dataclasses.asdict(to_aihwkit(model)) == dataclasses.asdict(device_preset(name).load()())


@pytest.mark.parametrize("name", PULSED)
def test_a_fit_of_a_publication_and_a_default_of_aihwkit_are_told_apart(name: str) -> None:
    quantities = load_device(name).pulse.parameters
    base = type(to_aihwkit(load_device(name)))()
    assert quantities["step"].source != "assumed"
    if quantities["step"].source == "aihwkit 1.1.0 default":
        assert quantities["step"].value == base.dw_min


def test_what_aihwkit_cannot_do_is_refused_or_left_out_on_demand() -> None:
    device = load_device("stt_mram")
    assert lost_in_aihwkit(device) == ["conductance.levels"]
    with pytest.raises(InputError, match=r"stt_mram: aihwkit has no counterpart of conductance\.levels"):
        to_aihwkit(device)
    assert to_aihwkit(device, ignore=True).dw_min == 2.0
    more = {"write_noise": 1.0, "retention.relaxation": 0.1, "faults.stuck_low": 0.01, "retention.drift_nu_dtod": 0.1}
    assert set(lost_in_aihwkit(load_device("constant_step").with_parameters(more))) == {
        "pulse.write_noise",
        "retention.relaxation",
        "faults.stuck_low",
        "retention.drift_nu_dtod",
    }


def test_drift_is_handed_to_aihwkit_with_a_relative_spread() -> None:
    """aihwkit's own tile then shows the exponents that the model states."""
    values = {"retention.drift_nu": 0.1, "retention.drift_nu_dtod": 0.03, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
    device = to_aihwkit(load_device("idealized").with_parameters(values))
    device.construction_seed = 3
    from aihwkit.simulator.configs import SingleRPUConfig

    config = SingleRPUConfig(device=device)
    tile, _cells = new_tile(config, (60, 60))
    tile.set_weights(torch.full((60, 60), 0.8))
    tile.drift_weights(1.0)
    tile.drift_weights(999.0)
    nu = -(tile.get_weights() / 0.8).log() / math.log(1000)
    assert nu.mean().item() == approx(0.1, abs=6 * 0.03 / 60)
    assert nu.std().item() == approx(0.03, rel=0.1)


def shape_of(nonlinearity: float) -> float:
    """Return NeuroSim's A over the number of pulses: the label is 10.1 times the largest bulge of the curve."""

    def bulge(a: float) -> float:
        b = 1 / (1 - math.exp(-1 / a))
        p = a * math.log(b / a)
        return b * (1 - math.exp(-p / a)) - p

    return float(brentq(lambda a: 10.1 * bulge(a) - abs(nonlinearity), 0.03, 2000))


def middle_step(nonlinearity: float, pulses: int, back: bool) -> float:
    """Return NeuroSim's share of the range that a pulse half-way moves along a curve, or back along it."""
    a = shape_of(nonlinearity)
    b = 1 / (1 - math.exp(-1 / a))
    return (b - 0.5) * abs(math.expm1((1 if back else -1) / (a * pulses)))


def test_the_meaning_of_neurosims_label_reproduces_its_table() -> None:
    for label, a in NORMALISED_A.items():
        assert shape_of(label) == approx(a, rel=2e-3)


@pytest.mark.parametrize("name", NEUROSIM)
def test_a_device_of_neurosims_table_follows_its_curve(name: str) -> None:
    """All pulses of a side lead from bound to bound along G = B (1 - exp(-p / A)) + G_min."""
    up_label, down_label, ups, downs, *_ = NEUROSIM[name]
    model = load_device(name)
    law, cell = model.response(), model.response().mean_cell()
    for up, label, states in ((True, up_label, ups), (False, down_label, downs)):
        a, w = shape_of(label), torch.tensor([-1.0 if up else 1.0])
        b = 1 / (1 - math.exp(-1 / a))
        for pulse in range(1, states + 1):
            w = w + law.steps(w, cell, up) * (1 if up else -1)
            p = pulse / states
            x = b * (1 - math.exp(-(p if up or label < 0 else 1 - p) / a))
            x = 1 - x if label < 0 else x  # a label below zero: the mirrored curve
            assert (w.item() + 1) / 2 == approx(x, abs=2e-3), f"pulse {pulse}"


@pytest.mark.parametrize("name", NEUROSIM)
def test_a_device_of_neurosims_table_has_its_range_and_spread(name: str) -> None:
    up_label, down_label, ups, downs, share, r_on, ratio = NEUROSIM[name]
    model = load_device(name)
    assert model.g_max == approx(1 / r_on, rel=1e-3)
    assert model.g_max / model.g_min == approx(ratio, rel=2e-3)
    law, cell = model.response(), model.response().mean_cell()
    middle = {True: middle_step(up_label, ups, False), False: middle_step(down_label, downs, down_label > 0)}
    weaker = min(middle, key=middle.__getitem__)
    for up, published in ((not weaker, share), (weaker, share * middle[weaker] / middle[not weaker])):
        for at in (-0.6, 0.3):
            w = torch.tensor([at])
            sigma = torch.as_tensor(law.noise(w, law.steps(w, cell, up), cell, up)).item()
            assert sigma == approx(2 * published, rel=1e-3)
    assert sigma / 2 == approx(WEAKER_SIDE[name], rel=0.02)


def test_a_junction_conducts_as_its_area_says() -> None:
    """Ikeda et al. 2010: 40 nm across, 18 ohm um2, 124 % of magnetoresistance, switched by 49 uA."""
    model, area = load_device("stt_mram"), math.pi * 0.02**2  # um2
    assert model.g_max == approx(area / 18, rel=2e-3)
    assert model.g_max / model.g_min == approx(2.24, rel=2e-3)
    assert model.write.potentiation_voltage is not None
    mean = (model.g_max + model.g_min) / 2
    assert model.write.potentiation_voltage.si("V") * mean == approx(49e-6, rel=0.01)


@pytest.mark.parametrize(
    ("days", "current", "published"),
    [(1, 800, -24.9), (5, 800, -37.9), (5, 400, -17.4), (5, 1200, -52.6), (5, 1600, -40.7)],
)
def test_sonos_drifts_as_published(days: float, current: float, published: float) -> None:
    """nA of 1600: a power law whose exponent is linear in the state meets the published means within a quarter."""
    retention, share = load_device("sonos").retention_parameters(), torch.tensor([current / 1600])
    nu = retention.exponents(share, share, torch.zeros(1)).item()
    drift = current * ((days * 86400 / retention.drift_t0) ** -nu - 1)
    assert drift == approx(published, rel=0.25)


@pytest.mark.parametrize("tile", [None, (3, 4)])
@pytest.mark.parametrize(("current", "published"), [(0.0, 0.0), (100, 4.70), (400, 10.62), (1600, 12.57)])
def test_sonos_reads_as_noisily_as_published(current: float, published: float, tile: tuple[int, int] | None) -> None:
    """nA, read cell by cell and from both sides; the reference is a number here, which has no noise of its own."""
    weights = torch.full((6, 8), current / 800 - 1)
    array = build_array("analog", weights, device="sonos", tile=tile,
                        read_path=ReadPath.perfect(), reference="offset")  # fmt: skip
    for read, n in ((array.read, 8), (array.read_transposed, 6)):
        found = read(torch.eye(n).repeat(400, 1)).view(400, -1).std(0).mean().item() * 800
        assert found == approx(published, rel=0.02, abs=1e-3)


def test_noise_that_grows_with_the_conductance_is_every_devices_own() -> None:
    """A pair at +-0.5 of a range from 0: sigma(G) = 0.1 (1 - exp(-G / G0)) of each, by hand; drift lowers both."""
    device = DevicePopulation(ConstantStep(w_max_dtod=0.0, w_min_dtod=0.0), Retention(drift_nu=0.5), zero=-0.6,
                              read_noise=0.1, read_noise_scale=0.4, signed=False)  # fmt: skip
    array = AnalogArray(torch.full((4, 5), 0.5), device, "differential", ReadPath.perfect(),
                        generator=torch.Generator().manual_seed(1))  # fmt: skip
    assert not array.exact
    for kept in (1.0, 0.5):
        found = array.read(torch.eye(5).repeat(4000, 1)).view(4000, -1).std(0).mean().item()
        of_both = [0.1 * -math.expm1(-kept * g / 0.4) for g in (0.6 + 0.25, 0.6 - 0.25)]
        assert found == approx(math.hypot(*of_both), rel=0.02)
        array.elapse(4.0)


def test_si_values_of_the_template() -> None:
    model = load_device(FOLDER / "template.toml")
    assert (model.g_min, model.g_max, model.levels, model.sided) == (2e-6, 4e-5, None, 2)
    assert model.states == approx(200)
    assert model.retention_parameters() == Retention(lifetime=30 * 86400.0)
    assert model.fault_rates() == FaultRates()
    assert model.read_noise == approx(0.005 * 2)
    law = model.response()
    assert (law.step_dtod, law.step_ctoc, law.write_noise, law.asymmetry_dtod) == (0.1, 0.3, 0.0, 0.0)
    assert "pulse.step" in model.assumed()
    assert "pulse.w_max" not in model.assumed()


def test_what_is_not_given_is_neutral_and_not_aihwkits_default() -> None:
    law = load_device("stt_mram").response()
    spreads = [f.name for f in dataclasses.fields(law) if f.name.endswith(("_dtod", "_ctoc"))]
    assert len(spreads) >= 4
    assert all(getattr(law, name) == 0 for name in spreads)


def test_weights_and_conductances() -> None:
    model = load_device(FOLDER / "template.toml")
    assert model.conductance(-1.0) == approx(2e-6)
    assert model.conductance(0.0) == approx(21e-6)
    assert torch.allclose(model.weight(torch.tensor([2e-6, 40e-6])), torch.tensor([-1.0, 1.0]))


def test_symmetry_points() -> None:
    template = load_device(FOLDER / "template.toml")
    w = template.symmetry_point()
    assert w is not None
    assert 0.01 * (1 - 0.4 * w) == approx(0.01 * 0.95 * (1 + 0.3 * w), rel=1e-5)
    assert load_device("pcm").symmetry_point() is None
    assert load_device("idealized").symmetry_point() is None
    assert load_device("reram_sb").symmetry_point() == approx(0.0, abs=1e-4)


def test_levels_are_whole_numbers() -> None:
    assert load_device("stt_mram").levels == 2
    assert load_device("ecram").with_parameters({"conductance.levels": 32}).levels == 32


def test_the_tables_are_the_fields_of_the_engines_parameters() -> None:
    assert list(RetentionTable.model_fields) == [*(f.name for f in dataclasses.fields(Retention)), *TEMPERATURES]
    assert list(FaultTable.model_fields) == [f.name for f in dataclasses.fields(FaultRates)]


def test_overrides_are_si_values_by_bare_or_dotted_names() -> None:
    model = load_device("ecram")
    values = {"step_ctoc": 0.5, "retention.drift_nu": 0.05, "conductance.g_max": 1e-4, "pulse.step_dtod": 0.2}
    changed = model.with_parameters(values)
    assert (changed.response().step_ctoc, changed.response().step_dtod) == (0.5, 0.2)
    assert changed.retention_parameters().drift_nu == 0.05
    assert changed.g_max == 1e-4
    assert model.response().step_ctoc == 0.3
    overridden = {key for key, quantity in changed.numbers() if quantity.source == "override"}
    assert overridden == {"pulse.step_ctoc", "pulse.step_dtod", "retention.drift_nu", "conductance.g_max"}


@pytest.mark.parametrize("law", LAWS)
def test_every_parameter_of_a_law_can_be_overridden(law: str) -> None:
    assert {f"pulse.{name}" for name in LAWS[law].parameters()} < set(override_names(law))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step_ctc": 0.1}, r"device ecram: step_ctc: unknown key \(did you mean step_ctoc\?\); allowed: step"),
        ({"retention.nu": 0.1}, r"retention\.nu: unknown key"),
        ({"step": -1.0}, "step must be positive"),
        ({"conductance.g_min": 1.0}, r"conductance\.g_min: got 1 S"),
        ({"conductance.levels": 2.5}, r"conductance\.levels: got 2\.5"),
        ({"retention.lifetime": -1.0}, r"retention\.lifetime: got -1 s"),
        ({"mean_bound_reference": 1.0}, "allowed: true, false"),
        ({"step": "big"}, r"pulse\.step\.value: got 'big'"),
    ],
)
def test_wrong_overrides_are_explained(values: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_device("ecram").with_parameters(values)


def test_a_checksum_is_of_physics_and_not_of_prose() -> None:
    model = load_device("ecram")
    tables = tomllib.loads(model.to_toml())
    tables["description"] = "the same device in other words"
    tables["pulse"]["step"] = {"value": model.pulse.parameters["step"].value * 100, "unit": "%", "source": "elsewhere"}
    again = device_from_tables(tables, "test")
    assert again != model
    assert again.checksum() == model.checksum()
    assert model.with_parameters({"write.endurance": 5.0, "write.pulse_time": 1.0}).checksum() == model.checksum()
    for changes in (
        {"step": 0.00201},
        {"conductance.g_min": 2e-6},
        {"conductance.levels": 64},
        {"faults.dead_rows": 0.1},
    ):
        assert model.with_parameters(changes).checksum() != model.checksum()
    assert len({load_device(name).checksum() for name in device_names()}) == len(device_names())


def test_a_model_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_device("ecram").name = "mine"


def test_public_names() -> None:
    assert neurohw.load_device("ecram") == load_device("ecram")
    assert neurohw.DeviceModel is DeviceModel


BAD = [
    ('unit = "uS", ', "", "conductance.g_min.unit: missing; allowed: a unit"),
    ("g_min = { value = 2,", "g_min = { value = -2,", "conductance.g_min: got -2 uS; allowed: at least 0 S"),
    ("g_min = { value = 2,", "g_min = { value = 50,", "conductance.g_min: got 5e-05 S; allowed: 0 up to"),
    ('g_min = { value = 2, unit = "uS"', 'g_min = { value = 2, unit = "kOhm"', "conductance.g_min: unit 'kOhm'"),
    ('g_min = { value = 2, unit = "uS"', 'g_min = { value = 2, unit = "mho"', "conductance.g_min.unit: unknown unit"),
    ('law = "linear"', 'law = "cubic"', "pulse.law: got 'cubic'; allowed: constant, linear, soft-bounds"),
    ('law = "linear"', "", "pulse.law: missing; allowed: constant, linear"),
    ("gamma_up =", "gama_up =", "pulse.gama_up: unknown key (did you mean gamma_up?); law 'linear' allows: step,"),
    ("gamma_up =", "# gamma_up =", "pulse.gamma_up: missing; law 'linear' needs it"),
    ("step = {", "# step = {", "pulse.step: missing; law 'linear' needs it"),
    ("sided = 2", "sided = 3", "pulse.sided: got 3; allowed: 1 or 2"),
    ("step = { value = 0.01", "step = { value = -0.01", "pulse: law linear: step must be positive, but got -0.01"),
    ("step = { value = 0.01", 'step = { value = "x"', "pulse.step.value: got 'x'; allowed: a finite number"),
    ("step = { value = 0.01", "step = { value = nan", "pulse.step.value: got nan"),
    ("step = { value = 0.01", "step = { value = true", "pulse.step: got True; allowed: a number"),
    ('step = { value = 0.01, unit = "1", source = "assumed" }', "step = 0.01",
     "pulse.step: got 0.01; allowed: a table {value, unit, source}"),
    ("[conductance]", "[conductances]",
     "conductances: unknown key (did you mean conductance?); allowed: name, description"),
    ("lifetime =", "lifetme =", "retention.lifetme: unknown key (did you mean lifetime?); allowed: drift_nu"),
    ("lifetime = { value = 30,", "lifetime = { value = -30,", "retention.lifetime: got -30 day; allowed: at least 0 s"),
    ('unit = "day"', 'unit = "V"', "retention.lifetime: unit 'V' is of dimension 'V'; allowed: s with or without"),
    ("# stuck_low = { value = 0.1", "stuck_low = { value = 110", "faults: stuck_low: got 1.1; allowed: 0 to 1.0"),
    ("# levels = { value = 32", "levels = { value = 1", "conductance.levels: got 1; allowed: at least 2"),
    ('reference = "authors, journal, year, doi"', "reference = 2020", "reference: got 2020"),
    ('source = "assumed" }\n# levels', 'source = "" }\n# levels', "conductance.g_max.source: got ''"),
    ("[conductance] ", "[conductance", "no valid TOML"),
    ("low = 1e6, high", "low = 1e10, high", "write.endurance: got low 1e+10, value 1e+09, high 1e+11; allowed: low <= "
     "value <= high in magnitude, all of one sign"),
    ("high = 1e11", "high = 1e8", "write.endurance: got low 1e+06, value 1e+09, high 1e+08; allowed: low <= value"),
    ("{ value = -1.5,", "{ value = -1.5, low = 1,", "write.depression_voltage: got low 1 V, value -1.5 V, high "),
    ("low = 1e6, high", 'low = "few", high', "write.endurance.low: got 'few'; allowed: a finite number"),
    ("low = 1e6, high", "least = 1e6, high", "write.endurance.least: unknown key; allowed: value, low, high, unit, "
     "source"),
    ("step = { value = 0.01,", "step = { value = true, low = 1,",
     "pulse.step: got True with low or high; allowed: a number"),
]  # fmt: skip


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Return a function that runs `neurohw` in an empty folder and returns status, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["neurohw", *arguments])
        monkeypatch.setattr(console, "stderr", console.Console(width=200, stderr=True))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.mark.parametrize(("old", "new", "said"), BAD, ids=[said[:40] for *_, said in BAD])
def test_a_wrong_file_ends_in_one_message_with_file_and_key(
    command, tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in TEMPLATE
    (tmp_path / "mine.toml").write_text(TEMPLATE.replace(old, new, 1))
    status, out, err = command("device", "check", "mine.toml")
    assert status == 2
    assert said in err
    assert "mine.toml: " in err
    assert "Traceback" not in err
    assert not out


def test_check_accepts_the_template(command) -> None:
    status, out, _ = command("device", "check", str(FOLDER / "template.toml"))
    assert status == 0
    assert out.count("ok  ") == len(CHECKS) + 1
    assert "range: 2 uS to 40 uS, a ratio of 20" in out
    assert "states: 200 between the bounds; at mid range a pulse moves 190 nS up or 180.5 nS down" in out
    assert "template.toml: a valid device" in out


def test_check_says_what_a_run_on_aihwkits_tiles_refuses(command) -> None:
    _, out, _ = command("device", "check", str(FOLDER / "stt_mram.toml"))
    assert "ok  aihwkit takes it, less conductance.levels: a run on its tiles is refused" in " ".join(out.split("\n"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("step = { value = 0.01", "step = { value = 5.0", "a step is smaller than the range: pulse.step: got 5"),
        ("gamma_up = { value = 0.4", "gamma_up = { value = -1.01", None),
        ("w_max_dtod = { value = 5,", "w_max_dtod = { value = 1e40,", "a population is finite"),
    ],
)
def test_check_fails_a_device_that_cannot_work(command, tmp_path: Path, old: str, new: str, said: str | None) -> None:
    allow = 'allow_increasing = { value = true, unit = "1", source = "assumed" }\nasymmetry ='
    (tmp_path / "mine.toml").write_text(TEMPLATE.replace(old, new, 1).replace("asymmetry =", allow, 1))
    status, out, err = command("device", "check", "mine.toml")
    assert status == 2
    assert f"of {len(CHECKS) + 1} checks failed" in err
    assert f"failed  {said or 'potentiation goes up'}" in out


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("step_ctoc", "30", 'pulse.step_ctoc: got 30; plausible: 0 to 10; likely meant: unit = "%", 30 %'),
        ("step_dtod", "5", 'pulse.step_dtod: got 5; plausible: 0 to 2; likely meant: unit = "%", 5 %'),
        ("conductance.g_max", "25", 'got 25 S; plausible: 100 pS to 100 mS; likely meant: unit = "uS", 25 uS'),
        ("conductance.g_max", "2e-12", "got 2e-12 S; plausible: 100 pS to 100 mS"),
        ("write.pulse_time", "50", 'got 50 s; plausible: 100 fs to 10 s; likely meant: unit = "ns", 50 ns'),
        ("write.potentiation_voltage", "-800", 'got -800 V; plausible: 100 uV to 40 V; likely meant: unit = "mV"'),
        ("write.depression_energy", "3", 'got 3 J; plausible: .*; likely meant: unit = "fJ", 3 fJ'),
        ("area.cell", "0.01", 'area.cell: got 0.01 m2; plausible: .* likely meant: unit = "um2", 0.01 um2'),
    ],
)
def test_check_names_the_unit_that_a_number_is_likely_in(
    command, tmp_path: Path, key: str, value: str, said: str
) -> None:
    model = load_device("ecram").with_parameters({"conductance.g_min": 0.0} | {key: float(value)})
    (tmp_path / "mine.toml").write_text(model.to_toml())
    status, out, _ = command("device", "check", "mine.toml")
    assert status == 2
    assert re.search(f"failed  numbers are plausible: .*{said}", out.replace("\n", " ")), out


def test_a_small_spread_in_percent_is_plausible(command, tmp_path: Path) -> None:
    tables = load_device("ecram").tables()
    tables["pulse"]["step_ctoc"] = {"value": 30, "unit": "%", "source": "assumed"}
    (tmp_path / "mine.toml").write_text(device_from_tables(tables, "mine").to_toml())
    status, out, _ = command("device", "check", "mine.toml")
    assert status == 0, out


def test_a_lifetime_in_batches_is_assumed_and_told_per_batch(command) -> None:
    """aihwkit counts decay in mini-batches: its capacitor loses a millionth of a weight in each."""
    capacitor = load_device("capacitor")
    assert "retention.lifetime" in capacitor.assumed()
    _, out, _ = command("device", "show", "capacitor")
    assert "decay: 1e-06 of a weight in a batch of 1 s (hardware.step_seconds), 1e-12 in one of 1 us" in out
    _, out, _ = command("device", "show", "ecram")
    assert "decay:" not in out


def test_list_shows_every_device(command) -> None:
    status, out, _ = command("device", "list")
    assert status == 0
    for name in device_names():
        assert name in out
    assert "one-sided" in out
    assert "2 levels" in out


def test_show_has_every_number_with_its_source(command) -> None:
    status, out, _ = command("device", "show", "alox_hfo2")
    assert status == 0
    model = load_device("alox_hfo2")
    for key, _ in model.numbers():
        assert key in out
    assert "59.17 uS" in out
    assert "2.94 nJ" in out
    assert "10.1109/TCAD.2018.2789723" in out
    assert "assumed: 2 of 17 numbers: read.voltage, write.endurance" in out


def test_show_prints_the_advice(command) -> None:
    assert "experiment = close_the_gap" in command("device", "show", "reram_es")[1]


@pytest.mark.parametrize("arguments", [("show", "memristor"), ("check", "memristor.toml")])
def test_an_unknown_device_lists_the_library(command, arguments: tuple[str, str]) -> None:
    status, _, err = command("device", *arguments)
    assert status == 2
    assert f"device '{arguments[1]}': no such file, and no device of that name" in err
    assert "ecram, ecram_mo" in err


def test_a_misspelt_device_is_guessed() -> None:
    with pytest.raises(InputError, match=r"did you mean ecram\?"):
        load_device("eccram")


def test_a_folder_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_device(tmp_path)


def test_the_command_works_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Without pytest in reach: the checks are the program's, not the test suite's."""
    code = "import sys; sys.modules['pytest'] = None; from neurohw.cli.app import main; main()"
    arguments = [sys.executable, "-c", code, "device", "check", str(FOLDER / "ecram.toml")]
    done = subprocess.run(arguments, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "a valid device" in done.stdout

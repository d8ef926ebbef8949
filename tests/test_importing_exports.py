"""Exports of other programs, retention, and what takes imports: the command of the fit, and Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import neurohw as nh
from neurohw.cli.app import app
from neurohw.errors import InputError, NeurohwError
from neurohw.fitting.conditions import Conditions
from neurohw.fitting.importing import ImportOptions, import_pulses, import_retention
from neurohw.fitting.measurements import PulseTrains
from tests.measured_files import GOOD, UP, UP_DOWN, G, table, written

# Exports


EASYEXPERT = """SetupTitle, Pulse train
PrimitiveTest, I/V-t Sampling
TestParameter, Channel.UnitType, SMU, SMU
TestParameter, Channel.VName, Vread, Vs
MetaData, TestRecord.RecordTime, 11/28/2025 10:00:00
AnalysisSetup, Analysis.Setup.Title, Pulse
Dimension1, 40
Dimension2, 1
"""


def test_easyexpert_repeats_are_cycles(tmp_path: Path) -> None:
    text = EASYEXPERT
    for g in G:
        text += "DataName, Index, Vw, Vread, Id\n" + "".join(
            f"DataValue, {k + 1}, {1.5 if UP[k] else -1.5}, 0.1, {0.1 * g[k]:.9E}\n" for k in range(40)
        )
    path = tmp_path / "export.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    imported = import_pulses(path)
    assert imported.trains.conductance[0] == pytest.approx(G, rel=1e-8)
    assert imported.conditions.read_voltage == 0.1
    assert any("an export of EasyEXPERT" in guess for guess in imported.guesses)


def test_easyexperts_classic_tests(tmp_path: Path) -> None:
    text = 'Setup title,Pulses\nClassic test name,"I/V Sweep"\nCount,2\nAutoAnalysis.Marker.Data.StartCondition,\n'
    text += "Vw,Id\n" + "".join(f"{1.5 if UP[k] else -1.5},{0.1 * G[0, k]:.9E}\n" for k in range(40))
    trains = import_pulses(written(tmp_path / "classic.csv", text), ImportOptions(read_voltage=0.1)).trains
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-8)


def test_crosssims_set_and_reset_tables(tmp_path: Path) -> None:
    """A column is a ramp of the same device; shorter ones end in zeros or nothing."""
    for name, part in (("set", slice(0, 20)), ("reset", slice(20, 40))):
        currents = {f"rmp{c + 1}": 0.1 * G[c, part] for c in (0, 1)}
        currents["rmp2"][17:] = 0
        table(tmp_path / f"{name}.csv", **currents)
    paths = [tmp_path / "set.csv", tmp_path / "reset.csv"]
    imported = import_pulses(paths, ImportOptions(read_voltage=0.1))
    trains = imported.trains
    assert trains.conductance.shape[:2] == (1, 2)
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-12)
    assert trains.valid[0, 1].sum() == 34
    assert trains.conductance[0, 1, :17] == pytest.approx(G[1, :17], rel=1e-12)
    assert any("CrossSim" in guess for guess in imported.guesses)


def test_neurosims_script_lists_depression_backwards(tmp_path: Path) -> None:
    """The last row of a depression is where it starts from, and after no pulse: a train of its own."""
    lines = {name: ";\n".join(f"{k}\t{g:.9E}" for k, g in enumerate(values))
             for name, values in (("LTP", G[0, :20]), ("LTD", G[0, :19:-1]))}  # fmt: skip
    text = "clc;\nclear;\n" + "".join(f"exp_{name}_raw=[{rows}];\n\n" for name, rows in lines.items()) + "xf = 1;\n"
    imported = import_pulses(written(tmp_path / "nonlinear_fit.m", text))
    assert imported.trains.conductance[0] == pytest.approx(G[0].reshape(2, 20), rel=1e-8)
    assert imported.trains.up[0].tolist() == [[True] * 20, [False] * 20]
    assert any("listed from the last pulse to the first" in guess for guess in imported.guesses)


def test_aihwkits_two_columns_of_weights(tmp_path: Path) -> None:
    w = (G[0] - 11e-6) / 6e-6
    text = "".join(f"{up:.6g},{down:.6g}\n" for up, down in zip(w[:20], w[20:], strict=True))
    path = written(tmp_path / "gong.csv", text)
    trains = import_pulses(path, ImportOptions(g_min=5e-6, g_max=17e-6)).trains
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-5)
    assert (trains.up[0, 0] == UP).all()
    with pytest.raises(InputError, match="no unit"):
        import_pulses(path)


# Retention


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,conductance_S\n1,1e-6\n3,1e-6\n2,1e-6\n", "row 4, column time_s: got 2 after 3"),
        ("time_s,conductance_S\n0,1e-6\n1,1e-6\n", "row 2, column time_s: got '0'; allowed: a finite number above 0"),
        ("time_s,conductance_S\n1,0\n2,1e-6\n", "row 2, column conductance_S"),
        ("time_s,conductance_S\n1,1e-6\n", "device 1: 1 times; allowed: at least 2"),
        ("hour,conductance_S\n1,1e-6\n", "no column of times; got: hour, conductance_S"),
        ("", "not a CSV file"),
    ],
)
def test_wrong_retention_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        import_retention(written(tmp_path / "wrong.csv", text))


def test_retention_at_two_times_of_several_levels_and_temperatures(tmp_path: Path) -> None:
    rows = [(d, level, kelvin - 273.15, t, 1e-3 / (level * 2e-6 * t**-0.05)) for d in "AB" for level in (1, 2)
            for kelvin in (300.0, 358.15) for t in (1.0, 24.0)]  # fmt: skip
    path, out = tmp_path / "bake.csv", tmp_path / "retention.csv"
    columns = ["Sample", "Level", "Temperature (°C)", "Time (h)", "R (kOhm)"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    done = CliRunner().invoke(app, ["device", "import", str(path), "--retention", "--out", str(out)])
    assert done.exit_code == 0, done.output
    for curves in (import_retention(path).curves, import_retention(out).curves):
        assert len(curves.devices) == len(set(zip(curves.devices, curves.kelvin, strict=True))) == 8
        assert curves.devices[0] == "A, level 1"
        assert curves.kelvin[:2] == pytest.approx((300.0, 358.15))
        for seconds, g, device in zip(curves.seconds, curves.conductance, curves.devices, strict=True):
            assert seconds == pytest.approx([3600, 86400])
            assert g == pytest.approx(int(device[-1]) * 2e-6 * np.array([1, 24]) ** -0.05, rel=1e-9)


def test_retention_in_a_wide_table_of_temperatures(tmp_path: Path) -> None:
    hot = {"Time (s)": [0, 10, 100], "25C (uS)": [5.0, 4.9, 4.8], "85C (uS)": [5.0, 4.5, 4.0]}
    path = table(tmp_path / "wide.csv", **hot)
    with pytest.raises(InputError, match=r"got '0'; .* --time-offset"):
        import_retention(path)
    curves = import_retention(path, ImportOptions(time_offset=1.0)).curves
    assert curves.kelvin == pytest.approx((298.15, 358.15))
    assert curves.cells == ("1", "1")
    assert curves.conductance[1] == pytest.approx(np.array([5.0, 4.5, 4.0]) * 1e-6)
    assert curves.seconds[0].tolist() == [1, 11, 101]


def test_retention_in_a_wide_table_of_levels(tmp_path: Path) -> None:
    path = table(tmp_path / "wide.csv", **{"t (s)": [1, 100], "Level 1 (uS)": [5.0, 4.9], "Level 2 (uS)": [9.0, 8.0]})
    curves = import_retention(path).curves
    assert curves.devices == ("1, level 1", "1, level 2")
    assert curves.cells == ("1", "1")
    assert curves.conductance[1] == pytest.approx([9e-6, 8e-6])


# Commands, and Python


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[PulseTrains, Conditions]]:
    """What the fit gets of the command `device fit`, which ends there."""
    got = []

    def caught(trains: PulseTrains, law: str | None, name: str, conditions: Conditions, progress: object) -> None:
        got.append((trains, conditions))
        raise NeurohwError("caught")

    monkeypatch.setattr("neurohw.fitting.fit_device.fit_device", caught)
    return got


def test_fit_takes_the_same_files_and_options(tmp_path: Path, given: list[tuple[PulseTrains, Conditions]]) -> None:
    """The fit itself stands in tests/test_fit.py."""
    path = table(tmp_path / "wide.csv", dev1=1e6 * G[0], dev2=1e6 * G[1])
    arguments = ["device", "fit", str(path), "--out", str(tmp_path / "x.toml")]
    assert "no unit" in str(CliRunner().invoke(app, arguments).exception)
    done = CliRunner().invoke(app, [*arguments, "--unit", "uS", "--polarity", UP_DOWN])
    assert str(done.exception) == "caught"
    assert "guess: " in done.output
    assert "layout wide" in done.output
    assert given[0][0].conductance[:, 0] == pytest.approx(G, rel=1e-12)


def test_write_conditions_of_a_file_reach_the_fit_unless_the_command_says_others(
    tmp_path: Path, given: list[tuple[PulseTrains, Conditions]]
) -> None:
    path = table(tmp_path / "v.csv", **{"V_write": np.where(UP, 1.5, -1.2), "width (ns)": 100, "I (A)": 0.1 * G[0]})
    arguments = ["device", "fit", str(path), "--out", str(tmp_path / "x.toml"), "--read-voltage", "0.1"]
    assert str(CliRunner().invoke(app, [*arguments, "--pulse-width", "50 ns"]).exception) == "caught"
    tables = given[0][1].tables()
    stated = {"unit": "V", "source": "stated in v.csv"}
    assert tables["write"]["potentiation_voltage"] == {"value": 1.5, **stated}
    assert tables["write"]["depression_voltage"] == {"value": -1.2, **stated}
    by_command = {"value": 50.0, "unit": "ns", "source": "given on the command line"}
    assert tables["write"]["pulse_time"] == by_command
    assert tables["read"]["voltage"] == {"value": 0.1, "unit": "V", "source": "given on the command line"}


def test_import_pulses_is_a_public_name(tmp_path: Path) -> None:
    path = written(tmp_path / "good.csv", GOOD)
    for given in (path, str(path), [path]):
        assert nh.import_pulses(given).trains.valid.sum() == 29
    assert nh.ImportOptions(unit="uS").unit == "uS"
    imported = nh.import_pulses(path)
    assert repr(imported.trains) == "PulseTrains(devices=1, cycles=1, pulses=29, read=29, source='good.csv')"
    assert repr(imported.trains) in imported._repr_html_().replace("&#39;", "'")

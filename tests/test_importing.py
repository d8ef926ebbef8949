"""Measurements from files of any shape: each is written from known conductances, which must come back."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import neurohw as nh
from neurohw.cli.app import app
from neurohw.errors import InputError, NeurohwError
from neurohw.fitting.importing import ImportOptions, import_pulses, import_retention
from neurohw.fitting.measurements import PulseTrains

GOOD = "pulse,polarity,conductance_S\n" + "".join(
    f"{i},{1 if i < 15 else -1},{i if i < 15 else 30 - i}e-6\n" for i in range(1, 30)
)
RNG = np.random.default_rng(3)
G = 1e-6 * (5 + np.concatenate([np.linspace(0, 12, 20), np.linspace(11.5, 1, 20)]) + RNG.normal(0, 0.1, (2, 40)))
UP = np.arange(40) < 20  # both of G's devices: 20 pulses up, 20 down
UP_DOWN = "up20,down20"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table(path: Path, separator: str = ",", decimal: str = ".", **columns: object) -> Path:
    pd.DataFrame(columns).to_csv(path, sep=separator, decimal=decimal, index=False)
    return path


def up_words(up: np.ndarray = UP) -> list[str]:
    return ["LTP" if u else "LTD" for u in up]


# The table that imports write, and device fit has read from the first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n5,1,", "\n5,1,nan#", "row 6, column conductance_S: got 'nan#"),
        ("\n3,1,", "\n3,1,-", "row 4, column conductance_S: got '-3e-6'; allowed: a finite number of at least 0"),
        ("\n7,1,", "\n5,1,", "row 8, column pulse: got 5 after 6"),
        ("\n7,1,", "\n7.5,1,", "row 8, column pulse: got '7.5'; allowed: a whole number"),
        ("\n8,1,", "\n8,sideways,", "row 9, column polarity: got 'sideways'; allowed: \\+1"),
        ("polarity", "colour", "nothing says which pulses potentiate"),
        ("\n2,1,", "\n2,-1,", "device 1: 1[0-9] depressing|device 1: [0-9] potentiating"),
    ],
)
def test_a_wrong_file_is_named_with_row_and_column(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    if old == "\n2,1,":  # potentiation, but too little of it
        text = "".join(line + "\n" for line in text.splitlines() if line.split(",")[0] not in "345678")
    with pytest.raises(InputError, match=f"wrong.csv: ({message})"):
        import_pulses(written(tmp_path / "wrong.csv", text))


def test_the_table_is_read_with_every_spelling_of_polarity_and_without_a_guess(tmp_path: Path) -> None:
    text = GOOD.replace("\n3,1,", "\n3,Up,").replace("\n4,1,", "\n4,+1,").replace("\n20,-1", "\n20, depression")
    imported = import_pulses(written(tmp_path / "good.csv", text))
    trains = imported.trains
    assert trains.conductance.shape == (1, 1, 29)
    assert trains.up[0, 0].tolist() == [True] * 14 + [False] * 15
    assert trains.conductance[0, 0, 4] == 5e-6
    assert trains.valid.all()
    assert imported.guesses == imported.cautions == ()


@pytest.mark.parametrize("blank", ["\n", "\n\n", ",,\n", "  \n \n"])
def test_blank_lines_hold_nothing_and_are_counted(blank: str, tmp_path: Path) -> None:
    """At the end of a file, as editors and spreadsheets leave them, and between two lines."""
    path = written(tmp_path / "blank.csv", GOOD.replace("\n9,1,", "\n" + blank + "9,1,") + blank)
    assert import_pulses(path).trains.conductance.shape == (1, 1, 29)
    written(path, GOOD.replace("\n9,1,", "\n" + blank + "9,1,nan#") + blank)
    with pytest.raises(InputError, match=f"row {10 + blank.count(chr(10))}, column conductance_S: got 'nan#"):
        import_pulses(path)
    written(path, "time_s,conductance_S\n1,1e-6\n2,1e-6\n3,1e-6\n" + blank.replace(",,", ","))
    assert len(import_retention(path).curves.seconds[0]) == 3


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("", r"column conductance_S: got up to 15 S; plausible: .* 0\.1 S; in uS\? then name .* conductance_uS"),
        ("e-12", r"column conductance_S: got up to 1\.5e-11 S; plausible: up to 1e-10"),
    ],
)
def test_conductances_that_no_cell_has_are_refused_with_the_likely_unit(
    unit: str, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "wrong.csv", GOOD.replace("e-6", unit))
    with pytest.raises(InputError, match=message):
        import_pulses(path)
    written(path, "time_s,conductance_S\n" + "".join(f"{t},15{unit}\n" for t in (1, 2, 3)))
    with pytest.raises(InputError, match="column conductance_S"):
        import_retention(path)


# Shapes of files


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", "."), ("\t", "."), (";", ","), ("\t", ",")])
def test_a_wide_table_in_every_dialect(separator: str, decimal: str, tmp_path: Path) -> None:
    columns = {"pulse": np.arange(1, 41), "dev1 (uS)": G[0] * 1e6, "dev2 (uS)": G[1] * 1e6}
    path = table(tmp_path / "wide.csv", separator, decimal, **columns)
    trains = import_pulses(path, ImportOptions(polarity=UP_DOWN)).trains
    assert trains.devices == ("1", "2")
    assert trains.conductance[:, 0] == pytest.approx(G, rel=1e-12)
    assert (trains.up == UP).all()


@pytest.mark.parametrize(
    ("header", "factor", "inverse"),
    [
        ("conductance_S", 1, False),
        ("G (mS)", 1e3, False),
        ("G_uS", 1e6, False),
        ("Conductance [µS]", 1e6, False),
        ("cond / nS", 1e9, False),
        ("R (Ω)", 1, True),
        ("resistance_kOhm", 1e-3, True),
        ("R in MOhm", 1e-6, True),
        ("I (A)", 0.2, False),
        ("current_mA", 0.2e3, False),
        ("Iread (uA)", 0.2e6, False),
        ("I_read [nA]", 0.2e9, False),
    ],
)
@pytest.mark.parametrize("in_header", [True, False])
def test_every_quantity_and_unit(header: str, factor: float, inverse: bool, in_header: bool, tmp_path: Path) -> None:
    values = 1 / G[0] * factor if inverse else G[0] * factor
    unit = header.replace("µ", "u").replace("Ω", "Ohm").strip(")]").replace("(", " ").replace("[", " ").split("_")[-1]
    name = header if in_header else "values"
    path = table(tmp_path / "one.csv", **{"pulse": np.arange(40), "polarity": up_words(), name: values})
    options = ImportOptions(unit=None if in_header else unit.split()[-1], read_voltage=0.2)
    trains = import_pulses(path, options).trains
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-12)
    assert (trains.up[0, 0] == UP).all()


def test_a_long_table_with_devices_cycles_voltages_and_widths(tmp_path: Path) -> None:
    """Rows of both devices in turn; the second cycle of the first is shorter."""
    rows = [(d, c, k + 1, 1.5 if UP[k] else -1.2, 100, 1e6 * G[d, k]) for k in range(40) for d in (0, 1)
            for c in (1, 2) if not (d == 0 and c == 2 and k >= 33)]  # fmt: skip
    columns = ["Device ID", "Cycle #", "Pulse No.", "V_pulse (V)", "Pulse width (ns)", "G (uS)"]
    path = tmp_path / "long.csv"
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    imported = import_pulses(path)
    trains = imported.trains
    assert trains.conductance.shape == (2, 2, 40)
    assert trains.valid.sum((1, 2)).tolist() == [73, 80]
    assert trains.conductance[1, 1] == pytest.approx(G[1], rel=1e-12)
    assert (trains.up[:, 0] == UP).all()
    known = imported.conditions.known()
    assert known == pytest.approx({"potentiation_voltage": 1.5, "depression_voltage": -1.2, "pulse_time": 1e-7})
    assert any("positive V_pulse (V) potentiate" in guess for guess in imported.guesses)


def test_a_workbook_with_a_sheet_for_each_device(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        for d in (0, 1):
            columns = {"pulse": np.arange(1, 41), "polarity": up_words(), "R_kOhm": 1e-3 / G[d]}
            pd.DataFrame(columns).to_excel(book, sheet_name=f"cell {'AB'[d]}", index=False)
        pd.DataFrame({"note": ["measured on a Monday"]}).to_excel(book, sheet_name="notes", index=False)
    trains = import_pulses(path).trains
    assert trains.devices == ("A", "B")
    assert trains.conductance[:, 0] == pytest.approx(G, rel=1e-9)


def test_without_openpyxl_a_workbook_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., object] = builtins.__import__

    def absent(name: str, *rest: object, **more: object) -> object:
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *rest, **more)

    path = tmp_path / "book.xlsx"
    pd.DataFrame({"pulse": [1], "G_uS": [2.0]}).to_excel(path, index=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"book.xlsx: workbooks need openpyxl.*pip install 'neurohw\[xlsx\]'"):
        import_pulses(path)


def test_set_and_reset_in_files_of_their_own(tmp_path: Path) -> None:
    """Depression begins where potentiation ended: one train."""
    paths = [table(tmp_path / f"dev{d + 1}_{name}.csv", pulse=np.arange(1, 21), G_uS=1e6 * G[d, part])
             for d in (0, 1) for name, part in (("set", slice(20)), ("reset", slice(20, 40)))]  # fmt: skip
    imported = import_pulses(paths)
    assert imported.trains.devices == ("1", "2")
    assert imported.trains.conductance[:, 0] == pytest.approx(G, rel=1e-12)
    assert (imported.trains.up == UP).all()
    assert any("one train where the second ramp begins" in guess for guess in imported.guesses)


def test_ramps_that_do_not_continue_each_other_stay_apart(tmp_path: Path) -> None:
    path = table(tmp_path / "ramps.csv", LTP_uS=1e6 * G[0, :20], LTD_uS=1e6 * G[0, 20:] + 60)
    imported = import_pulses(path)
    assert imported.cycles == (("1 up", "1 down"),)
    assert imported.trains.up[0].tolist() == [[True] * 20, [False] * 20]
    assert imported.trains.conductance[0, 1] == pytest.approx(G[0, 20:] + 60e-6, rel=1e-12)


# What was not read


def test_pulses_between_reads_are_applied_and_not_read(tmp_path: Path) -> None:
    """Every fifth pulse is read: by a column that counts them, or by --every."""
    up = np.repeat([True, False], 12)
    g = G[0, 8:32]
    polarity = np.where(up, 1, -1)
    counted = table(tmp_path / "counted.csv", pulse=np.arange(5, 125, 5), polarity=polarity, G_uS=1e6 * g)
    plain = table(tmp_path / "plain.csv", polarity=polarity, G_uS=1e6 * g)
    first, second = import_pulses(counted), import_pulses(plain, ImportOptions(every=5))
    trains = first.trains
    assert trains.conductance.shape == (1, 1, 116)
    assert np.flatnonzero(trains.valid[0, 0]).tolist() == list(range(0, 116, 5))
    assert trains.conductance[0, 0, ::5] == pytest.approx(g, rel=1e-12)
    assert trains.conductance[0, 0, 1:5] == pytest.approx([g[0]] * 4, rel=1e-12)  # as it was read last
    assert (trains.up[0, 0, 1:56], trains.up[0, 0, 56:]) == (pytest.approx(True), pytest.approx(False))
    assert "every 5 pulses a read: those between are applied and not read" in first.guesses
    for key in ("conductance", "up", "valid"):
        assert (getattr(second.trains, key) == getattr(trains, key)).all()


@pytest.mark.parametrize("nothing", ["", "nan", "NA", "--", "9.91E+37"])
def test_missing_cells_are_pulses_that_were_not_read(nothing: str, tmp_path: Path) -> None:
    """In the middle; at the end of a column of a wide table a train is over, at its begin it has not begun."""
    cells = [[f"{g * 1e6:.9g}" for g in row] for row in G]
    cells[0][7] = cells[0][39] = cells[1][0] = nothing
    text = "pulse,polarity,dev1_uS,dev2_uS\n" + "".join(
        f"{k + 1},{'up' if UP[k] else 'down'},{cells[0][k]},{cells[1][k]}\n" for k in range(40)
    )
    trains = import_pulses(written(tmp_path / "wide.csv", text)).trains
    assert trains.conductance.shape == (2, 1, 39)
    assert np.flatnonzero(~trains.valid[0, 0]).tolist() == [7]
    assert trains.conductance[0, 0, 6:9] == pytest.approx(G[0, [6, 6, 8]], rel=1e-8)
    assert trains.valid[1].all()
    assert trains.conductance[1, 0] == pytest.approx(G[1, 1:], rel=1e-8)
    assert trains.up.sum((1, 2)).tolist() == [20, 19]


def test_a_log_of_writes_and_reads_in_turn(tmp_path: Path) -> None:
    """What flows during a pulse is no read; a pulse before the next one was not read; one read comes first."""
    rows = [(0.1, 0.1 * G[0, 0])]
    for k in range(1, 40):
        rows.append((2.0 if UP[k] else -1.5, 1e-3))
        rows += [(0.1, 0.1 * G[0, k])] * (k != 12)
    path = tmp_path / "log.csv"
    pd.DataFrame(rows, columns=["V (V)", "I (A)"]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"give the voltage it was read at.* --column V \(V\)=read-voltage"):
        import_pulses(path)
    imported = import_pulses(path, ImportOptions(read_voltage=0.1))
    trains = imported.trains
    assert np.flatnonzero(~trains.valid[0, 0]).tolist() == [12]
    assert trains.conductance[trains.valid] == pytest.approx(np.delete(G[0], 12), rel=1e-12)
    assert (trains.up[0, 0] == UP).all()
    assert imported.conditions.known() == {"potentiation_voltage": 2.0, "depression_voltage": -1.5, "read_voltage": 0.1}


@pytest.mark.parametrize("counted", [True, False])
def test_a_row_for_each_device(counted: bool, tmp_path: Path) -> None:
    frame = pd.DataFrame(1e6 * G, index=["D1", "D2"], columns=range(1, 41))
    frame.to_csv(tmp_path / "rows.csv", header=counted)
    with pytest.raises(InputError, match="rows of 40 values: if a row is a train, --layout rows"):
        import_pulses(tmp_path / "rows.csv")
    trains = import_pulses(tmp_path / "rows.csv", ImportOptions(layout="rows", unit="uS", polarity=UP_DOWN)).trains
    assert trains.conductance[:, 0] == pytest.approx(G, rel=1e-12)
    assert trains.devices == ("1", "2")


def test_headers_that_are_comments_or_have_a_row_of_units(tmp_path: Path) -> None:
    """numpy.savetxt comments its header out; Origin has names, then units."""
    lines = [f"{k + 1} {1e9 * G[0, k]:.9g}" for k in range(20)]
    commented = written(tmp_path / "ltp.txt", "# 3 Nov 2025\n# pulse G_nS\n" + "\n".join(lines))
    named = written(tmp_path / "pot.csv", "Pulse,R\n#,kOhm\n" + "".join(f"{k},{1e-3 / G[0, k]}\n" for k in range(20)))
    for path in (commented, named):
        assert import_pulses(path).trains.conductance[0, 0] == pytest.approx(G[0, :20], rel=1e-8)


def test_turns_of_the_values_are_offered_where_nothing_says_what_potentiates(tmp_path: Path) -> None:
    path = table(tmp_path / "plain.csv", G_uS=1e6 * G[0])
    with pytest.raises(InputError, match=r"--polarity up: all of them; .*rise and fall about as in up20,down20\)"):
        import_pulses(path)


def test_potentiation_only_and_unequal_counts(tmp_path: Path) -> None:
    only = table(tmp_path / "ltp.csv", pulse=np.arange(20), G_uS=1e6 * G[0, :20])
    assert import_pulses(only).trains.up.all()  # by the file's name
    assert import_pulses(only.rename(tmp_path / "mine.csv"), ImportOptions(polarity="up")).trains.up.all()
    unequal = table(tmp_path / "unequal.csv", polarity=up_words(UP[:33]), G_uS=1e6 * G[0, :33])
    assert import_pulses(unequal).trains.up.sum() == 20


def test_a_count_that_begins_again_is_a_new_cycle(tmp_path: Path) -> None:
    path = table(tmp_path / "cycles.csv", n=np.tile(np.arange(1, 41), 2), type=up_words(np.tile(UP, 2)),
                 G_uS=1e6 * G.ravel())  # fmt: skip
    imported = import_pulses(path)
    assert imported.trains.conductance.shape == (1, 2, 40)
    assert imported.trains.conductance[0] == pytest.approx(G, rel=1e-12)
    assert any("begins again at row 42" in guess for guess in imported.guesses)


def test_the_table_that_is_written_is_read_back_as_it_is(tmp_path: Path) -> None:
    """With pulses that were not read, devices of several cycles and of one, and trains of several lengths."""
    rows = [(d, c, k + 1, UP[k], 1e6 * G[d, k] if k % 4 else None) for d in (0, 1) for c in range(1 + d)
            for k in range(40 - 3 * d) if k not in (9, 10)]  # fmt: skip
    path, out = tmp_path / "long.csv", tmp_path / "pulses.csv"
    frame = pd.DataFrame(rows, columns=["device", "cycle", "pulse", "up", "G_uS"])
    frame.assign(polarity=up_words(frame["up"].to_numpy())).drop(columns="up").to_csv(path, index=False)
    done = CliRunner().invoke(app, ["device", "import", str(path), "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "guess: " in done.output
    assert out.read_text(encoding="utf-8").startswith("device,cycle,pulse,polarity,conductance_S\n0,0,1,+1,")
    first, again = import_pulses(path).trains, import_pulses(out).trains
    for key in ("conductance", "up", "valid"):
        assert (getattr(first, key) == getattr(again, key)).all(), key
    assert first.devices == again.devices
    assert (~first.valid).sum() > 10


# What no column says


def test_normalised_values_need_a_range_and_weights_are_told_from_shares(tmp_path: Path) -> None:
    share = (G[0] - G[0].min()) / np.ptp(G[0])
    path = table(tmp_path / "norm.csv", polarity=up_words(), **{"Normalized Conductance": share})
    options = ImportOptions(g_min=1e-6, g_max=9e-6)
    expected = 1e-6 + 8e-6 * share
    for unit in (None, "normalised"):
        got = import_pulses(path, ImportOptions(unit=unit, g_min=1e-6, g_max=9e-6)).trains.conductance[0, 0]
        assert got == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="Normalized Conductance: normalised values need a range: --g-min and --g-max"):
        import_pulses(path)
    table(path, polarity=up_words(), w=2 * share - 1)
    assert import_pulses(path, options).trains.conductance[0, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"G": 1e6 * G[0]},
            {},
            r"column G: no unit, .*--unit uS, nS \(conductances up to 16\.98 uS, 16\.98 nS",
        ),
        ({"I_nA": 1e6 * G[0]}, {}, "column I_nA: a current; give the voltage it was read at, --read-voltage V"),
        ({"a": G[0], "b": G[1]}, {}, "columns a, b: devices or cycles\\? --each device: .*; --each cycle"),
        ({"colour": ["red"] * 40, "up_pulse": G[0]}, {"unit": "S"}, "no column of conductance, resistance or current"),
        ({"up_pulse": G[0], "down_pulse": G[1]}, {"unit": "S"}, ".*aihwkit's selfdefine.csv: steps for each segment"),
        ({"G_uS": 1e6 * G[0], "time_s": range(40)}, {}, ".*retention is imported with --retention"),
    ],
)
def test_what_is_ambiguous_asks(
    columns: dict[str, object], options: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = table(tmp_path / "open.csv", **columns)
    if not {"time_s", "down_pulse"} & columns.keys():
        table(path, polarity=up_words(), **columns)
    with pytest.raises(InputError, match=f"open.csv: {message}"):
        import_pulses(path, ImportOptions(**options))  # type: ignore[arg-type]


def test_columns_are_named_by_hand(tmp_path: Path) -> None:
    path = table(tmp_path / "odd.csv", Zeile=np.arange(1, 41), Richtung=up_words(), Leitwert=1e6 * G[0], Rest=G[1])
    roles = {"Zeile": "pulse", "Richtung": "polarity", "Leitwert": "conductance", "Rest": "ignore"}
    trains = import_pulses(path, ImportOptions(unit="uS", columns=roles)).trains
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-12)
    with pytest.raises(InputError, match="--column Reihe=pulse: no such column; got: Zeile, "):
        import_pulses(path, ImportOptions(columns={"Reihe": "pulse"}))


def test_amplitudes_that_vary_are_named(tmp_path: Path) -> None:
    volts = np.where(UP, np.linspace(0.5, 2, 40), -1)
    imported = import_pulses(table(tmp_path / "ramp.csv", V_write=volts, G_uS=1e6 * G[0]))
    assert imported.conditions.known() == {"depression_voltage": -1}
    (caution,) = imported.cautions
    assert caution.startswith("potentiating voltages from 500 mV to 1.231 V: a law of identical pulses does not")


def test_negative_voltages_that_potentiate_are_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path / "ecram.csv", V_write=np.where(UP, -1.0, 1.0), G_uS=1e6 * G[0])
    with pytest.raises(InputError, match=r"positive voltage lower the conductances: .* --polarity negative"):
        import_pulses(path)
    assert (import_pulses(path, ImportOptions(polarity="negative")).trains.up[0, 0] == UP).all()


def test_resistances_taken_for_conductances_are_warned_of(tmp_path: Path) -> None:
    path = table(tmp_path / "swapped.csv", polarity=up_words(), G_uS=50 - 1e6 * G[0])
    (caution,) = import_pulses(path).cautions
    assert "are the values resistances" in caution


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
    assert curves.conductance[1] == pytest.approx(np.array([5.0, 4.5, 4.0]) * 1e-6)
    assert curves.seconds[0].tolist() == [1, 11, 101]


# Commands, and Python


def test_fit_takes_the_same_files_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fit itself stands in tests/test_fit.py: what it gets is looked at here."""
    path = table(tmp_path / "wide.csv", dev1=1e6 * G[0], dev2=1e6 * G[1])
    given = []

    def caught(trains: PulseTrains, law: str | None) -> None:
        given.append(trains)
        raise NeurohwError("caught")

    monkeypatch.setattr("neurohw.fitting.trains.fit", caught)
    arguments = ["device", "fit", str(path), "--out", str(tmp_path / "x.toml")]
    assert "no unit" in str(CliRunner().invoke(app, arguments).exception)
    done = CliRunner().invoke(app, [*arguments, "--unit", "uS", "--polarity", UP_DOWN])
    assert str(done.exception) == "caught"
    assert "guess: " in done.output
    assert "layout wide" in done.output
    assert given[0].conductance[:, 0] == pytest.approx(G, rel=1e-12)


def test_import_pulses_is_a_public_name(tmp_path: Path) -> None:
    path = written(tmp_path / "good.csv", GOOD)
    for given in (path, str(path), [path]):
        assert nh.import_pulses(given).trains.valid.sum() == 29
    assert nh.ImportOptions(unit="uS").unit == "uS"
    imported = nh.import_pulses(path)
    assert repr(imported.trains) == "PulseTrains(devices=1, cycles=1, pulses=29, read=29, source='good.csv')"
    assert repr(imported.trains) in imported._repr_html_().replace("&#39;", "'")

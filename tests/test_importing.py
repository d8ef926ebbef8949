"""Measurements from files of any shape: each is written from known conductances, which must come back."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.errors import InputError
from neurohw.fitting.fitted_law import Start
from neurohw.fitting.importing import ImportOptions, import_pulses, import_retention
from neurohw.fitting.kalman import losses, observed
from neurohw.fitting.law_parameters import FITTED
from tests.measured_files import GOOD, UP, UP_DOWN, G, table, up_words, written

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
    assert known == pytest.approx({"write_voltage": 1.5, "depression_voltage": -1.2, "pulse_width": 1e-7})
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


def test_a_guess_that_holds_for_many_sheets_is_printed_once(tmp_path: Path) -> None:
    path = tmp_path / "many.xlsx"
    with pd.ExcelWriter(path) as book:
        for d in range(5):
            frame = pd.DataFrame({"pulse": np.arange(1, 41), "G": G[d % 2]})
            frame.to_excel(book, sheet_name=f"X{d}Y", index=False, header=False)
    imported = import_pulses(path, ImportOptions(unit="S", polarity=UP_DOWN))
    assert imported.trains.devices == tuple(f"X{d}Y" for d in range(5))
    assert [guess.replace(str(path), "") for guess in imported.guesses] == [
        ", sheet X0Y and 4 more: no header; column 1 counts pulses",
        ", sheet X0Y and 4 more: a device of its own, by its name (--each cycle: a cycle of one device)",
    ]


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


def test_set_and_reset_files_with_signed_voltages_are_one_train(tmp_path: Path) -> None:
    """The sign says what the names of files say elsewhere; a read before the first pulse is no pulse between them."""
    parts = (("set", slice(20), 1.2), ("reset", slice(20, 40), -1.1))
    paths = [
        table(tmp_path / f"{name}.csv", V=np.full(20, volts), G_uS=1e6 * G[0, part]) for name, part, volts in parts
    ]
    imported = import_pulses(paths)
    assert imported.trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-12)
    assert (imported.trains.up[0, 0] == UP).all()
    logs = []
    for name, part, volts in parts:
        log = [0.1, *np.column_stack([np.full(20, volts), np.full(20, 0.1)]).ravel()]
        before = G[0, part.start - 1] if part.start else 5e-6
        amperes = 0.1 * np.concatenate([[before], np.column_stack([np.zeros(20), G[0, part]]).ravel()])
        logs.append(table(tmp_path / f"log_{name}.csv", V=log, I_A=amperes))
    read = import_pulses(logs, ImportOptions(read_voltage=0.1))
    assert sum(int(valid.sum()) for valid in read.trains.valid) == 42  # 20 and 20 pulses, and two states before them
    assert read.trains.up.shape[2] <= 41  # and no pulse that nobody gave


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
    assert first.guesses[0].endswith("every 5 pulses a read: those between are applied and not read")
    for key in ("conductance", "up", "valid"):
        assert (getattr(second.trains, key) == getattr(trains, key)).all()


def test_what_stands_for_an_unread_pulse_does_not_matter_to_the_fit(tmp_path: Path) -> None:
    """The likelihood depends on what was read, and on pulses that were not; not on the value that is repeated there."""
    path = table(tmp_path / "counted.csv", pulse=np.arange(5, 205, 5), polarity=up_words(), G_uS=1e6 * G[0])
    trains = import_pulses(path).trains
    law = FITTED["soft-bounds"][0]
    mean, shared = law.start(Start(0.02, 0.02, -0.02, 0.02, 1.1, -1.1))
    shared = np.concatenate([shared, np.log([0.1, 0.05])])

    def loss(conductance: np.ndarray, valid: np.ndarray) -> float:
        data = observed((conductance - 11e-6) / 6e-6, trains.up, valid)
        return float(losses(law, mean[None, None], shared, data)[0, 0])

    other = np.where(trains.valid, trains.conductance, 3e-6)
    assert loss(other, trains.valid) == loss(trains.conductance, trains.valid)
    assert abs(loss(trains.conductance, np.ones_like(trains.valid)) - loss(trains.conductance, trains.valid)) > 1


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
    assert imported.conditions.known() == {"write_voltage": 2.0, "depression_voltage": -1.5, "read_voltage": 0.1}


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
        ({"G (mho)": 1e6 * G[0]}, {}, r"column G \(mho\): 'mho' is no unit of conductance, .*--unit uS, nS"),
        ({"G_uS": -1e6 * G[0]}, {}, "column G_uS: all values are negative; allowed: conductances of at least 0"),
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


def test_what_options_do_not_change_is_said(tmp_path: Path) -> None:
    """A unit or a polarity beside a header or a column that says it; --every beside a count is refused."""
    path = table(tmp_path / "clear.csv", pulse=np.arange(40), polarity=up_words(), G_uS=1e6 * G[0])
    imported = import_pulses(path, ImportOptions(unit="nS", polarity="down"))
    assert imported.trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-12)
    assert (imported.trains.up[0, 0] == UP).all()
    assert [guess.split(": ", 1)[1] for guess in imported.guesses] == [
        "column G_uS says uS; --unit nS is not used for it",
        "--polarity down is not used: a column or a name says it",
    ]
    with pytest.raises(InputError, match="column pulse counts pulses, and --every 5 is given"):
        import_pulses(path, ImportOptions(every=5))


def test_names_that_end_like_units_are_names(tmp_path: Path) -> None:
    """Cells A and S are no currents and conductances."""
    path = table(tmp_path / "wide.csv", **{"cell A": 1e6 * G[0], "cell S": 1e6 * G[1]})
    trains = import_pulses(path, ImportOptions(unit="uS", polarity=UP_DOWN)).trains
    assert trains.devices == ("A", "S")
    assert trains.conductance[:, 0] == pytest.approx(G, rel=1e-12)


def test_blanks_between_decimal_commas(tmp_path: Path) -> None:
    text = "".join(f"{k + 1} {1e6 * G[0, k]:.8f}\n".replace(".", ",") for k in range(40))
    trains = import_pulses(written(tmp_path / "a.txt", text), ImportOptions(unit="uS", polarity=UP_DOWN)).trains
    assert trains.conductance[0, 0] == pytest.approx(G[0], rel=1e-7)


def test_pulses_at_several_temperatures_are_warned_of(tmp_path: Path) -> None:
    path = table(tmp_path / "hot.csv", cycle=[1] * 40 + [2] * 40, polarity=up_words(np.tile(UP, 2)),
                 **{"T (C)": [25] * 40 + [85] * 40, "G_uS": 1e6 * G.ravel()})  # fmt: skip
    (caution,) = import_pulses(path).cautions
    assert "column T (C) has 2 values" in caution


def test_reads_far_from_their_neighbours_are_warned_of(tmp_path: Path) -> None:
    """One read of 0 S among hundreds spoils a fit; noise and turns are no such, pulses that were not read no gap."""
    values = 1e6 * G[0]
    assert not import_pulses(table(tmp_path / "fine.csv", polarity=up_words(), G_uS=values)).cautions
    broken = values.copy()
    broken[[11, 12, 13]] = np.nan, 0.0, np.nan
    (caution,) = import_pulses(table(tmp_path / "broken.csv", polarity=up_words(), G_uS=broken)).cautions
    assert caution.startswith("1 read is far from those before and after")
    assert "pulse 13 (0 S);" in caution


def test_one_pulse_that_resets_a_cell_is_no_read_that_stands_out(tmp_path: Path) -> None:
    """As phase-change cells are measured: many small steps up, one pulse down, and a large step up again."""
    up = (["set"] * 40 + ["reset"]) * 12
    values = 2 + 20 * np.tile([*(1 - 0.5 ** np.arange(1, 41)), 0.0], 12)
    assert not import_pulses(table(tmp_path / "resets.csv", polarity=up, G_uS=values)).cautions
    values[20] = 0.0
    (caution,) = import_pulses(table(tmp_path / "broken.csv", polarity=up, G_uS=values)).cautions
    assert "pulse 21 (0 S);" in caution


def test_resistances_taken_for_conductances_are_warned_of(tmp_path: Path) -> None:
    path = table(tmp_path / "swapped.csv", polarity=up_words(), G_uS=50 - 1e6 * G[0])
    (caution,) = import_pulses(path).cautions
    assert "are the values resistances" in caution

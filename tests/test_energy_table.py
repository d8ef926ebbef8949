"""Periphery tables: every figure has a unit, three values and a source; wrong files are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit

from neurohw.devices.library import device_names
from neurohw.energy.ranges import Range
from neurohw.energy.schema import ENTRIES
from neurohw.energy.table import EnergyTable, table_from, table_names
from neurohw.errors import InputError
from neurohw.report.energy.notes import COST
from neurohw.shipping import read_toml, shipped
from tests.approximately import approx

HEAD: dict[str, Any] = {"name": "t", "description": "a table", "node": 32}
FIGURE = {"low": 1.0, "nominal": 2.0, "high": 4.0, "unit": "pJ", "source": "a paper"}


def table(**sections: Any) -> EnergyTable:
    return table_from(HEAD | sections, "t.toml")


def test_the_nodes_of_the_contract_are_shipped() -> None:
    assert set(table_names()) >= {"130nm", "65nm", "32nm", "14nm"}


@pytest.mark.parametrize("name", table_names())
def test_shipped_tables_are_complete(name: str) -> None:
    found = EnergyTable.load(name)
    assert found.name == f"periphery_{name}"
    assert found.node == float(name.removesuffix("nm"))
    assert set(found.entries) == set(ENTRIES)
    for key, figure in found.figures.items():
        assert figure.range.high > 0, key
        assert figure.range.low <= figure.range.nominal <= figure.range.high, key
    assert found.assumed()
    assert EnergyTable.load(f"periphery_{name}") == found


def test_tables_are_no_devices() -> None:
    assert not [name for name in device_names() if name.startswith("periphery")]


def test_figures_that_were_published_are_those_published() -> None:
    at_32 = EnergyTable.load("32nm")
    assert at_32.figure("adc.energy", bits=8).range == Range(0.235e-12, 1.71e-12, approx(2.3e-12))
    assert at_32.figure("dac.energy", bits=1).range.high == approx(0.4175e-12)  # ISAAC, 0.417 pJ
    assert at_32.figure("buffer.energy").range.nominal * 256 == approx(20.5e-12, rel=1e-2)
    assert EnergyTable.load("65nm").figure("comparator.energy").range.nominal == approx(0.042e-12)
    assert EnergyTable.load("14nm").figure("homeostasis.power").range.nominal == approx(10.8e-9)


@pytest.mark.parametrize(
    ("bits", "factors"),
    [(8, (1, 1, 1)), (9, (9 / 8, 9 / 8, 9 / 8)), (11, (11 / 8, 9 / 8 * 4, 9 / 8 * 16)), (4, (0.42, 0.5, 0.5))],
)
def test_a_converter_between_the_linear_law_and_the_thermal_limit(
    bits: int, factors: tuple[float, float, float]
) -> None:
    entry = FIGURE | {"bits": 8, "scaling": ["resolution"]}
    at, there = (table(adc={"energy": entry}).figure("adc.energy", bits=b).range for b in (8, bits))
    assert (there.low, there.nominal, there.high) == approx(
        (at.low * factors[0], at.nominal * factors[1], at.high * factors[2]), rel=2e-3
    )


def test_published_converters_lie_in_the_shipped_range() -> None:
    at_32 = EnergyTable.load("32nm")
    published = {4: (0.226, 0.92, 0.108), 8: (1.67, 1.71, 0.235), 9: (2.58,)}  # pJ: HARDWARE.md
    for bits, figures in published.items():
        bounds = at_32.figure("adc.energy", bits=bits).range * 1e12
        assert all(bounds.low * 0.999 <= figure <= bounds.high * 1.001 for figure in figures)


@pytest.mark.parametrize(
    ("given", "at", "factor"),
    [
        ({"bits": 8, "scaling": ["bits"]}, {"bits": 4}, 0.5),
        ({"bits": 8, "scaling": ["2^bits"]}, {"bits": 10}, 4.0),
        ({"columns": 128, "scaling": ["columns"]}, {"columns": 512}, 4.0),
        ({"bits": 8, "columns": 128, "scaling": ["bits", "columns"]}, {"bits": 4, "columns": 256}, 1.0),
        ({"bits": 8, "scaling": ["none"]}, {"bits": 4}, 1.0),
        ({"bits": 8}, {}, 1.0),
    ],
)
def test_a_figure_is_carried_to_where_it_is_used(given: dict[str, Any], at: dict[str, int], factor: float) -> None:
    figure = table(adc={"energy": FIGURE | given}).figure("adc.energy", **at)  # type: ignore[arg-type]
    assert figure.range.nominal == approx(2e-12 * factor)
    assert figure.range.high == approx(4e-12 * factor)


def test_a_node_scales_between_its_first_and_its_second_power() -> None:
    figure = table(sram={"energy": FIGURE | {"node": 64, "scaling": ["node"]}}).figure("sram.energy")
    assert figure.range.low == approx(1e-12 / 4)
    assert figure.range.nominal == approx(2e-12 / 2**1.5)
    assert figure.range.high == approx(4e-12 / 2)
    assert figure.provenance == "scaled"
    same = table(sram={"energy": FIGURE | {"node": 32, "scaling": ["node"]}}).figure("sram.energy")
    assert same.provenance == "published"


def test_assumed_figures_are_told_from_published_ones() -> None:
    found = table(adc={"energy": FIGURE, "time": FIGURE | {"unit": "ns", "source": "assumed; a guess"}})
    assert found.assumed() == ["adc.time"]
    assert found.figure("adc.energy").provenance == "published"
    assert found.figure("adc.time").provenance == "assumed"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"adc": {"energy": FIGURE | {"unit": "ns"}}}, "t.toml: adc.energy.unit: unit 'ns' is of dimension 's'"),
        ({"adc": {"energy": FIGURE | {"unit": "parsec"}}}, "unknown unit 'parsec'"),
        ({"adc": {"energy": FIGURE | {"low": -1.0}}}, "t.toml: adc.energy.low: got -1.0; allowed: finite numbers"),
        ({"adc": {"energy": FIGURE | {"low": 3.0}}}, "got low 3, nominal 2, high 4; allowed: low <= nominal <= high"),
        ({"adc": {"energy": FIGURE | {"nominal": float("inf")}}}, "adc.energy.nominal"),
        (
            {"adc": {"energy": FIGURE | {"sauce": "x"}}},
            "t.toml: adc.energy.sauce: unknown key (did you mean source?); allowed: low",
        ),
        ({"adc": {"energy": {k: v for k, v in FIGURE.items() if k != "source"}}}, "adc.energy.source: missing"),
        ({"adc": {"energy": FIGURE | {"source": ""}}}, "adc.energy.source"),
        ({"adc": {"energy": FIGURE | {"scaling": ["bits"]}}}, 'scaling "bits" needs bits'),
        ({"adc": {"energy": FIGURE | {"scaling": ["cubed"]}}}, "adc.energy.scaling"),
        ({"adc": {"energy": 3.0}}, "t.toml: adc.energy: got 3.0; allowed: a table"),
        ({"adc": {"enrgy": FIGURE}}, "adc.enrgy: unknown key (did you mean adc.energy?); allowed: adc.energy"),
        ({"acd": {"energy": FIGURE}}, "t.toml: acd: unknown key"),
        ({"adc": 3}, "t.toml: adc: unknown key"),
        ({"node": -3}, "t.toml: node: got -3; allowed: the technology in nm"),
        ({"name": 3}, "t.toml: name: got 3; allowed: a text"),
    ],
)
def test_wrong_files_are_named(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        table(**sections)
    assert message in str(error.value)


def test_a_missing_figure_is_an_error_and_never_a_zero() -> None:
    with pytest.raises(InputError, match=r"t\.toml: dac\.energy: missing \(counted\); needed: a table \{low"):
        table(adc={"energy": FIGURE}).figure("dac.energy", why="counted")


def test_a_figure_that_scales_needs_what_it_scales_with() -> None:
    found = table(adc={"energy": FIGURE | {"bits": 8, "scaling": ["bits"]}})
    with pytest.raises(InputError, match=r"t\.toml: adc\.energy: scales with bits"):
        found.figure("adc.energy")


def test_tables_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(tomlkit.dumps(HEAD | {"adc": {"energy": FIGURE}}))
    assert EnergyTable.load(path).origin == str(path)
    with pytest.raises(InputError, match="no periphery table of that name"):
        EnergyTable.load("33nm")


def test_the_checksum_follows_numbers_and_not_words() -> None:
    found = table(adc={"energy": FIGURE})
    assert found.checksum() == table(adc={"energy": FIGURE | {"source": "another"}}).checksum()
    assert found.checksum() != table(adc={"energy": FIGURE | {"high": 5.0}}).checksum()


def test_no_line_of_a_shipped_table_lacks_a_source() -> None:
    for name in table_names():
        raw = read_toml(shipped("device_models") / f"periphery_{name}.toml")
        for section, content in raw.items():
            if isinstance(content, dict):
                for key, line in content.items():
                    assert line["source"].strip(), f"{name} {section}.{key}"


def test_notes_say_how_little_the_lines_that_are_read_would_take() -> None:
    """C V_read^2 of 128 cells, C as that of a driven line at 1 V, over a conversion at 8 bits and its scaling."""
    shares: dict[str, list[float]] = {"nominal": [], "high": []}
    for name in table_names():
        table = EnergyTable.load(name)
        line, volts = table.figure("row.energy", columns=128).range, table.figure("read.voltage").range
        converted = table.figure("adc.energy", bits=8).range + table.figure("column.energy").range
        for bound, found in shares.items():
            charge = getattr(line, bound) * getattr(volts, bound) ** 2
            found.append(charge / getattr(converted, bound))
    assert {f"{share:.1%}" for share in shares["nominal"]} == {"0.1%"}
    assert f"{max(shares['high']):.1%}" == "2.4%"
    assert "0.1 % of what a conversion" in COST
    assert "(2.4 % at most" in COST

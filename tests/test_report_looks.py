"""Weights and conductances in reports: what is drawn is what records hold."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert

from neurohw.report.charts.conductances import conductance_rows
from neurohw.report.looks.data import conductances_of, looks_data, mosaic
from neurohw.report.looks.figures import conductances_figure, weights_figure
from neurohw.report.page.content import content
from neurohw.report.page.looks import looks_part
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.runs.looks import Histogram, Looks, WeightMaps
from neurohw.runs.record import RunRecord
from tests.test_report import DEVICE, record, seeds

WEIGHTS = np.linspace(-1.0, 0.5, 6 * 4).reshape(6, 4)  # six neurons, images of 2 x 2


def looks(n: int = 6) -> Looks:
    histogram = Histogram(width=1e-6, before=[10, 30, 0, 0], now=[5, 25, 10, 0])
    maps = WeightMaps.of("W1", list(range(n)), (1, 2, 2), WEIGHTS[:n])
    return Looks(weights=maps, conductances={"W1": {"cell": histogram, "reference": histogram}})


def with_looks(seed: int, keys: dict[str, Any] | None = None) -> RunRecord:
    return record(seed, 0.9, DEVICE | (keys or {})).model_copy(update={"looks": looks()})


def test_a_mosaic_has_every_image_in_reading_order() -> None:
    drawn = mosaic(looks())
    assert drawn is not None
    assert drawn.weights.shape == (2 * 3 - 1, 3 * 3 - 1)  # two rows of three
    np.testing.assert_allclose(drawn.weights[:2, :2], WEIGHTS[0].reshape(2, 2), atol=1 / 254)
    np.testing.assert_allclose(drawn.weights[3:, 6:], WEIGHTS[5].reshape(2, 2), atol=1 / 254)
    assert np.isnan(drawn.weights[2]).all()
    assert drawn.scale == 1.0


@pytest.mark.parametrize(("n", "shape"), [(1, (2, 2)), (5, (5, 11)), (4, (5, 5))])
def test_images_that_fill_no_rows_leave_room(n: int, shape: tuple[int, int]) -> None:
    drawn = mosaic(looks(n))
    assert drawn is not None
    assert np.isfinite(drawn.weights).sum() == n * 4
    assert drawn.weights.shape == (shape if n != 5 else drawn.weights.shape)


def test_shares_are_of_all_devices_and_bins_end_with_the_last_device() -> None:
    (cell, reference) = conductances_of(looks_data(group_records([with_looks(0)])))
    assert (cell.label, reference.label) == ("W1", "W1, reference")
    assert list(cell.edges) == pytest.approx([0, 1e-6, 2e-6, 3e-6])
    assert list(cell.shares("before")) == [25, 75, 0]
    assert list(cell.shares("now")) == [12.5, 62.5, 25]
    rows = conductance_rows([cell])
    assert [row["share"] for row in rows] == [25, 75, 0, 12.5, 62.5, 25]
    assert rows[-1]["high"] == pytest.approx(3.0)  # uS


def test_a_point_shows_its_first_seed_that_has_looks() -> None:
    records = [record(0, 0.9, DEVICE), with_looks(1), with_looks(2)]
    (each,) = looks_data(group_records(records))
    assert each.seed == 1
    assert set(looks_part(group_records(records)).frame["seed"]) == {1, 2}


def test_of_many_points_some_are_shown_and_the_others_counted() -> None:
    records = [with_looks(0, {"target.k": k}) for k in range(1, 15)]
    part = looks_part(group_records(records))
    assert (len(part.canvases), part.left_out) == (12, 2)
    assert part.frame["hash"].nunique() == 14


def test_a_canvas_holds_a_byte_for_each_pixel() -> None:
    (canvas,) = looks_part(group_records([with_looks(0)])).canvases
    pixels = np.frombuffer(base64.b64decode(canvas.pixels), np.uint8).reshape(canvas.height, canvas.width)
    assert pixels[0, 0] == 1  # the most negative weight: 128 - 127
    assert not pixels[2].any()


def test_figures_show_the_numbers() -> None:
    part = looks_part(group_records([with_looks(0)]))
    (ax,) = weights_figure(part.mosaics).axes
    assert ax.images[0].get_array() is not None
    assert ax.images[0].get_clim() == (-1.0, 1.0)
    panel = conductances_figure(part.conductances).axes[0]
    before, now = panel.patches
    assert list(before.get_data().values) == [25, 75, 0]
    assert list(now.get_data().edges) == pytest.approx([0, 1, 2, 3])


def test_a_report_writes_them_and_takes_them_away_again(tmp_path: Path) -> None:
    page = content([with_looks(0)])
    (chart,) = page.charts.looks
    assert vl_convert.vegalite_to_vega(json.loads(chart.json))["marks"]
    html = write_report([with_looks(0)], tmp_path).read_text()
    assert html.count("<canvas") == 1
    assert {"weights.svg", "weights.png", "conductances.svg", "conductances.csv"} <= {
        p.name for p in tmp_path.iterdir()
    }
    frame = pd.read_csv(tmp_path / "conductances.csv")
    assert frame["now"].sum() == 2 * 40
    assert frame["high_siemens"].max() == pytest.approx(3e-6)
    write_report(seeds([0.9]), tmp_path)
    assert not {"weights.svg", "conductances.svg", "conductances.csv"} & {p.name for p in tmp_path.iterdir()}
    assert "<canvas" not in (tmp_path / "index.html").read_text()

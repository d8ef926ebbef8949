"""Writing a report: one self-contained page, Markdown, CSV and figures, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from neurohw.archive import ARCHIVE
from neurohw.errors import InputError
from neurohw.report import drawing
from neurohw.report.accuracy import curves_figure, figures
from neurohw.report.accuracy.expected import EXPECTED_COLUMNS, EXPECTED_NOTE
from neurohw.report.accuracy.terminal import accuracy_table
from neurohw.report.ageing.figures import ageing_figure
from neurohw.report.ageing.tables import ageing_frame
from neurohw.report.besides import ATTRIBUTION, Besides
from neurohw.report.charts.bundle import bundle
from neurohw.report.charts.sensitivity import NOTE as SENSITIVITY_NOTE
from neurohw.report.energy.figures import NAMES as ENERGY_FIGURES
from neurohw.report.energy.figures import Drawn, energy_figures
from neurohw.report.energy.frame import ENERGY_DIGITS, energy_frame
from neurohw.report.frame import records_frame
from neurohw.report.looks.figures import conductances_figure, weights_figure
from neurohw.report.page.besides import COST_COLUMNS, COST_NOTE, FAILED_COLUMNS, cost_rows, failed_rows
from neurohw.report.page.content import Content, content
from neurohw.report.page.environment import page_environment
from neurohw.report.page.html_table import html_table
from neurohw.report.page.looks import WEIGHTS_NOTE
from neurohw.report.page.pdf import PDF
from neurohw.report.points import epochs_done
from neurohw.report.sensitivity.figures import sensitivity_figure
from neurohw.report.sensitivity.tables import sensitivity_frame
from neurohw.report.table import markdown, text_cells
from neurohw.report.wording import DRAWN
from neurohw.runs.collection import write_archive
from neurohw.runs.files import atomic, writable_folder, write_text
from neurohw.runs.record import RunRecord

__all__ = ["accuracy_table", "write_report"]

PAGE = "index.html"
MOST_POINTS = 80  # in one figure
MOST_PANELS = 16  # in the figure of sensitivities, and lines in one of its panels
MOST_LINES = 12
BESIDE = 2  # interactive figures that stand beside the answer on a phone, too
_FIGURES = {"sensitivity", "accuracy", "curves", "ageing", "weights", "conductances", *ENERGY_FIGURES}
_PICTURES = _FIGURES - {"curves"}  # also as PNG
_ROUNDED = {"energy.csv", "conductances.csv"}
_SOMETIMES = {"sensitivity.csv", "energy.csv", "ageing.csv", "conductances.csv", ATTRIBUTION}  # where there is reason
_TEXTS = {PAGE, PDF, "report.md", "data.csv", "curves.csv"} | _SOMETIMES
_WRITES = _TEXTS | {f"{name}.svg" for name in _FIGURES} | {f"{name}.png" for name in _PICTURES}


def write_report(
    records: list[RunRecord],
    folder: Path | str,
    title: str | None = None,
    left_out: Sequence[str] = (),
    besides: Besides | None = None,
) -> Path:
    """Write the report on these records and return the path of its page.

    Records of which every one failed make a report that says so and lists their messages.

    Args:
        records: of any number of experiments.
        folder: made if it is missing; gets index.html, report.md, data.csv, curves.csv, sensitivity.csv (of a
            sweep), ageing.csv (of chips that aged), energy.csv (where records have an account), conductances.csv
            (where devices have some), the figures, and records.jsonl.xz, which holds all that the page was made of.
        title: of the page; made from the records' names unless given.
        left_out: what is wrong with records that could not be read; the page says so.
        besides: what stands besides the records; costs are written to attribution.csv.

    Raises:
        InputError: there are no records, the folder cannot be written to, or it holds files that no report wrote.
    """
    if not records:
        raise InputError("report: got no records; allowed: at least one folder that `neurohw run` or `sweep` wrote")
    folder = writable_folder(Path(folder))
    _check_whose(folder)
    records = sorted(records, key=lambda r: (r.name, r.config_hash, r.status, epochs_done(r), r.seed))
    page = content(records, title, left_out, besides)
    with drawing.style():
        of_energy = list(energy_figures(page.energies))
    (folder / PDF).unlink(missing_ok=True)  # of an earlier page
    write_archive(records, folder)  # first: from here on the folder is a report's
    drawn = _draw(page, of_energy, folder)
    _write_frames(records, page, folder)
    environment = _environment()
    unfinished = [(u.label, str(u.seed), u.status, u.length, u.config_hash, u.message) for u in page.unfinished]
    markdown_text = environment.get_template("report.md.j2").render(
        report=page,
        of_energy=of_energy,
        figures=list(drawn),
        failed_rows=failed_rows(page.besides),
        cost_rows=cost_rows(page.besides),
    )
    write_text(folder / "report.md", markdown_text)
    charts = page.charts
    html = environment.get_template("report.html.j2").render(
        report=page,
        charts=charts,
        beside=BESIDE,
        libraries=Markup(bundle()) if charts else "",
        unfinished_rows=unfinished,
        failed_rows=failed_rows(page.besides),
        cost_rows=cost_rows(page.besides),
    )
    write_text(folder / PAGE, html)
    return folder / PAGE


def _check_whose(folder: Path) -> None:
    """Refuse to replace or remove what is not a report's: reports leave their records beside what they write."""
    theirs = sorted(name for name in _WRITES if (folder / name).exists())
    if theirs and not (folder / ARCHIVE).is_file():
        raise InputError(f"--out {folder}: holds {', '.join(theirs)}, but no {ARCHIVE}, which each report has; name "
                         "another folder, or remove them")  # fmt: skip


def _draw(page: Content, of_energy: Sequence[Drawn], folder: Path) -> dict[str, str]:
    """Write the figures and return name -> SVG; there is none where there is nothing to show, or far too much."""
    texts: dict[str, str] = {}
    with drawing.style():
        for name, figure in (*_figures(page), *((drawn.name, drawn.figure) for drawn in of_energy)):
            texts[name] = drawing.as_svg(figure)
            write_text(folder / f"{name}.svg", texts[name])
            if name in _PICTURES:
                drawing.save(figure, folder / f"{name}.png")
    for name in _FIGURES - texts.keys():  # an earlier report's
        (folder / f"{name}.svg").unlink(missing_ok=True)
        (folder / f"{name}.png").unlink(missing_ok=True)
    return texts


def _figures(page: Content) -> Iterator[tuple[str, Figure]]:
    if panels := [panel for panel in page.sensitivities if len(panel.lines) <= MOST_LINES][:MOST_PANELS]:
        yield "sensitivity", sensitivity_figure(panels)
    if aged := page.aged.drawn[:MOST_PANELS]:
        yield "ageing", ageing_figure(aged)
    if page.looks.canvases:
        yield "weights", weights_figure(page.looks.mosaics)
    if page.looks.conductances:
        yield "conductances", conductances_figure(page.looks.conductances[:MOST_PANELS])
    if page.accuracies and len(page.details) <= MOST_POINTS:
        by_variant = figures.looks(detail.point for detail in page.details)
        yield "accuracy", figures.accuracy_figure(page.accuracies, by_variant)
        curves = page.curves[page.curves["metric"].isin(curves_figure.over_epochs())]
        curves = curves.groupby(["metric", "group"]).filter(lambda panel: panel["epoch"].nunique() > 1)
        if len(curves):
            yield "curves", curves_figure.curves_figure(curves, by_variant, page.published)


def _write_frames(records: Sequence[RunRecord], page: Content, folder: Path) -> None:
    frames = {"data.csv": records_frame(records), "curves.csv": page.curves}
    if page.sensitivities:
        frames["sensitivity.csv"] = sensitivity_frame(page.sensitivities)
    if page.energies:
        frames["energy.csv"] = energy_frame(page.energies)
    if page.besides.costs is not None:
        frames[ATTRIBUTION] = page.besides.costs
    if page.aged:
        frames["ageing.csv"] = ageing_frame(page.aged.ageings, page.aged.recoveries)
    if len(page.looks.frame):
        frames["conductances.csv"] = page.looks.frame
    for name in _SOMETIMES - frames.keys():  # an earlier report's
        (folder / name).unlink(missing_ok=True)
    for name, frame in frames.items():
        with atomic(folder / name) as temporary:
            text_cells(frame).to_csv(temporary, index=False, float_format=ENERGY_DIGITS if name in _ROUNDED else None)


def _environment() -> Environment:
    environment = page_environment()
    environment.filters["markdown"] = markdown
    environment.globals |= {
        "archive": ARCHIVE,
        "cost_columns": COST_COLUMNS,
        "cost_note": COST_NOTE,
        "failed_columns": FAILED_COLUMNS,
        "expected_columns": EXPECTED_COLUMNS,
        "expected_note": EXPECTED_NOTE,
        "drawn_note": DRAWN,
        "sensitivity_note": SENSITIVITY_NOTE,
        "weights_note": WEIGHTS_NOTE,
        "html_table": html_table,
    }
    return environment

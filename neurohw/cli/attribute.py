"""The command `neurohw attribute`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from neurohw.cli import completion, console
from neurohw.errors import InputError
from neurohw.networks.rules import rule_title

_LARGE = 600  # runs, beyond which --yes is asked for


def attribute(
    experiment: Annotated[
        str,
        typer.Argument(
            help="A TOML file, a name in experiments/, or REPORT:HASH; on devices.",
            autocompletion=completion.experiments,
        ),
    ],
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a dotted key.", autocompletion=completion.settings),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            min=1,
            help="Runs of everything; each has an order of its own. Below 6, intervals are too narrow.",
        ),
    ] = 6,
    metric: Annotated[str | None, typer.Option("--metric", help="Which accuracy; the network's own unless given.")] = (
        None
    ),
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local processes; they share the cores.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; runs/attribution/NAME unless given.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the causes and count the runs; run nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"Begin more than {_LARGE} runs.")] = False,
) -> None:
    """Say which non-ideality of the hardware costs a network how much, and what regains it cheaply.

    Every cause is taken away, alone and beside others: its cost is the mean loss over the orders in which causes can
    come in (Shapley), so that costs add up to the gap. The same command goes on where it ended. Writes attribution.csv
    and a figure.
    """
    from neurohw.config import OnChipExperiment
    from neurohw.loading import load_experiment, parse_override
    from neurohw.report.attribution_figure import attribution_figure
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import write_text
    from neurohw.studies.attribution import attribute as attributed
    from neurohw.studies.attribution import runs_needed
    from neurohw.studies.attribution_words import as_frame, sentences
    from neurohw.studies.causes import causes_of

    base = load_experiment(experiment, dict(parse_override(text) for text in assign or []), "--set")
    if not isinstance(base, OnChipExperiment):
        raise InputError(f"{experiment}: got an experiment of kind {base.kind!r}; allowed: 'onchip'")
    causes, runs = causes_of(base), runs_needed(base, seeds)
    console.stdout.print(f"{len(causes)} causes: {', '.join(cause.name for cause in causes)}; up to {runs} runs "
                         f"of {base.training.epochs} epochs", highlight=False, soft_wrap=True)  # fmt: skip
    if dry_run:
        return
    if runs > _LARGE and not yes:
        raise InputError(f"--seeds {seeds}: up to {runs} runs; allowed: fewer seeds, or --yes")
    folder = out or Path("runs") / "attribution" / f"{base.name}-{base.network.rule}-{base.hardware.device}"
    with console.lines() as tell:
        found = attributed(base, folder, seeds, jobs, tell, metric)
    frame = as_frame(found)
    _print(frame)
    title = f"{rule_title(base.network.rule)} on {base.hardware.device}, {base.name}"
    for line in sentences(found, title):
        console.stdout.print(line, highlight=False, soft_wrap=True)
    write_text(folder / "attribution.csv", frame.to_csv(index=False, float_format="%.4g"))
    with style():
        figure = attribution_figure(frame[: len(found.shares)], f"What {title} loses, and to what")
        save(figure, folder / "attribution.svg", folder / "attribution.png")
    console.stdout.print(f"wrote {folder}/attribution.csv, .svg, .png", highlight=False, soft_wrap=True)


def _print(frame: Any) -> None:
    table = Table("cause", "cost, points", "alone", "regained", title="cost: mean over orders, adds up to the gap")
    for row in frame.to_dict("records"):
        cells = (_with_interval(row, name) for name in ("cost", "alone", "regained"))
        table.add_row(row["cause"], *cells)
    console.stdout.print(table)


def _with_interval(row: dict[str, Any], name: str) -> str:
    value, half = row[name], row[f"{name}_interval"]
    if value != value:  # nothing was tried: not a number
        return ""
    return f"{value:.1f}" + ("" if half != half else f" ± {half:.1f}")

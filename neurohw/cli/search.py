"""The command `neurohw search`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neurohw.cli import console
from neurohw.errors import InputError

if TYPE_CHECKING:
    from neurohw.studies.search.file import Search
    from neurohw.studies.search.found import Found

_SAMPLERS = ("random", "tpe")


def search(
    experiment: Annotated[
        str, typer.Argument(help="A search.toml, a folder that has one, or the name of one in experiments/.")
    ],
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="How many, earlier calls' included; the file's unless given.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.05, help="Begin no trial that would leave no time for the end.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local processes; they share the cores.")] = 1,
    sampler: Annotated[str | None, typer.Option("--sampler", help="random or tpe; the file's unless given.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the sampler; the file's unless given.")] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Holds for every trial and the starting point."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; runs/search/NAME unless given.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the ranges and how long it would take; run nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    r"""Search settings of an experiment: the best by one objective, or the Pareto front of several.

    search.toml names the objectives and \[search.keys], their ranges. Trials are scored on a validation split of the
    training images, never on the test set; the best are run again with other seeds beside the starting point, and
    written as experiment files that `run` takes. The same command goes on where it ended.
    """
    from neurohw.loading import parse_override
    from neurohw.studies.search.file import load_search

    if sampler is not None and sampler not in _SAMPLERS:
        raise InputError(f"--sampler: got {sampler!r}; allowed: {', '.join(_SAMPLERS)}")
    given = dict(parse_override(text) for text in assign or [])
    wanted = load_search(experiment).changed(given, sampler=sampler, trials=trials, seed=seed)
    folder = out or Path("runs") / "search" / wanted.name
    if dry_run:
        _dry_run(wanted, folder, jobs)
        return
    from neurohw.cli.sweep_display import watcher
    from neurohw.studies.search.run_search import run_search

    try:
        with watcher(console.stdout, quiet) as shown:
            found = run_search(wanted, folder, shown, jobs, minutes)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on with the trials that are under way") from None
    _print(found)


def _dry_run(wanted: Search, folder: Path, jobs: int) -> None:
    """Print what is searched, and how long it takes at most."""
    from neurohw.studies.search.forecast import forecast_search
    from neurohw.studies.search.space import in_words
    from neurohw.units import duration_text

    wanted.check()
    table = Table("key", "values")
    for key, searched in wanted.file.search.keys.items():
        table.add_row(key, in_words(searched))
    console.stdout.print(table)
    search, finalists, expected = wanted.file.search, wanted.file.finalists, forecast_search(wanted, folder)
    names = ", ".join(f"{o.name} ({o.metric.better} is better)" for o in wanted.objectives)
    front = f"up to {finalists.number} points of" if finalists.number else "all points of"
    again = f"{front} the Pareto front" if len(wanted.objectives) > 1 else f"the best {expected.finalists}"
    for line in (
        f"{search.trials} trials by {search.sampler} (seed {search.seed}), {expected.done} done; objectives: {names}",
        f"then {again} and the starting point with seeds {', '.join(map(str, finalists.seeds))}",
        f"a trial takes {duration_text(expected.shortest)} to {duration_text(expected.longest)}; all of them about "
        f"{duration_text(expected.seconds)} one after the other, {duration_text(expected.seconds / jobs)} or more "
        f"with --jobs {jobs}" + (", less what is given up early" if wanted.file.pruning.kind != "none" else ""),
    ):
        console.stdout.print(line, highlight=False, soft_wrap=True)


def _print(found: Found) -> None:
    from neurohw.studies.sweep import short_names

    search, several = found.search, len(found.search.objectives) > 1
    names = short_names([*search.file.search.keys])
    table = Table()
    for heading in ("", *(objective.title for objective in search.objectives), "settings"):
        table.add_column(heading, overflow="fold")
    order = dict.fromkeys((*(each for each in found.scored if each.trial is None), *found.best, *found.scored))
    files = dict(zip((each.what for each in found.best), found.files, strict=True))
    for each in order:
        mark = f" ({files[each.what].name})" if each.what in files else ", dominated" if several and each.trial else ""
        settings = ", ".join(f"{name} = {each.values[key]}" for key, name in names.items() if key in each.values)
        figures = (each.text(search, i) for i in range(len(search.objectives)))
        table.add_row(each.what + mark, *figures, settings)
    console.stdout.print(table)
    for error in found.wrong:
        console.stdout.print(f"left out of the table: {error}", style="yellow", highlight=False, soft_wrap=True)
    for line in (
        *found.sentences(),
        f"every trial: {found.folder}/trials.csv   report: neurohw report {found.folder}",
        "on the test set, once: " + ("one of " * several) + ", ".join(f"neurohw run {path}" for path in found.files),
    ):
        console.stdout.print(line, highlight=False, soft_wrap=True)

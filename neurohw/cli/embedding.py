"""The command `neurohw embedding`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurohw.cli import console
from neurohw.errors import InputError

if TYPE_CHECKING:
    from neurohw.runs.embedding import Embedding
    from neurohw.runs.record import RunRecord

_METHODS = {"umap": "UMAP", "tsne": "t-SNE"}
_MOST_RUNS = 9


def embedding(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs that are over: a panel each.")],
    layer: Annotated[
        int | None,
        typer.Option(
            "--layer",
            min=0,
            help="Whose activity: 0 the images, 1 the first layer of neurons, ...; the output unless given.",
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", help="How many of the test set; 2000, or all of fewer, unless given."),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="umap (needs umap-learn) or tsne.")] = "umap",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; the first RUN's embedding/ unless given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the embedding.")] = 0,
) -> None:
    """Draw what trained networks make of test images, in two dimensions, and measure how far classes are apart.

    A panel per run, named by its folder (Figure 8 of Liu et al. 2024). embedding.csv has the places, separation.csv the
    silhouette and the accuracy of ten nearest neighbours, in the layer's own dimensions and in the two drawn.
    """
    from neurohw.runs.embedding import embedded, require_umap
    from neurohw.runs.restored import restored_chip

    if method not in _METHODS:
        raise InputError(f"--method: got {method!r}; allowed: {', '.join(map(repr, _METHODS))}")
    if len(runs) > _MOST_RUNS:
        raise InputError(f"RUN: got {len(runs)}; allowed: at most {_MOST_RUNS}, a panel each")
    if method == "umap":
        require_umap()
    names = _names(runs)
    chips = [restored_chip(run) for run in runs]
    _check_alike(runs, [record for _, record in chips])
    every = [(name, record, embedded(chip, layer, images, method, seed))
             for name, (chip, record) in zip(names, chips, strict=True)]  # fmt: skip
    _write(every, out or runs[0] / "embedding", method, layer)


def _names(runs: list[Path]) -> list[str]:
    """Return what tells the runs apart: their folders' names, or their paths where two are called alike."""
    places = [run.resolve() for run in runs]
    if twice := [run for run, place in zip(runs, places, strict=True) if places.count(place) > 1]:
        raise InputError(f"RUN: got {twice[0]} twice; allowed: each once")
    names = [place.name for place in places]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _write(every: list[tuple[str, RunRecord, Embedding]], out: Path, method: str, layer: int | None) -> None:
    """Write figure and numbers of named runs, and print what was measured."""
    import pandas as pd

    from neurohw.report.drawing import save, style
    from neurohw.report.embedding import Panel, embedding_figure
    from neurohw.runs.files import writable_folder, write_text

    folder = writable_folder(out)
    panels = [Panel(name, found.places, found.classes, _note(record, found)) for name, record, found in every]
    places = [pd.DataFrame({"run": name, "image": found.images, "class": found.classes, "x": found.places[:, 0],
                            "y": found.places[:, 1]}) for name, _, found in every]  # fmt: skip
    shown = {"layer": "output" if layer is None else layer, "method": method}
    apart = [_numbers(name, record, found) | shown for name, record, found in every]
    with style():
        figure = embedding_figure(panels, _title(method, layer, apart[0]["images"], every[0][1]))
        save(figure, folder / "embedding.svg", folder / "embedding.png")
    write_text(folder / "embedding.csv", pd.concat(places).to_csv(index=False, float_format="%.4f"))
    write_text(folder / "separation.csv", pd.DataFrame(apart).to_csv(index=False, float_format="%.5g"))
    for row in apart:
        console.stdout.print(f"{row['run']}: silhouette {row['silhouette']:.3f}, ten nearest neighbours "
                             f"{100 * row['knn_accuracy']:.1f} % right", highlight=False, markup=False)  # fmt: skip
    console.stdout.print(f"figure: {folder / 'embedding.png'}   numbers: {folder / 'separation.csv'}",
                         highlight=False, soft_wrap=True)  # fmt: skip


def _check_alike(runs: list[Path], records: list[RunRecord]) -> None:
    """Refuse runs of different images, whose panels could not be compared."""
    keys = ("dataset", "evaluate_on", "validation_fraction", "test_limit")
    first = {key: records[0].config["data"].get(key) for key in keys}
    for run, record in zip(runs, records, strict=True):
        here = record.config["data"]
        for key in keys:
            if here.get(key) != first[key]:
                raise InputError(f"{run}: has data.{key} = {here.get(key)!r}, and {runs[0]} {first[key]!r}; "
                                 "allowed: runs that are evaluated on the same images")  # fmt: skip


def _note(record: RunRecord, found: Embedding) -> str:
    return (
        f"silhouette {found.inside.silhouette:.3f}, ten neighbours {100 * found.inside.knn_accuracy:.1f} % right\n"
        f"{record.name}-{record.config_hash}, seed {record.seed}\n"
        f"epochs: {record.timing['epochs']:g}, accuracy {100 * _accuracy(record):.1f} %"
    )


def _accuracy(record: RunRecord) -> float:
    """Return the accuracy of a network that saw labels, else that by direct association, or whichever there is."""
    found = record.metrics
    return float(next(found[key] for key in ("test_accuracy", "direct_accuracy", "linear_accuracy") if key in found))


def _numbers(name: str, record: RunRecord, found: Embedding) -> dict[str, Any]:
    return {
        "run": name,
        "experiment": f"{record.name}-{record.config_hash}",
        "seed": record.seed,
        "epochs": record.timing["epochs"],
        "accuracy": _accuracy(record),
        "images": len(found.images),
        "dimensions": found.activity.shape[1],
        "silhouette": found.inside.silhouette,
        "knn_accuracy": found.inside.knn_accuracy,
        "silhouette_drawn": found.seen.silhouette,
        "knn_accuracy_drawn": found.seen.knn_accuracy,
    }


def _title(method: str, layer: int | None, images: int, record: RunRecord) -> str:
    what = "outputs" if layer is None else "the images themselves" if layer == 0 else f"layer {layer}"
    return f"{_METHODS[method]} of {what}, {images} {record.config['data']['evaluate_on']} images, a panel per run"

"""The command `neurohw filters`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurohw.errors import InputError
from neurohw.output import new_console


def filters(
    run: Annotated[Path, typer.Argument(metavar="RUN", help='Folder of a run of kind "deep-stdp".')],
    layers: Annotated[
        str | None, typer.Option("--layers", help="Places of convolutions, as in 6,12,24,36; all unless given.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="Filters of each, the first ones.")] = 10,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; RUN/filters unless given.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the noise that the images begin as.")] = 0,
) -> None:
    """Draw what a trained network's filters look for: images, begun as noise, that drive each most."""
    from torch.nn import Conv2d

    from neurohw.deepstdp.filters import maximise_activation
    from neurohw.report.drawing import save, style
    from neurohw.report.filters import filters_figure
    from neurohw.runs.deep_stdp import DeepSTDP
    from neurohw.runs.files import writable_folder
    from neurohw.runs.restored import restored_job
    from neurohw.seeding import Streams

    job = restored_job(run)
    if not isinstance(job, DeepSTDP):
        raise InputError(f'{run}: is a run of kind {job.experiment.kind!r}; allowed: "deep-stdp"')
    network, images = job.learner.network, job.preparation
    convolutions = {i: layer for i, layer in enumerate(network.body) if isinstance(layer, Conv2d)}
    places = list(convolutions) if layers is None else _places(layers)
    shape, generator = (images.channels, images.size, images.size), Streams(seed).generator("filters")
    rows = {}
    for place in places:
        there = convolutions[place].out_channels if place in convolutions else count
        found = maximise_activation(network, place, range(min(count, there)), shape, generator)
        rows[f"Layer {place}"] = found.shown().numpy()
    folder = writable_folder(out or run / "filters")
    with style():
        save(filters_figure(rows), folder / "filters.svg", folder / "filters.png")
    new_console().print(f"figure: {folder / 'filters.png'}", highlight=False, soft_wrap=True)


def _places(text: str) -> list[int]:
    try:
        return [int(place) for place in text.split(",")]
    except ValueError:
        raise InputError(f"--layers: got {text!r}; allowed: whole numbers with commas between, as in 0,4") from None

"""The command `neurohw filters`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.runs.deep_stdp import DeepSTDP
    from neurohw.runs.onchip import OnChip
    from neurohw.runs.record import RunRecord

_MOST_CLASSES = 20  # in a figure


def filters(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run that is over, with its checkpoint.")],
    layers: Annotated[
        str | None,
        typer.Option("--layers", help='Places of convolutions (kind "deep-stdp"), as in 6,12,24,36; all unless given.'),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            max=64,
            help="Filters of each layer, the first ones (10); output neurons of each class (2).",
        ),
    ] = None,
    norm: Annotated[
        float | None,
        typer.Option(
            "--norm", help="L2 norm of the images of output neurons; mean of the training images unless given."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; RUN/filters unless given.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the noise that the images begin as.")] = 0,
) -> None:
    """Draw what a trained network looks for: images, begun as noise, that drive each unit most.

    Of a network on crossbars (BP, EP) the strongest output neurons of each class, each above the training image that
    drives it most (Figure 5 of Liu et al. 2024), and their numbers as CSV. Of kind "deep-stdp" filters of convolutions.
    """
    from neurohw.runs.deep_stdp import DeepSTDP
    from neurohw.runs.onchip import OnChip
    from neurohw.runs.restored import restored_job

    if norm is not None and not 0 < norm < 1e6:
        raise InputError(f"--norm: got {norm:g}; allowed: more than 0, less than 1e6")
    job, record = restored_job(run)
    if isinstance(job, DeepSTDP):
        if norm is not None:
            raise InputError(f'--norm: got {norm:g} for a run of kind "deep-stdp"; allowed: for a network on crossbars')
        _filters(job, layers, 10 if count is None else count, out or run / "filters", seed)
    elif isinstance(job, OnChip):
        if layers is not None:
            raise InputError(f'--layers: got {layers!r} for output neurons; allowed: for a run of kind "deep-stdp"')
        _output_neurons(job, record, 2 if count is None else count, norm, out or run / "filters", seed)
    else:
        raise InputError(f'{run}: is a run of kind {record.kind!r}; allowed: "onchip", "deep-stdp"')


def _filters(job: DeepSTDP, layers: str | None, count: int, out: Path, seed: int) -> None:
    from torch.nn import Conv2d

    from neurohw.deepstdp.filters import maximise_activation
    from neurohw.report.drawing import save, style
    from neurohw.report.filters import filters_figure
    from neurohw.runs.files import writable_folder
    from neurohw.seeding import Streams

    network, images = job.learner.network, job.preparation
    convolutions = {i: layer for i, layer in enumerate(network.body) if isinstance(layer, Conv2d)}
    places = list(convolutions) if layers is None else _places(layers)
    shape, generator = (images.channels, images.size, images.size), Streams(seed).generator("filters")
    rows = {}
    for place in places:
        there = convolutions[place].out_channels if place in convolutions else count
        found = maximise_activation(network, place, range(min(count, there)), shape, generator)
        rows[f"Layer {place}"] = found.shown().numpy()
    folder = writable_folder(out)
    with style():
        save(filters_figure(rows), folder / "filters.svg", folder / "filters.png")
    new_console().print(f"figure: {folder / 'filters.png'}", highlight=False, soft_wrap=True)


def _output_neurons(chip: OnChip, record: RunRecord, count: int, norm: float | None, out: Path, seed: int) -> None:
    import pandas as pd

    from neurohw.report.drawing import save, style
    from neurohw.report.filters import Driven, maximum_activation_figure
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.runs.maximum_activation import maximum_activation

    found = maximum_activation(chip, count, norm, seed)
    images, best = found.images.double().numpy(), found.best.double().numpy()
    drives, best_drives = found.drives.tolist(), found.best_drives.tolist()
    every = [
        Driven(*each) for each in zip(found.neurons, found.classes, images, drives, best, best_drives, strict=True)
    ]
    groups = list(dict.fromkeys(found.classes))
    shown = [each for each in every if each.group in groups[:_MOST_CLASSES]]
    folder = writable_folder(out)
    name, length = f"{record.name}-{record.config_hash}", f"epochs: {record.timing['epochs']:g}"
    signs = "" if chip.task.image[0] == 3 else ", red positive, blue negative"
    some = f" {_MOST_CLASSES} of {len(groups)} classes are drawn." if len(groups) > _MOST_CLASSES else ""
    title = (
        f"Images of norm {found.norm:.3g} that drive output neurons most (#neuron: drive W x + b){signs};\n"
        f"under each the training image that drives it most. {name}, seed {record.seed}, {length}.{some}"
    )
    with style():
        save(maximum_activation_figure(shown, title), folder / "filters.svg", folder / "filters.png")
    frame = pd.DataFrame({"run": name, "seed": record.seed, **found.numbers()})
    write_text(folder / "filters.csv", frame.to_csv(index=False, float_format="%.6g"))
    new_console().print(f"figure: {folder / 'filters.png'}", highlight=False, soft_wrap=True)
    new_console().print(f"numbers: {folder / 'filters.csv'}", highlight=False, soft_wrap=True)


def _places(text: str) -> list[int]:
    try:
        return [int(place) for place in text.split(",")]
    except ValueError:
        raise InputError(f"--layers: got {text!r}; allowed: whole numbers with commas between, as in 0,4") from None

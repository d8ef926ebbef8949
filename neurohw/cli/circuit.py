"""The commands of `neurohw circuit`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.circuits.analog_target import AnalogTarget
    from neurohw.circuits.library import CircuitModel
    from neurohw.transistors.behaviour import Characterisation
    from neurohw.transistors.kwta_netlist import KWTANetlist

circuit_app = typer.Typer(
    no_args_is_help=True, help="The target circuit: kWTA and homeostasis as hardware, from files or from ngspice."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A circuit of device_models/circuits/, or a TOML file.")]
Outputs = Annotated[int, typer.Option("--n", min=2, max=100_000, help="Competing outputs.")]
Winners = Annotated[int, typer.Option("--k", help="Winners.")]


@circuit_app.command("show")
def circuit_show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A circuit; without it, all are listed.")] = None,
    n: Outputs = 500,
    k: Winners = 8,
) -> None:
    """Show a circuit: every number with unit and source, what it resolves, and what a decision costs."""
    from neurohw.circuits.analog_parameters import TargetParameters
    from neurohw.circuits.library import circuit_names, load_circuit

    if name is None:
        table = Table("name", "technology", "reference")
        for known in circuit_names():
            model = load_circuit(known)
            table.add_row(known, escape(model.technology), escape(model.reference))
        new_console(markup=True).print(table)
        return
    model = load_circuit(name)
    derived = _derived(_built(model, n, k)) if isinstance(model.parameters, TargetParameters) else []
    console = new_console(markup=True)
    console.print(f"[bold]{escape(model.name)}[/bold]: {escape(model.description)}", highlight=False)
    console.print(escape(model.technology), highlight=False)
    console.print(f"reference: {escape(model.reference)}", highlight=False, soft_wrap=True)
    console.print(_numbers(model))
    for line in derived:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    assumed = model.assumed()
    console.print(f"assumed: {len(assumed)} of {len(model.sources)} numbers", highlight=False)


@circuit_app.command("plot")
def circuit_plot(
    name: Name,
    n: Outputs = 100,
    k: Winners = 5,
    gamma: Annotated[float, typer.Option("--gamma", min=0, help="Rate of the thresholds.")] = 0.5,
    batches: Annotated[
        int, typer.Option("--batches", min=2, max=1_000_000, help="Batches of 16 in the competition.")
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; runs/circuit-NAME unless given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of chip, noise and outputs.")] = 0,
) -> None:
    """Draw a circuit: transfer, decision time, H over time, winning frequency per neuron; the last two as CSV, too."""
    import pandas as pd

    from neurohw.circuits.competition import compete
    from neurohw.circuits.library import load_circuit
    from neurohw.circuits.portrait import Portrait, portrait_figure
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.seeding import Streams

    model = load_circuit(name)
    circuit, fixed = _built(model, n, k, gamma, seed), _built(model, n, k, 0.0, seed)
    folder = writable_folder(out or Path("runs") / f"circuit-{model.name}")
    streams = Streams(seed)
    learnt, plain = (compete(c, k, batches, streams.fresh("outputs")) for c in (circuit, fixed))
    decision, inputs = circuit.parameters.decision, circuit.parameters.inputs
    title = f"{model.name}: {k} of {n} win, gamma = {gamma:g}"
    data = Portrait(title, circuit.resolution, inputs.common_current + inputs.unit_current, decision.separation, k,
                    (10, 100, 1000) if decision.cell_delay else (n,), decision.seconds, (learnt, plain))  # fmt: skip
    with style():
        save(portrait_figure(data), folder / f"{model.name}.svg", folder / f"{model.name}.png")
    thresholds = pd.DataFrame(learnt.threshold.numpy()).add_prefix("H").assign(time_s=learnt.seconds.numpy())
    wins = pd.DataFrame({"with_homeostasis": learnt.frequency.numpy(), "without": plain.frequency.numpy()})
    for curve, frame in (("thresholds", thresholds), ("frequencies", wins)):
        write_text(folder / f"{model.name}-{curve}.csv", frame.to_csv(index=False, float_format="%.5g"))
    new_console().print(f"figure: {folder / f'{model.name}.png'}", highlight=False, soft_wrap=True)
    new_console().print(f"curves: {folder}/*.csv", highlight=False, soft_wrap=True)


@circuit_app.command("characterise")
def circuit_characterise(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The circuit's TOML file to write.")],
    n: Annotated[int, typer.Option("--n", min=2, max=1000, help="Competing outputs of the netlist.")] = 32,
    k: Annotated[int, typer.Option("--k", help="Winners of the netlist.")] = 4,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A number of the netlist in SI, as in unit_current=2e-9."),
    ] = None,
    chips: Annotated[
        int, typer.Option("--chips", min=2, max=100_000, help="Chips of the Monte Carlo over mismatch.")
    ] = 20,
    cases: Annotated[int, typer.Option("--cases", help="Random inputs whose winners are compared.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of mismatch and cases.")] = 0,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Of each ngspice process, s.")] = 120.0,
    ngspice: Annotated[
        Path | None, typer.Option("--ngspice", help="The program; looked for on the PATH unless given.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    """Measure a transistor netlist with ngspice and write the behavioural circuit that it implies.

    Beside FILE come a JSON with every measured point and residual, and a figure of the law over the points.
    """
    from neurohw.circuits.portrait import portrait_figure
    from neurohw.names import checked_name
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.transistors.behaviour import Effort, characterise
    from neurohw.transistors.circuit_file import implied_circuit, measured, portrait
    from neurohw.transistors.kwta_measurements import Simulator

    if out.suffix != ".toml":
        raise InputError(f"--out: got {str(out)!r}; allowed: a file that ends in .toml")
    name = checked_name(out.stem, "--out")
    netlist = _netlist(n, k, changes or [])
    writable_folder(out.parent)
    stderr = Console(stderr=True)
    with stderr.status("ngspice") as status:

        def progress(step: str) -> None:
            status.update(step)
            if not (quiet or stderr.is_terminal):
                stderr.print(step, highlight=False, markup=False)

        effort, simulator = Effort(chips=chips, cases=cases), Simulator(ngspice, time_limit)
        characteristics = characterise(netlist, seed, effort=effort, simulator=simulator, progress=progress)
    model = implied_circuit(characteristics, name)
    with style():
        save(portrait_figure(portrait(characteristics, model.name)), out.with_suffix(".png"))
    write_text(out.with_suffix(".measured.json"), measured(characteristics))
    write_text(out, model.to_toml())
    console = new_console(markup=True)
    console.print(_numbers(model))
    console.print(_resolved(characteristics), highlight=False, soft_wrap=True)
    for path in (out, out.with_suffix(".measured.json"), out.with_suffix(".png")):
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)


def _resolved(characteristics: Characterisation) -> str:
    """Return what differences the circuit resolves, and how many random cases it decided as ngspice does."""
    agreement = characteristics.agreement
    resolved = f"of {len(agreement.gaps)} random cases {agreement.resolved} are resolved"
    resolved += f", and {100 * agreement.fraction:.4g} % of these agree with ngspice" if agreement.resolved else ""
    return f"resolves: differences of {100 * characteristics.resolution:.3g} %; {resolved}"


def _netlist(n: int, k: int, changes: list[str]) -> KWTANetlist:
    from dataclasses import fields

    from neurohw.transistors.kwta_netlist import KWTANetlist

    allowed = [f.name for f in fields(KWTANetlist) if f.type == "float"]
    values: dict[str, Any] = {}
    for change in changes:
        key, _, text = change.partition("=")
        if key not in allowed:
            raise InputError(f"--set {change}: unknown key {key!r}; allowed: {', '.join(allowed)}")
        try:
            values[key] = float(text)
        except ValueError:
            raise InputError(f"--set {change}: got {text!r}; allowed: a number in SI, as in 2e-9") from None
    return KWTANetlist(n, k, **values)


def _built(model: CircuitModel, n: int, k: int, gamma: float = 0.5, seed: int = 0) -> AnalogTarget:
    from neurohw.circuits.analog_parameters import TargetParameters
    from neurohw.circuits.analog_target import AnalogTarget
    from neurohw.circuits.target import TargetRule
    from neurohw.seeding import Streams

    if not isinstance(model.parameters, TargetParameters):
        raise InputError(f"circuit {model.name!r}: is a {model.circuit} one; only analog ones are drawn and weighed")
    if n < 1:
        raise InputError(f"--n: got {n}; allowed: at least 1")
    if not 1 <= k <= n:
        raise InputError(f"--k: got {k}; allowed: 1 to {n}, the competing outputs")
    streams = Streams(seed)
    chip, noise = streams.generator("target.chip"), streams.generator("ties")
    average = "batch" if model.parameters.homeostasis.average_seconds is None else "ema"
    rule = TargetRule(n, k, gamma, average=average)
    return AnalogTarget(rule, model.parameters, chip=chip, generator=noise)


def _numbers(model: CircuitModel) -> Table:
    from neurohw.units import readable

    table, units = Table("number", "value", "source"), model.parameters.units()
    for key, value in model.given():
        plain = isinstance(value, str | bool)
        source = model.sources.get(key, "")
        origin = "[yellow]assumed[/yellow]" if source == "assumed" else escape(source)
        table.add_row(key, str(value).lower() if plain else readable(value, units[key], digits=6), origin)
    return table


def _derived(circuit: AnalogTarget) -> list[str]:
    """Return in words what follows from the numbers."""
    import torch

    from neurohw.units import readable

    parameters, cost = circuit.parameters, circuit.cost()
    current = parameters.inputs.common_current + parameters.inputs.unit_current
    resolved = circuit.resolvable(torch.tensor([current], dtype=torch.float64)).item()
    lines = [f"gain mismatch: {100 * parameters.gain_mismatch:.3g} % from neuron to neuron"]
    at = f"at {readable(current, 'A')}, {circuit.n_out} outputs"
    lines.append(f"resolves: differences of {100 * resolved:.3g} % {at}" if resolved else "resolves: any difference")
    lines.append(f"delay: {readable(cost.seconds, 's')} a decision")
    lines.append(f"power: {readable(cost.power, 'W')} while it decides")
    energy, update = readable(cost.joules, "J"), readable(cost.joules_per_update, "J")
    lines.append(f"energy: {energy} a decision, {update} an update of all thresholds; an account adds what a periphery "
                 "table has for comparators and for the bias of homeostasis")  # fmt: skip
    return lines

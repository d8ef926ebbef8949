"""What stands behind energies, in sentences: notes on tables and figures, and the basis of them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.digital import PointDigital

MARK = "*"  # energy of something is missing

COST = (
    "Nominal (low to high), means over seeds; low and high take every figure at its low or at its high together. Per "
    "training image and per epoch: all phases of training, evaluation left out. Whole run: evaluation included. Off "
    "the chip, and in no figure: images on their way to it, the class sums of the association, the linear classifier. "
    "Conduction: the supply is taken to follow the input, V V_supply t sum x² G; a fixed rail costs |x|, which is "
    "more. Wires: lines that are driven, in reads (rows) and by pulses (pulse lines), are charged to 1 V. Lines that "
    "are read stand at a virtual ground, and their charge is left out; charged to the read voltage, as NeuroSim has "
    "them, lines of 128 cells would take 0.1 % of what a conversion at 8 bits and its scaling take (2.4 % at most, "
    "all figures at their high), and longer ones in proportion. An output is one conversion, whatever devices make "
    "its weights: their currents are scaled and subtracted before it."
)
REACHED = (
    "Energy of training until the accuracy was first reached, evaluation left out: nominal (low to high), mean over "
    "the seeds that reached it, and how many did of how many whose records tell energies epoch by epoch, which is what "
    "every seed means here; – where none did. The accuracies are the three highest round ones (20, 30, 40, 50, 60, 70, "
    "75, 80, 85, 90, 95, 97, 98, 99 %) that some chip reaches with every seed. "
    "Looked at after each evaluated epoch only; a run may have fallen below again later. “digital int8”: "
    "full-precision learning, with the joules of a digital accelerator (see there) in equal parts per epoch."
)
EQUAL = (
    "Pairs named alike but for the rule (each rule has its own learning rates, smoothing and gamma), at the highest "
    "round accuracy that both reach with every seed; means over seeds until it was first reached, evaluation left "
    "out. Energy by epoch is counted. Time and writes by epoch are not recorded: they are the whole training's, "
    "shared out evenly over its epochs. Writes: pulses of the cell at the 99.9th percentile, of the array that has "
    "most. EP / BP: of the nominal figures (with all figures of both sides at their low, or at their high)."
)
PAIRS = (
    "Energy of training per percentage point of accuracy above that of guessing, at the end of the runs, which "
    "may end at unlike accuracies; pairs are named alike but for the rule. EP / BP: of the nominal energies (with all "
    "figures of both sides at their low, or at their high): both are accounted with one table, so most of the spread "
    "is common to them."
)
DIGITAL = (
    "Energy of training per image; digital figures are nominal; ×: chip over digital, nominal over nominal. The "
    "digital side does the same products and updates as the arrays, a multiply-accumulate each, at the node of the "
    "table. Both operands come from SRAM once in 16 uses, the weight from a memory that holds all weights, the other "
    "from one of 8 kB; an update reads and writes every weight once a batch. On chip: all weights stay in SRAM. With "
    "DRAM: every weight is fetched, and written back, once per training batch. Neurons, targets and optimisers are "
    "counted as on the chip; neither leakage nor control is estimated, and no evaluation is in it. Training at int8 "
    "without wider master weights is a bound that favours the digital side. Ideal points were simulated at full "
    "precision: what int8 or fp16 would cost them in accuracy is not simulated. Low and high are in energy.csv."
)
TIME = (
    "Time: the latency model's, of the whole run, evaluation included, without pauses between images; of an "
    "inference: of one image. Average power: energy over that time (bound by bound: what makes a run slow makes it "
    "cost more as well). TOPS/W: 2 operations per multiply-accumulate of the arrays' reads in inference, nothing else"
    " counted as an operation, all the energy of inference (converters, digital, leakage) in the denominator; every "
    "step of EP's relaxation counts. Useful TOPS/W: 2 operations per weight and image (of a convolution, per weight "
    "and position), however often the arrays are read. Arrays busy: share of the time in which an array is read or "
    "written. Cells used: share of the built cells that hold weights (without hardware.tile, arrays are cut to "
    "measure). Area: cells, converters, drivers (those of hidden arrays too), tiles, target circuit; no memory, so of "
    "thresholds in counters only their converters, no digital units, and no amplifiers of neurons that settle."
)
PHASES = "Energy of training by the schedule's phases, evaluation left out; means over seeds."
WEAR = (
    "Pulses per cell over the run: mean, 99.9th percentile, maximum over the cells; means over seeds. Lifetime: "
    "training images until the cell at the 99.9th percentile has had as many pulses as the device's file says that it"
    " endures (low to high where the file gives a spread), of the seed with the least; where fewer than one cell in a "
    "thousand is written, until the most written one has; – where none is. No refresh, no wear levelling."
    " Published endurances are mostly of full switching cycles; the small steps of learning wear less or are not "
    "known."
)
TRUST = (
    "Shares of the run's nominal energy. An energy is as good as its weakest figure: published (measured or reported "
    "by somebody for this), scaled (carried over from another node or design), assumed (published by nobody). Widest "
    "spread: the component whose high less low is largest."
)
ASSUMED = "Each assumed figure in use, and the largest share of a point's nominal energy that it is a factor of."
MODELS = (
    "Energy of all arrays over the run, evaluation included, of vectors: reads line by line, of hidden arrays and of "
    "verified cells, are on no side. Reads, ours: conduction (V V_supply G t of the cells, "
    "with the conductances of the run) and the charging of rows. NeuroSim V2.1: C_BL V² of bit lines and C_row V_dd² "
    "of rows, no current through cells (its converters' formula takes the column's resistance instead), half of the "
    "rows driven, 128 × 128 cells, 0.5 V. V² G t, NeuroSim's cell: our formula with 240 kOhm, 0.5 V, 10 ns and half "
    "of the rows driven, to tell formula from numbers. Writes, both: V² G t of each counted pulse; ours with the "
    "device's file, NeuroSim's with 4 V, 50 ns and 240 kOhm. On no side: converters, their drivers, half-selected "
    "cells, lines of pulse trains, buffers, leakage. One read per vector on both sides; NeuroSim itself would read "
    "once per bit of the input. –: not counted in the run, or EP settled by itself, which NeuroSim does not model."
)
BARS = (
    "Dots: nominal energy of the whole run, means over seeds; whiskers: every figure at its low or at its high "
    "together. Bars: shares of the nominal energy; parts too small to be told apart are “other”. Hollow and *: "
    "something was not counted, so the energy is too low."
)
PARETO = (
    "Each marker is a point's mean over seeds: final accuracy against nominal energy of all training, evaluation left "
    "out. Horizontal whiskers: low to high; vertical: sample standard deviation. Points of one table share its "
    "figures, so their whiskers move together: which point takes less is surer than the whiskers suggest. Dotted: the "
    "chips that no other chip beats in both. Hollow squares are no chips and not on that line: full-precision "
    "learning at what a digital accelerator would take, from int8 with all weights on chip (left end) to fp16 with "
    "DRAM (right end); the accuracy is the simulated one at full precision at either end."
)
LEARNING = (
    "Mean accuracy after each evaluated epoch against the mean nominal energy of training by then, evaluation left "
    "out; band: sample standard deviation over seeds. Colour: device; line: rule. Ink with hollow squares: "
    "full-precision learning at the energy of a digital accelerator, int8, all weights on chip, in equal parts per "
    "epoch."
)


def basis(accounts: Sequence[PointEnergy], digitals: Sequence[PointDigital] = ()) -> str:
    """Return what table, schedule and seeds stand behind these points, in one sentence."""
    tables = listed(e.table for e in accounts) or listed(
        record.energy.table for digital in digitals for record in digital.point.records if record.energy
    )
    seeds = sorted({seed for e in accounts for seed in e.seeds} | {seed for e in digitals for seed in e.seeds})
    return f"Basis: {'; '.join([f'table {tables}', _seeds(seeds), *_schedules(accounts)])}."


def drawn_of(shown: int, points: int, which: str) -> str:
    """Return which points a figure shows; nothing where it shows all."""
    return "" if shown >= points else f" {shown} of {points} are drawn: {which}."


def unlike(keys: Sequence[str]) -> str:
    """Return in what else pairs of the two rules differ; nothing where they do not."""
    return f" Unlike in some pairs, too: {', '.join(keys)}." if keys else ""


def uncounted_note(accounts: Sequence[PointEnergy]) -> str | None:
    """Return what is missing from which energies."""
    missing = [e for e in accounts if e.uncounted]
    if not missing:
        return None
    uncounted = listed(event for e in missing for event in e.uncounted)
    points = f"{len(missing)} of {len(accounts)} points"
    return f"{MARK} Not counted, so missing from the energy and the time of {points}: {uncounted}."


def listed(texts: Iterable[str]) -> str:
    """Return texts, each once."""
    return "; ".join(dict.fromkeys(texts))


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 8:
        return f"{len(seeds)} seeds"
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _schedules(accounts: Sequence[PointEnergy]) -> list[str]:
    """Return what is common to all schedules, then what is peculiar to each rule: to all of its points, or to some."""
    by_rule: dict[str, list[list[str]]] = {}
    for e in accounts:
        by_rule.setdefault(e.point.name.group.partition(" · ")[0], []).append(_phrases(e))
    common = _shared([phrases for schedules in by_rule.values() for phrases in schedules])
    texts = [", ".join(common)] if common else []
    for rule, schedules in by_rule.items():
        shared = _shared(schedules)
        others = dict.fromkeys(", ".join(p for p in phrases if p not in shared) for phrases in schedules)
        some = " or ".join(filter(None, others))
        own = [phrase for phrase in shared if phrase not in common]
        if own or some:
            texts.append(f"{rule}: {', '.join([*own, *([f'in part {some}'] if some else [])])}")
    return texts


def _shared(schedules: Sequence[list[str]]) -> list[str]:
    """Return the phrases that all schedules have."""
    return [phrase for phrase in schedules[0] if all(phrase in other for other in schedules)] if schedules else []


_REFERENCES = {
    "array": "references of weights are devices, one for each",
    "column": "references of weights are devices, one for each line",
    "offset": "the reference of a weight is a number that costs nothing",
    "none": "weights are signed by themselves, and no reference is counted",
}


def _references(e: PointEnergy) -> list[str]:
    """Return what is subtracted from conductances, of every array that is not made of pairs."""
    arrays = [array for r in e.point.records for array in r.ledger.get("facts", {}).get("arrays", {}).values()]
    return [name for name in _REFERENCES if any(array.get("reference") == name for array in arrays)]


def _phrases(e: PointEnergy) -> list[str]:
    schedule, parallel = e.schedule, e.schedule.parallelism
    tiles = "all tiles" if parallel.tiles_at_once is None else f"{parallel.tiles_at_once} tiles"
    leaks = {"simulated": "leakage and bias over the simulated time", "busy": "leakage and bias over the busy time",
             "none": "leakage and bias left out"}  # fmt: skip
    phrases = [f"{parallel.columns_per_adc} columns per ADC", f"{tiles} of an array at once"]
    phrases += [f"digital units at {schedule.digital}", leaks[schedule.standby]]
    phrases += ["phases of images pipelined"] if parallel.phases_overlap else []
    in_turn = schedule.polarities == "in-turn"
    phrases.append(f"lines pulse {'one polarity at a time' if in_turn else 'both polarities in one slot'}")
    phrases += [_REFERENCES[name] for name in _references(e)]
    config = e.point.config
    quantised = config.get("hardware.adc_bits") and config.get("hardware.dac_bits")
    if schedule.unquantised_bits and not quantised:
        phrases.append(f"converters at {schedule.unquantised_bits} bits where the run did not quantise")
    phrases.append(f"arrays read {'together' if parallel.arrays_overlap else 'one after the other'}")
    phrases += [] if parallel.writes_overlap else ["layers written one after the other"]
    return [*phrases, f"{schedule.ep} relaxation"] if e.relaxes else phrases

"""What keeps a run from learning, from what was counted: typed, in its record, with the key to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.units import readable
from neurohw.values import Amount, Text

if TYPE_CHECKING:  # which a report has no use for
    from neurohw.metering.array_watch import Signs

Kind = Literal["near chance", "unanswered", "stuck", "clipped", "lost", "ADC", "unseen", "drift", "step time"]

EFFECTS = ("near chance", "unanswered")  # what comes of the others

_ANSWERED = 0.05  # share of a class's images; a class that the outputs know stands far above, even where it is hard
_LEAST_CLIPPED = 0.01  # share of a layer's initial weights
_LEAST_STUCK = 0.05  # of its weights; healthy runs of digits end below 2 %
_LEAST_LOST = 0.5  # of the change that was asked for
_LEAST_ADC = 0.05  # of its outputs
_LEAST_UNSEEN = 0.95  # of its outputs; of noise as large as a step 38 % are read as 0
_LEAST_DRIFT = 1.0  # time's changes over those asked for
_AGED = '; hardware.compensation = "global", or a smaller retention of the device\'s file, loses less'
_FAR = 10.0  # times a batch's time on the chip, or one over so many


class Symptom(BaseModel):
    """What keeps a network from learning, or may.

    Args:
        kind: "near chance": no better than guessing; "unanswered": classes that are hardly ever recognised; "stuck":
            weights that came to a bound; "clipped": initial weights beyond it; "lost": changes below a step; "ADC":
            outputs beyond a converter's bound; "unseen": outputs that it reads as 0; "drift": time changes more than
            learning asks for; "step time": a batch is given another time than it takes on the chip.
        where: a metric, an array ("W1", "W1, transposed"), or a key.
        amount: a share (of the classes, of the weights, of the change, of the outputs), or a ratio (drift, step time),
            or the metric.
        message: all of it in words, with the key to change and the direction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    where: Text
    amount: Amount
    message: Text


def near_chance(metrics: dict[str, Any], chance: float, advice: str = "") -> list[Symptom]:
    """Return a symptom for each metric, aged ones included, that is less than a tenth of the way above guessing.

    Args:
        metrics: of an evaluation.
        chance: accuracy of guessing, 0 to 1.
        advice: which keys to change, beside a metric of networks that have not aged; ages have advice of their own,
            unless the metric had learnt nothing before.
    """
    idle = {m.name for m, value, age in _with_ages(metrics) if not age and m.near_chance(value, chance)}
    return [
        Symptom(
            kind="near chance",
            where=f"{metric.name}{age}",
            amount=value,
            message=f"{metric.name.replace('_', ' ')} {_short(metric, value)}{age} is near chance "
            f"({_short(metric, metric.guessed(chance))}){advice if not age else '' if metric.name in idle else _AGED}",
        )
        for metric, value, age in _with_ages(metrics)
        if metric.near_chance(value, chance)
    ]


def unanswered(metrics: dict[str, Any], chance: float, advice: str = "") -> Iterator[Symptom]:
    """Yield which classes a network that has learnt others hardly ever recognises.

    Args:
        metrics: of an evaluation, with `by_class`.
        chance: see `near_chance`.
        advice: which keys to change.
    """
    by_class = metrics.get("by_class", {})
    for metric in standing_metrics():
        shares = {label: own[metric.name] for label, own in by_class.items() if metric.name in own}
        lost = [label for label, share in shares.items() if share < _ANSWERED]
        if lost and not metric.near_chance(metrics[metric.name], chance):
            named = f"class {lost[0]}" if len(lost) == 1 else f"classes {', '.join(lost)}"
            yield Symptom(
                kind="unanswered",
                where=metric.name,
                amount=len(lost) / len(shares),
                message=f"{metric.name.replace('_', ' ')}: of {named} fewer than {100 * _ANSWERED:g} % of the images "
                f"are recognised{advice}",
            )


def of_initial_weights(where: str, clipped: float, programmed: bool = False) -> Iterator[Symptom]:
    """Yield that 1 % or more of an array's initial weights, or of those programmed, lay beyond what its cells hold."""
    if clipped >= _LEAST_CLIPPED:
        which, other = ("programmed", "") if programmed else ("initial", " or a smaller network.init_gain")
        yield Symptom(
            kind="clipped",
            where=where,
            amount=clipped,
            message=f"{where}: {_percent(clipped)} of the {which} weights lie beyond what their devices can hold and "
            f"were clipped; a larger hardware.weight_range{other} keeps them",
        )


def of_array(where: str, signs: Signs) -> Iterator[Symptom]:
    """Yield what an array shows; see `Signs`."""
    if signs.stuck >= _LEAST_STUCK:
        yield Symptom(
            kind="stuck",
            where=where,
            amount=signs.stuck,
            message=f"{where}: {_percent(signs.stuck)} of the weights ended at a bound of their cells, and did not "
            "start there; a larger hardware.weight_range or a smaller training.learning_rate leaves them room; where "
            'steps up and down differ, ep.contrast = "difference" or another hardware.writing pushes less to one side',
        )
    if signs.lost >= _LEAST_LOST:
        yield _lost(where, signs)
    for side, converted in ((where, signs.forward), (f"{where}, transposed", signs.backward)):
        if converted.unseen >= _LEAST_UNSEEN:
            yield Symptom(
                kind="unseen",
                where=side,
                amount=converted.unseen,
                message=f"{side}: {_percent(converted.unseen)} of the outputs of reads lay within half a step of the "
                "converter and were read as 0; more hardware.adc_bits, a smaller hardware.output_bound, or a smaller "
                "hardware.weight_range, which makes outputs larger, tells them from 0",
            )
        if converted.clipped >= _LEAST_ADC:
            yield Symptom(
                kind="ADC",
                where=side,
                amount=converted.clipped,
                message=f"{side}: {_percent(converted.clipped)} of the outputs of reads lay beyond the converter's "
                "bound and were clipped; a larger hardware.output_bound reaches them, or a larger "
                "hardware.weight_range, which makes outputs smaller; clipped noise only a smaller "
                "hardware.read_noise reduces",
            )


def of_drift(where: str, signs: Signs, seconds: float, single: str = "") -> Iterator[Symptom]:
    """Yield that time moved an array's weights further than learning asked them to go.

    Args:
        where, signs: of the array.
        seconds: simulated time of a batch.
        single: what more holds of devices that learn one by one, less a reference.
    """
    if signs.drift >= _LEAST_DRIFT:
        yield Symptom(
            kind="drift",
            where=where,
            amount=signs.drift,
            message=f"{where}: time moved the weights {signs.drift:.1f} times as far as learning asked them to go; a "
            f"smaller hardware.step_seconds (now {seconds:g}) or a larger training.learning_rate loses less{single}",
        )


def of_step_time(given: float, on_chip: float) -> Iterator[Symptom]:
    """Yield that the time in which devices age per batch is far from what the chip takes for one.

    Args:
        given: `hardware.step_seconds`, s.
        on_chip: nominal time of training over its batches, s, as accounted.
    """
    if on_chip > 0 and not on_chip / _FAR <= given <= on_chip * _FAR:
        ratio = f"{_times(given / on_chip)} times" if given else "none of"
        yield Symptom(
            kind="step time",
            where="hardware.step_seconds",
            amount=given / on_chip,
            message=f"hardware.step_seconds = {given:g}: devices age for {ratio} the time that the account takes for a "
            f"batch, {readable(on_chip, 's', 3)}; a {'smaller' if given > on_chip else 'larger'} one, "
            f"{on_chip:.2g}, lets them age as they would on the chip",
        )


def _lost(where: str, signs: Signs) -> Symptom:
    how = "was below half a step and rounded away" if signs.rounded else "went to weights that got no pulse in the run"
    other = ', as hardware.pulse_kind = "stochastic" does' if signs.rounded else ""
    return Symptom(
        kind="lost",
        where=where,
        amount=signs.lost,
        message=f"{where}: {_percent(signs.lost)} of the change that learning asked for {how}; a larger "
        f"training.learning_rate or a smaller hardware.weight_range, of finer steps, writes more of it{other}",
    )


def _with_ages(metrics: dict[str, Any]) -> Iterator[tuple[Metric, float, str]]:
    ages = {f" at an age of {float(age):g} s": aged for age, aged in metrics.get("by_age_seconds", {}).items()}
    for age, values in ({"": metrics} | ages).items():
        yield from ((metric, values[metric.name], age) for metric in standing_metrics() if metric.name in values)


def _short(metric: Metric, value: float | None) -> str:
    assert value is not None
    return _percent(value) if metric.share else metric.text(value)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

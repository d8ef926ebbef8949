"""Figures of speed: rounds by a clock that calls move, ratios by hand, and what is worse than the committed figures."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from neurohw.bench import machine as machine_module
from neurohw.bench import registry
from neurohw.bench.chips import chips
from neurohw.bench.comparison import compare, judged, read_committed
from neurohw.bench.machine import Watch
from neurohw.bench.rounds import Figure, Rounds, in_rounds
from neurohw.bench.stdp import stdp
from neurohw.bench.target import target
from neurohw.errors import InputError

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "reports/bench/cpu.json"


class Stopwatch:
    """A clock that stands still but for the calls, which take the seconds that they are given, one after the other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def call(self, name: str, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def taken() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return taken

    def clock(self) -> float:
        return self.now


def test_the_order_of_calls_is_reversed_from_round_to_round() -> None:
    watch = Stopwatch()
    in_rounds({"a": watch.call("a", 1.0), "b": watch.call("b", 1.0)}, rounds=3, warm_up=1, clock=watch.clock)
    assert [*zip(watch.order[::2], watch.order[1::2], strict=True)] == [("b", "a"), ("a", "b"), ("b", "a"), ("a", "b")]


def test_rounds_that_warm_up_do_not_count() -> None:
    watch = Stopwatch()
    calls = {"slow at first": watch.call("a", 9.0, 5.0, 0.2, 0.3, 0.4), "steady": watch.call("b", 0.1)}
    timed = in_rounds(calls, rounds=3, warm_up=2, clock=watch.clock)
    assert timed.ms["slow at first"] == pytest.approx([200, 300, 400])
    assert timed.ratios("slow at first", "steady") == pytest.approx([2, 3, 4])


def test_a_short_call_is_repeated_until_it_lasts_and_its_median_counts() -> None:
    watch = Stopwatch()
    short = watch.call("short", 0.008, *[0.004, 0.004, 1.0])  # the last is an interruption of every later round
    timed = in_rounds({"short": short, "long": watch.call("long", 0.5)}, rounds=1, warm_up=1, clock=watch.clock)
    assert watch.order.count("short") == 1 + 3  # 8 ms fill 20 ms in 3 calls
    assert timed.median("short") == pytest.approx(4)
    assert timed.median("long") == pytest.approx(500)


def test_a_call_that_the_clock_does_not_see_is_no_division_by_zero() -> None:
    watch = Stopwatch()
    timed = in_rounds({"nothing": watch.call("nothing", 0.0)}, rounds=1, warm_up=0, clock=watch.clock)
    assert timed.median("nothing") > 0


def test_a_figure_is_the_median_of_the_ratios_of_rounds_not_the_ratio_of_medians() -> None:
    timed = Rounds({"ours": [1.0, 2.0, 30.0], "theirs": [4.0, 2.0, 90.0]})
    over = timed.figure("f", "theirs", "ours", ">= 2.5", batches=2)
    assert (over.ratio, over.low, over.high, over.rounds) == (3, 1, 4, 3)
    assert over.ms == 1.0  # ours, of one batch
    under = timed.figure("f", "ours", "theirs", "<= 0.5", ms_goal=4.0)
    assert (under.ratio, under.low, under.high) == pytest.approx((1 / 3, 1 / 4, 1))
    assert (under.ms, under.ms_goal) == (2.0, 4.0)


def figure(ratio: float, goal: str, low: float | None = None, high: float | None = None, name: str = "f") -> Figure:
    return Figure(figure=name, ratio=ratio, low=low or ratio, high=high or ratio, goal=goal, ms=1, rounds=5, threads=1)


@pytest.mark.parametrize("goal", ["about 3", "< 3", ">=3", "<= x", "", "<= 3 ms"])
def test_a_goal_says_which_way_is_better(goal: str) -> None:
    with pytest.raises(ValidationError, match="goal"):
        figure(1, goal)


@pytest.mark.parametrize(
    ("goal", "now", "before", "change", "verdict"),
    [
        ("<= 1.5", 1.16, 1.0, 1.16, "worse"),
        ("<= 1.5", 1.14, 1.0, 1.14, "as before"),
        ("<= 1.5", 0.8, 1.0, 0.8, "better"),
        ("lower", 1.16, 1.0, 1.16, "worse"),
        (">= 8", 8.0, 10.0, 1.25, "worse"),
        (">= 8", 8.8, 10.0, 10 / 8.8, "as before"),
        (">= 8", 12.0, 10.0, 10 / 12, "better"),
        ("higher", 8.0, 10.0, 1.25, "worse"),
    ],
)
def test_more_than_15_percent_the_wrong_way_is_worse(
    goal: str, now: float, before: float, change: float, verdict: str
) -> None:
    assert judged(figure(now, goal), figure(before, goal)) == (verdict, pytest.approx(change))


@pytest.mark.parametrize(
    ("goal", "now", "bounds", "verdict"),
    [
        ("<= 1.5", 1.3, (0.9, 1.5), "noise"),
        ("<= 1.5", 1.3, (1.05, 1.5), "worse"),
        (">= 1", 0.7, (0.6, 1.02), "noise"),
        (">= 1", 0.7, (0.6, 0.95), "worse"),
    ],
)
def test_a_round_as_good_as_the_committed_median_makes_it_noise(
    goal: str, now: float, bounds: tuple[float, float], verdict: str
) -> None:
    assert judged(figure(now, goal, *bounds), figure(1.0, goal))[0] == verdict


def test_figures_on_one_side_only_are_named_and_benchmarks_not_measured_are_not() -> None:
    now = {"target": [figure(1, "<= 2", name="kept"), figure(1, "<= 2", name="new")]}
    before = {"target": [figure(1, "<= 2", name="kept"), figure(1, "<= 2", name="gone")], "meter": [figure(1, "<= 2")]}
    verdicts = {one.figure: one.verdict for one in compare(now, before)}
    assert verdicts == {"kept": "as before", "gone": "not measured", "new": "not committed"}


def watched(before: float, after: float, seconds: float, spent: float, cores: int = 2) -> machine_module.Machine:
    """Return the machine after so many seconds, in which this process spent so many of the processor's."""
    loads, clocks, spents = iter([before, after]), iter([0.0, seconds]), iter([0.0, spent])
    watch = Watch(lambda: (next(loads), 0.0, 0.0), lambda: next(clocks), lambda: next(spents))
    return watch.machine().model_copy(update={"cores": cores})


def test_our_own_load_is_not_that_of_others() -> None:
    alone = watched(before=0.0, after=1.9, seconds=600, spent=1200)
    assert alone.others == 0
    assert not alone.busy
    assert alone.warning == ""
    after_a_minute = watched(before=0.0, after=2 * 0.632 + 0.3, seconds=60, spent=120)
    assert after_a_minute.others == pytest.approx(0.3, abs=0.01)


def test_others_that_keep_a_quarter_of_the_cores_busy_are_warned_of() -> None:
    shared = watched(before=0.1, after=3.0, seconds=600, spent=1200)
    assert shared.others == 1.0
    assert "others keep 1.0 of its 2 cores busy" in shared.warning
    assert not shared.model_copy(update={"cores": 8}).busy
    assert watched(before=3.0, after=2.0, seconds=600, spent=1200).busy  # they have ended meanwhile


Speeds = dict[str, list[Figure]]


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> Speeds:
    """The answers of the benchmarks, on an idle machine; a test changes them."""
    answers = {"target": [figure(2.0, "<= 10", name="topk")], "arrays": [figure(9.0, ">= 8", name="read")]}
    monkeypatch.setattr(registry, "measured", lambda name: answers[name])
    monkeypatch.setattr(machine_module, "Watch", functools.partial(Watch, load=lambda: (0.0, 0.0, 0.0)))
    return answers


def saved(neurohw: Callable[..., tuple[int, str, str]], tmp_path: Path, *names: str) -> Path:
    status, out, err = neurohw("bench", *names, "--json")
    assert (status, err) == (0, "")
    (tmp_path / "cpu.json").write_text(out)
    return tmp_path / "cpu.json"


def test_what_json_wrote_is_what_check_reads(neurohw: Any, speeds: Speeds, tmp_path: Path) -> None:
    path = saved(neurohw, tmp_path, "target", "arrays")
    assert read_committed(path, registry.SPEED).figures == speeds
    status, out, err = neurohw("bench", "--check", str(path))
    assert (status, err) == (0, "")
    assert "ratios against the committed ones: 2 as before" in out
    assert re.search(r"\d cores, 1 threads of torch .*; load 0 before and 0 after", out)


def test_a_regression_is_named_with_status_1(neurohw: Any, speeds: Speeds, tmp_path: Path) -> None:
    path = saved(neurohw, tmp_path, "target", "arrays")
    speeds["arrays"] = [figure(6.0, ">= 8", name="read")]
    status, out, _ = neurohw("bench", "--check", str(path))
    assert status == 1
    assert "worse: arrays: read: 6, committed 9: 1.50 times as bad" in out
    assert "1 as before" in out
    assert "1 worse" in out
    assert neurohw("bench", "target", "--check", str(path))[0] == 0
    status, out, err = neurohw("bench", "arrays", "--check", str(path), "--json")
    assert status == 1
    assert json.loads(out)["check"][0]["verdict"] == "worse"
    assert "worse: arrays" in err


def test_what_is_worse_once_only_is_noise(neurohw: Any, speeds: Speeds, tmp_path: Path, monkeypatch: Any) -> None:
    path = saved(neurohw, tmp_path, "target", "arrays")
    asked: list[str] = []

    def measured(name: str) -> list[Figure]:
        asked.append(name)
        return [figure(6.0, ">= 8", name="read")] if asked == ["arrays"] else speeds[name]

    monkeypatch.setattr(registry, "measured", measured)
    status, out, err = neurohw("bench", "--check", str(path))
    assert status == 0
    assert asked == ["arrays", "target", "arrays"]
    assert "worse at first, measured again: arrays" in err
    assert "noise: arrays: read: 6, committed 9" in out


def test_another_machine_is_named(neurohw: Any, speeds: Speeds, tmp_path: Path) -> None:
    path = saved(neurohw, tmp_path, "target")
    tables = json.loads(path.read_text())
    tables["machine"]["threads"] = 64
    path.write_text(json.dumps(tables))
    _, out, _ = neurohw("bench", "--check", str(path))
    assert "another machine: threads 1, committed 64" in out


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:100], "JSON"),
        (lambda text: "[]", "all of it: got \\[\\]"),
        (lambda text: text.replace('"machine"', '"mashine"'), "machine: missing"),
        (lambda text: text.replace('"ratio": 2.0', '"ratio": "fast"'), r"target\.0\.ratio: got 'fast'"),
        (lambda text: text.replace('"ratio": 2.0', '"ratio": NaN'), r"target\.0\.ratio: got nan"),
        (lambda text: text.replace('"ratio": 2.0', '"value": 2.0'), r"target\.0\.ratio: missing"),
        (lambda text: text.replace('"<= 10"', '"10"'), r"target\.0\.goal: got '10'"),
    ],
)
def test_a_damaged_file_is_named_before_anything_is_measured(
    neurohw: Any, speeds: Speeds, tmp_path: Path, damage: Callable[[str], str], message: str
) -> None:
    path = saved(neurohw, tmp_path, "target")
    path.write_text(damage(path.read_text()))
    speeds.clear()  # to measure would fail
    status, _, err = neurohw("bench", "--check", str(path))
    assert status == 2
    assert re.search(f"{re.escape(str(path))}: .*{message}", err)


def test_figures_of_a_card_from_before_they_had_ratios_are_refused() -> None:
    with pytest.raises(InputError, match=r"h100\.json: machine: missing"):
        read_committed(ROOT / "reports/bench/h100.json", registry.SPEED)


def test_a_busy_machine_is_warned_of_once(neurohw: Any, speeds: Speeds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "Watch", functools.partial(Watch, load=lambda: (99.0, 0.0, 0.0)))
    status, out, err = neurohw("bench", "target", "--json")
    assert status == 0
    assert err.count("the machine is busy") == 1
    assert json.loads(out)["machine"]["busy"] is True


def test_csv_is_of_one_benchmark(neurohw: Any, speeds: Speeds, tmp_path: Path) -> None:
    assert neurohw("bench", "target", "--csv", "target.csv")[0] == 0
    assert (tmp_path / "target.csv").read_text().splitlines()[0].startswith("figure,ratio,low,high,goal")
    status, _, err = neurohw("bench", "target", "arrays", "--csv", "both.csv")
    assert status == 2
    assert "needs the name of one benchmark" in err


def test_a_speed_benchmark_answers_with_figures() -> None:
    figures = target(batch=2, n_out=20, k=2, rounds=2)
    assert [one.goal for one in figures] == ["<= 10"] * 4
    assert all(one.low <= one.ratio <= one.high for one in figures)


def test_sixteen_seeds_of_a_small_network_take_less_than_the_time_of_sixteen() -> None:
    (figure,) = chips(("BP digits 64-100",), rounds=3)
    assert (figure.goal, figure.rounds) == ("<= 6", 3)
    assert 1 < figure.ratio < 12


def test_clustering_is_many_times_as_fast_as_plain_torch() -> None:
    ours, clustering, brian2 = stdp(features=4, neurons=3, timesteps=50, rounds=2)
    assert [one.goal for one in (ours, clustering, brian2)] == [">= 20", ">= 20", "higher"]
    assert clustering.ms_goal == 10  # 5,000 samples in 50 s
    assert ours.low > 20
    assert ours.ms < clustering.ms
    assert brian2.low > 20


@pytest.mark.parametrize(
    ("benchmark", "name", "goal"),
    [
        ("throughput", "BP 784-2000, batch 16: plain method over ours", ">= 2.5"),
        ("throughput", "EP 784-2000-2000, batch 32: ours over its float32 products", "<= 1"),
        ("throughput", "semi-supervised EP 784-5000-10, batch 128: ours over its float32 products", "<= 1.5"),
        ("analog", "noisy read of 784 x 2000, batch 16: aihwkit over ours", ">= 12"),
        ("analog", "noisy read of 784 x 2000, batch 512: aihwkit over ours", ">= 40"),
        ("analog", "EP 784-2000-2000, batch 32: analog over ideal arrays", "<= 1.3"),
        ("analog", "pulsed update after 3000 batches, all rows: ours over aihwkit", "<= 0.9"),
        ("analog", "pulsed update after 3000 batches, few rows: ours over aihwkit", "<= 0.9"),
        ("target", "analog, everything on, soft outputs, 5 of 2000, batch 256: over topk", "<= 10"),
        ("meter", "BP 784-2000, ideal arrays: with meters over without", "<= 1.03"),
    ],
)
def test_the_figures_to_reach_are_committed_with_their_goals(benchmark: str, name: str, goal: str) -> None:
    figures = {one.figure: one for one in read_committed(COMMITTED, registry.SPEED).figures[benchmark]}
    assert figures[name].goal == goal
    assert figures[name].rounds >= 5

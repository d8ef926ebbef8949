"""Networks that learnt on ideal arrays, programmed into devices: what is read, what is refused, and closed forms."""

from __future__ import annotations

import shutil
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.config import OnChipExperiment
from neurohw.crossbar.aihwkit.programmed import ProgrammedArray
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.build import build_array
from neurohw.data import stratified_subset
from neurohw.devices.library import load_device
from neurohw.errors import InputError
from neurohw.loading import load_experiment, load_with_advice
from neurohw.runs.learnt import read_learnt
from neurohw.runs.onchip import OnChip
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.runs.task import labels_of
from neurohw.seeding import Streams, derived_seed
from neurohw.studies.estimate import estimate
from tests.gpu_folders import as_of_a_gpu

SMALL: dict[str, Any] = {"data.train_limit": 300, "training.epochs": 2}
RANGE = 2.0  # of the trained weights of SMALL, which lie within it
PAIR: dict[str, Any] = {  # of devices without spread, read without noise: a pair reaches twice the range of one device
    "hardware.device": "taox_hfox", "hardware.cell": "one-sided", "hardware.weight_range": RANGE / 2,
    "hardware.read_noise": 0.0, "hardware.dac_bits": 0, "hardware.adc_bits": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(load_experiment("quickstart", SMALL), 5, folder)
    return folder


def programmed(trained: Path, **more: Any) -> OnChipExperiment:
    experiment = load_experiment("quickstart", SMALL | {"network.weights": str(trained)} | more)
    assert isinstance(experiment, OnChipExperiment)
    return experiment


def chip(experiment: OnChipExperiment, seed: int) -> OnChip:
    job = OnChip(experiment, Streams(seed))
    job.build()
    return job


def weights_of(trained: Path) -> torch.Tensor:
    learnt = read_learnt(programmed(trained))
    assert learnt is not None
    assert learnt.weights[0].abs().max() < RANGE
    return learnt.weights[0]


EQUAL = {f"{bound}_dtod": 0.0 for bound in ("w_max", "w_min")}


@pytest.mark.parametrize(("device", "bounds", "cell", "reach"), [  # of weights, in device units, where w_max is 0.6
    ("constant_step", (-0.6, 0.6), "single", 0.6), ("constant_step", (-0.2, 0.6), "single", 0.2),
    ("constant_step", (-0.2, 0.6), "differential", 0.8), ("pcm", (0.0, 1.0), "one-sided", 1.0),
])  # fmt: skip
def test_the_range_of_a_programmed_network_just_holds_its_largest_weight(
    trained: Path, device: str, bounds: tuple[float, float], cell: str, reach: float
) -> None:
    """One per cent less clips the largest one."""
    own = {**EQUAL, "w_min": bounds[0], "w_max": bounds[1]} if device == "constant_step" else EQUAL
    keys = {"hardware.device": device, "hardware.device_parameters": own}
    keys |= {} if device == "pcm" else {"hardware.cell": cell}  # such cells only potentiate: the pair is asked for
    experiment = programmed(trained, **keys)
    given = experiment.hardware.weight_range
    assert given == pytest.approx(weights_of(trained).abs().max().item() * bounds[1] / reach, rel=0.01)
    assert experiment.hardware.remedy.cell == cell
    (layer,) = chip(experiment, 1).network.layers
    assert layer.array.clipped == 0
    (narrow,) = chip(programmed(trained, **keys, **{"hardware.weight_range": 0.99 * given}), 1).network.layers
    assert narrow.array.clipped > 0


def test_a_range_that_is_given_stays_and_nothing_is_advised_for_learning(trained: Path) -> None:
    keys = {"network.weights": str(trained), "hardware.device": "pcm_drift"}
    _, (advice,) = load_with_advice("quickstart", SMALL | keys)
    assert set(advice.values) == {"hardware.remedy", "hardware.weight_range"}  # no rate, no seconds of a batch
    assert programmed(trained, **keys, **{"hardware.weight_range": 0.7}).hardware.weight_range == 0.7
    silent = {"hardware.recommended": False, "hardware.device": "taox_hfox"}
    assert programmed(trained, **silent).hardware.weight_range is None


def test_what_a_gpu_has_learnt_is_programmed_on_a_cpu(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained, tmp_path / "gpu")
    as_of_a_gpu(tmp_path / "gpu", monkeypatch)
    assert torch.equal(weights_of(tmp_path / "gpu"), weights_of(trained))


def test_a_programmed_network_answers_as_the_trained_one_and_names_it(trained: Path, tmp_path: Path) -> None:
    before, again = read_record(trained), run(programmed(trained), 1, tmp_path / "ideal")
    assert again.metrics == before.metrics
    assert again.versions["weights"].startswith(f"quickstart-{before.config_hash}, seed 5, 2 epochs, sha256 ")
    assert (again.timing["epochs"], again.curve[-1]["images"], again.status) == (2, 0, "finished")
    perfect = run(programmed(trained, **PAIR), 1, tmp_path / "pair")
    assert perfect.metrics == before.metrics


def test_each_seed_draws_its_labels_where_it_is_asked_to(trained: Path, tmp_path: Path) -> None:
    """The same network, read out with 26 of 300 labels: by hand, from the class means of the images that are drawn."""
    few = {"evaluation.label_fraction": [26 / 300]}
    same, own = programmed(trained, **few), programmed(trained, **few, **{"evaluation.label_draw": "own"})

    def accuracy(experiment: OnChipExperiment, seed: int) -> float:
        return run(experiment, seed, tmp_path / f"{experiment.evaluation.label_draw}{seed}").metrics["direct_accuracy"]

    def by_hand(seed: int) -> float:
        job = chip(own, seed)
        task = job.task
        chosen = stratified_subset(labels_of(task.train), 26, seed if seed == 34 else derived_seed(seed, "label draw"))
        seen, tested = (job.network.respond(task.as_input()(images)).output
                        for images in (task.train.images[chosen], task.test.images))  # fmt: skip
        labels = labels_of(task.train)[chosen]
        means = torch.stack([seen[labels == c].mean(dim=0) for c in range(10)])
        stands_for = means.argmax(dim=0)
        stands_for[means.amax(dim=0) == 0] = -1
        scores = torch.full((len(tested), 10), -1.0)
        for c in stands_for[stands_for >= 0].unique():
            scores[:, c] = tested[:, stands_for == c].mean(dim=1)
        return float((scores.argmax(dim=1) == labels_of(task.test)).double().mean())

    assert accuracy(same, 1) == accuracy(same, 2) == pytest.approx(by_hand(34), abs=1e-6)
    drawn = [accuracy(own, seed) for seed in (1, 2, 3)]
    assert drawn == pytest.approx([by_hand(seed) for seed in (1, 2, 3)], abs=1e-6)
    assert len({*drawn, by_hand(34)}) == 4


def test_seeds_program_other_devices_and_the_same_seed_the_same(trained: Path) -> None:
    spread = programmed(trained, **PAIR | {"hardware.stuck_fraction": 0.05})
    first, other, again = (chip(spread, seed).network.layers[0].array.snapshot() for seed in (1, 2, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_hash_covers_what_was_learnt(trained: Path, tmp_path: Path) -> None:
    run(load_experiment("quickstart", SMALL), 6, tmp_path / "other")
    contents = [OnChip.checksums(programmed(folder)) for folder in (trained, tmp_path / "other")]
    assert contents[0]["weights"] != contents[1]["weights"]
    assert "weights" not in OnChip.checksums(load_experiment("quickstart", SMALL))


@pytest.mark.parametrize("levels", [4, 16, 256])
def test_levels_round_to_the_nearest_with_the_error_of_uniform_quantisation(trained: Path, levels: int) -> None:
    """W of a pair has steps D = 2 R / (2 L - 2), L levels a device: errors within D / 2, of uniform W D^2 / 12."""
    step = RANGE / (levels - 1)
    more = PAIR | {"hardware.device_parameters": {"conductance.levels": levels}}
    off = chip(programmed(trained, **more), 1).network.layers[0].array.snapshot() - weights_of(trained)
    assert 0 < off.abs().max() <= step / 2 * 1.001
    device = load_device("taox_hfox").with_parameters({"conductance.levels": levels})
    uniform = torch.empty(100, 100).uniform_(-RANGE, RANGE, generator=torch.Generator().manual_seed(0))
    settings: dict[str, Any] = {"device": device, "cell": "one-sided", "weight_range": RANGE / 2}
    rounded = build_array("analog", uniform, programmed=True, **settings).snapshot() - uniform
    assert rounded.abs().max() <= step / 2 * 1.001
    assert rounded.square().mean() == pytest.approx(step**2 / 12, rel=0.05)
    drawn = build_array("analog", uniform, **settings).snapshot() - uniform  # to keep the mean: f (1 - f) D^2 each
    assert drawn.square().mean() == pytest.approx(step**2 / 6, rel=0.05)


def test_a_pair_on_levels_loses_what_lies_beyond_both_of_its_devices() -> None:
    """Where one device ends before the middle of its range plus W / 2, the other makes up for it."""
    device = load_device("reram_es").with_parameters({"conductance.levels": 16})  # bounds of 30 % spread
    weights = torch.empty(60, 80).uniform_(-1.4, 1.4, generator=torch.Generator().manual_seed(0))
    array = build_array("analog", weights, device=device, cell="differential", programmed=True)
    assert isinstance(array, AnalogArray)
    plus, minus = (array.cells.banks[name].parameters for name in ("plus", "minus"))
    low, high = plus["w_min"] - minus["w_max"], plus["w_max"] - minus["w_min"]
    lost = ((weights < low) | (weights > high)).double().mean()
    assert 0.01 < lost < 0.1
    assert array.clipped == pytest.approx(float(lost))


SEVERAL = [{"devices": 4}, {"devices": 2, "base": 4.0}, {"devices": 3, "base": 2.0}]


@pytest.mark.parametrize(("cell", "settings"), [("differential", {}), *(("several-cells", s) for s in SEVERAL)])
@pytest.mark.parametrize("levels", [4, 5, 16])
def test_devices_of_a_weight_round_together(cell: str, settings: dict[str, Any], levels: int) -> None:
    """The last device makes up for the rounding of the others: errors within half of its own step, g D / 2."""
    device = load_device("taox_hfox").with_parameters({"conductance.levels": levels})
    shares = [settings.get("base", 1.0) ** -i for i in range(settings.get("devices", 1))]
    step = 2 / (levels - 1) * shares[-1] / sum(shares)
    weights = torch.empty(80, 80).uniform_(-1.0, 1.0, generator=torch.Generator().manual_seed(0))
    array = build_array("analog", weights, device=device, cell=cell, cell_parameters=settings, programmed=True)
    off = array.snapshot() - weights
    assert off.abs().max() <= step / 2 * 1.001
    assert off.square().mean() == pytest.approx(step**2 / 12, rel=0.05)
    assert array.clipped == 0
    beyond = build_array("analog", 1.25 * weights, device=device, cell="several-cells", programmed=True,
                         cell_parameters=settings or {"devices": 2})  # fmt: skip
    assert beyond.clipped == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("bits", [6, 8])
def test_the_adc_adds_the_error_of_uniform_quantisation(trained: Path, bits: int) -> None:
    """Outputs lie on steps of 2 bound / (2^bits - 2) of the array's units: errors of a twelfth of their square."""
    bound = 8.0
    layer = chip(programmed(trained, **PAIR | {"hardware.adc_bits": bits, "hardware.output_bound": bound}), 1)
    pre = torch.rand(400, 64, generator=torch.Generator().manual_seed(0))
    read, exact = layer.network.layers[0].array.read(pre), pre @ weights_of(trained).t()
    step = 2 * bound / (2**bits - 2) * RANGE / 2
    within = exact.abs() < bound * RANGE / 2 - step
    assert within.float().mean() > 0.9
    assert (read - exact)[within].square().mean() == pytest.approx(step**2 / 12, rel=0.1)


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_so_many_devices_are_stuck_as_the_setting_says(trained: Path, share: float) -> None:
    """A binomial share of devices, half of them at either bound: counted within four standard errors."""
    array = chip(programmed(trained, **PAIR | {"hardware.stuck_fraction": share}), 1).network.layers[0].array
    intact = chip(programmed(trained, **PAIR), 1).network.layers[0].array.conductances()
    for name, siemens in array.conductances().items():
        error = (share * (1 - share) / siemens.numel()) ** 0.5
        changed = (siemens - intact[name]).abs() > 1e-9
        at_low = float((intact[name] <= intact[name].min() * 1.0001).float().mean())  # stuck low changes nothing there
        assert float(changed.float().mean()) == pytest.approx(share / 2 * (2 - at_low), abs=4 * error)


def test_wires_only_take_from_the_currents_and_longer_lines_take_more(trained: Path) -> None:
    pre = torch.rand(50, 64, generator=torch.Generator().manual_seed(0))
    exact = pre @ weights_of(trained).t()

    def off(ohm: float, tile: int) -> float:
        more = PAIR | {"hardware.wire_resistance": ohm, "hardware.tile": [tile, tile]}
        read = chip(programmed(trained, **more), 1).network.layers[0].array.read(pre)
        return float((read - exact).square().mean())

    found = [off(0.0, 64), off(1.0, 16), off(1.0, 64), off(10.0, 64)]
    assert found == sorted(found)
    assert found[0] < 1e-9 < found[1] < found[2] / 2


def test_a_programmed_chip_ages_and_learns_again(trained: Path, tmp_path: Path) -> None:
    """SONOS drifts; what is retrained on the aged chip are devices, from the thresholds of a new epoch."""
    more = {"hardware.device": "sonos", "hardware.weight_range": RANGE, "evaluation.age_seconds": [1e8],
            "evaluation.recovery_images": 160}  # fmt: skip
    record = run(programmed(trained, **more), 1, tmp_path)
    at_age = record.metrics["by_age_seconds"]["1e+08"]
    assert at_age["direct_accuracy"] != record.metrics["direct_accuracy"]
    assert at_age["retrained"] != at_age


def test_a_device_of_which_no_ageing_is_known_is_named(trained: Path, tmp_path: Path) -> None:
    aged, noisy = {"evaluation.age_seconds": [1e6]}, {"hardware.device_parameters": {"retention.read_noise_1f": 0.02}}
    for i, (device, more, expected) in enumerate([("taox_hfox", {}, 1), ("sonos", {}, 0), ("taox_hfox", noisy, 0)]):
        record = run(programmed(trained, **PAIR | aged | {"hardware.device": device} | more), 1, tmp_path / str(i))
        assert sum("has no [retention], so that nothing ages" in text for text in record.warnings) == expected


def test_a_checkpoint_is_small_and_goes_on_to_the_same_numbers(trained: Path, tmp_path: Path) -> None:
    experiment = programmed(trained, **PAIR | {"hardware.stuck_fraction": 0.1})
    first = run(experiment, 3, tmp_path)
    assert (tmp_path / "checkpoint.pt").stat().st_size < 40_000
    (tmp_path / "record.json").unlink()
    assert run(experiment, 3, tmp_path, resume=True).metrics == first.metrics
    assert estimate(experiment).seconds >= 0


def test_what_does_not_fit_is_refused_by_name(trained: Path, tmp_path: Path) -> None:
    def refused(said: str, **more: Any) -> None:
        with pytest.raises(InputError, match=said):
            run(programmed(trained, **more), 1, tmp_path / "refused")

    refused("network.weights: .*nowhere/record.json", **{"network.weights": str(tmp_path / "nowhere")})
    refused("has training.epochs = 2, and this experiment 3", **{"training.epochs": 3})
    refused(r"has network.layers = \[64, 100\], and this experiment \[64, 50\]", **{"network.layers": [64, 50]})
    refused("hardware.periphery: got '32nm', but with network.weights nothing is trained",
            **PAIR | {"hardware.periphery": "32nm"})  # fmt: skip
    with pytest.raises(InputError, match=r"stop_after: got 1, but the network has had its 2 epochs"):
        run(programmed(trained), 1, tmp_path / "refused", stop_after=1)
    run(programmed(trained, **PAIR), 1, tmp_path / "chip")
    refused("did not learn on ideal arrays", **{"network.weights": str(tmp_path / "chip")})
    run(load_experiment("quickstart", SMALL), 5, tmp_path / "short", stop_after=1)
    refused("that run is stopped; allowed: a finished one", **{"network.weights": str(tmp_path / "short")})
    refused("has learnt from the images that data.evaluate_on = 'validation'", **{"data.evaluate_on": "validation"})


def test_a_network_that_left_validation_images_out_is_tested_on_either(tmp_path: Path) -> None:
    held_out = SMALL | {"data.evaluate_on": "validation"}
    before = run(load_experiment("quickstart", held_out), 5, tmp_path / "trained")
    for part, same in (("validation", True), ("test", False)):
        again = programmed(tmp_path / "trained", **{"data.evaluate_on": part})
        assert (run(again, 5, tmp_path / part).metrics == before.metrics) is same


def test_what_helps_a_programmed_network_is_said_and_nothing_of_learning(trained: Path, tmp_path: Path) -> None:
    small = run(programmed(trained, **PAIR | {"hardware.weight_range": 0.02}), 1, tmp_path / "small")
    (said,) = small.warnings
    assert said.endswith("of the programmed weights lie beyond what their devices can hold and were clipped; "
                         "a larger hardware.weight_range keeps them")  # fmt: skip
    noisy = PAIR | {"hardware.weight_range": 1e4, "hardware.read_noise": 1.0}
    (said,) = run(programmed(trained, **noisy), 1, tmp_path / "noisy").warnings
    assert said.endswith("says why: try a smaller hardware.weight_range (read noise and converter steps grow with it)")


def test_damaged_weights_are_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "damaged")
    path = tmp_path / "damaged" / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    content["network"]["0.array.weights"][0, 0] += 1.0
    torch.save(content, path)
    with pytest.raises(InputError, match="what it holds is not what was saved"):
        read_learnt(programmed(tmp_path / "damaged"))
    shutil.copy(trained / "checkpoint.pt", path)
    record = (tmp_path / "damaged" / "record.json").read_text()
    (tmp_path / "damaged" / "record.json").write_text(record.replace('"seed": 5', '"seed": 6'))
    with pytest.raises(InputError, match=r"belongs to configuration and seed \w+-5-cpu; allowed: \w+-6, as the record"):
        read_learnt(programmed(tmp_path / "damaged"))
    path.unlink()
    with pytest.raises(InputError, match=r"network.weights: .*checkpoint.pt"):
        read_learnt(programmed(tmp_path / "damaged"))


def test_cells_of_cmo_fall_by_the_same_amount_over_a_constant_reference(trained: Path) -> None:
    """aihwkit's model: the mean falls by 0.08900206 ln(t) uS, of a range of 79.2 uS that stands for the weights'."""
    weights = weights_of(trained)
    cells = ProgrammedArray(weights, "reram-cmo", drift_compensation=False, generator=torch.Generator().manual_seed(1))
    year = 31_536_000.0
    cells.elapse(year)
    microsiemens = (88.2 - 9.0) / float(weights.max() - weights.min())
    shift = float((cells.snapshot() - weights).mean()) * microsiemens
    assert shift == pytest.approx(-0.08900206 * log(year), abs=4 * 1.2 / weights.numel() ** 0.5)

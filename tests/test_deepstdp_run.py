"""Runs of kind "deep-stdp": from an experiment file to its record."""

from __future__ import annotations

import io
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.config import DeepSTDPExperiment
from neurohw.deepstdp.learner import Learner
from neurohw.deepstdp.probe import accuracy, linear_probe
from neurohw.energy.recorded import ChipAccount
from neurohw.errors import Diverged, InputError
from neurohw.kinds import kind_of
from neurohw.loading import load_experiment
from neurohw.report.page.write import write_report
from neurohw.runs.deep_stdp import DeepSTDP
from neurohw.runs.progress import Bar, Silent
from neurohw.runs.record import read_record
from neurohw.runs.restored import restored_job
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.studies.estimate import estimate
from tests.approximately import approx
from tests.test_checkpoint import run_in_pieces

TINY = {
    "data.train_limit": 120, "data.test_limit": 100, "network.channels": (8, 16), "network.features": 32,
    "clustering.clusters": 12, "stdp.timesteps": 40, "stdp.rate_scale": 2.0, "training.epochs": 3,
    "training.batch_size": 24, "evaluation.fisher_samples": 20,
}  # fmt: skip

EXACT = {"stdp.timesteps": 400, "stdp.rate_scale": 1.0}  # the defaults
ON_ECRAM = {"hardware.backend": "analog", "hardware.device": "ecram"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.toml"
    path.write_text('kind = "deep-stdp"\n')
    return path


def tiny(file: Path, **over: Any) -> DeepSTDPExperiment:
    experiment = load_experiment(file, TINY | {key.replace("__", "."): value for key, value in over.items()})
    assert isinstance(experiment, DeepSTDPExperiment)
    return experiment


@pytest.mark.parametrize("method", ["stdp", "k-means", "random", "classes"])
def test_a_run_interrupted_between_any_batches_goes_on_to_the_same_bits(
    file: Path, tmp_path: Path, method: str
) -> None:
    stdp = {} if method == "stdp" else EXACT
    drops = 0.3 if method == "k-means" else 0.0
    experiment = load_experiment(file, TINY | {"clustering.method": method, "network.dropout": drops} | stdp)
    whole = run(experiment, 3, tmp_path / "whole")
    cut, cuts = run_in_pieces(experiment, 3, tmp_path / "cut", 4)
    assert cuts >= 3
    assert cut.metrics == whole.metrics
    columns = [key for key in whole.curve[-1] if key != "seconds"]
    assert [[row.get(key) for key in columns] for row in cut.curve] == [
        [row.get(key) for key in columns] for row in whole.curve
    ]


def test_a_record_has_every_measure_and_a_report_is_made_of_it(file: Path, tmp_path: Path) -> None:
    records = [run(tiny(file), seed, tmp_path / str(seed)) for seed in (0, 1)]
    record = read_record(tmp_path / "0")
    measures = {
        "probe_accuracy",
        "nmi_truth",
        "nmi_consecutive",
        "cluster_entropy",
        "fisher_trace",
        "clustering_joules",
    }
    assert measures <= record.metrics.keys()
    assert measures <= record.curve[-1].keys()
    assert (record.kind, record.status) == ("deep-stdp", "finished")
    assert record.curve[0]["clustering_joules"] < record.curve[1]["clustering_joules"]
    assert record.metrics["clustering_joules"] == record.curve[-1]["clustering_joules"]
    assert records[0].metrics["probe_accuracy"] > 0.3
    write_report(records, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "Linear probe on the features" in text
    assert "NMI with the classes" in text


@pytest.mark.parametrize("sampling", ["shuffled", "uniform"])
def test_images_that_no_neuron_labels_are_none_that_were_learnt(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: str
) -> None:
    """Shuffled, an epoch has those with a pseudo-label; sampled uniformly, it has as many as there are images."""
    step, seen = Learner.step, []

    def counted(self: Learner, images: torch.Tensor, labels: torch.Tensor) -> None:
        seen.append(len(images))
        step(self, images, labels)

    monkeypatch.setattr(Learner, "step", counted)
    quiet = {
        "stdp.rate_scale": 0.005,
        "stdp.silent_samples": "none",
        "training.sampling": sampling,
        "training.epochs": 1,
    }
    record = run(load_experiment(file, TINY | quiet), 0, tmp_path / "run")
    assert (sum(seen) == 120) == (sampling == "uniform")
    assert 20 < record.curve[0]["images"] == sum(seen) <= 120
    timing = record.timing
    assert timing["train_images_per_second"] * timing["train_seconds"] == approx(sum(seen))


@pytest.mark.parametrize("neurons", ["digital", "analog"])
def test_clustering_on_a_crossbar_is_counted_priced_and_resumed(file: Path, tmp_path: Path, neurons: str) -> None:
    """Two epochs of learning, that of analog neurons with a pass that only labels: part of training as well."""
    labels = "frozen" if neurons == "analog" else "learning"
    chip = {**ON_ECRAM, "hardware.periphery": "32nm", "clustering.neurons": neurons, "stdp.updates": "sample",
            "stdp.labels": labels}  # fmt: skip
    experiment = load_experiment(file, TINY | chip | {"training.epochs": 2, "clustering.components": 16})
    whole = run(experiment, 1, tmp_path / "whole")
    assert isinstance(whole.energy, ChipAccount)
    counts = whole.ledger["counts"]
    shown = 2 * 120 * (2 if labels == "frozen" else 1)
    assert counts["W1"]["forward"]["reads"] == shown * 40
    assert counts["clock"]["forward"]["images"] == shown
    assert counts["W1"]["update"]["pulses_up"] > 0
    assert whole.ledger["facts"]["arrays"]["W1"]["n_pre"] == 32
    assert whole.energy.total.nominal > 0
    assert whole.config["hardware"]["device"] == "ecram"
    cut, cuts = run_in_pieces(experiment, 1, tmp_path / "cut", 3)
    assert cuts >= 3
    assert cut.metrics == whole.metrics
    assert cut.ledger["counts"] == counts
    assert read_record(tmp_path / "whole").energy == whole.energy
    text = (write_report([whole], tmp_path / "report").parent / "report.md").read_text()
    assert "Energy of clustering, digital, counted" in text  # beside the crossbar's own account
    assert "Energy of clustering, counted" not in text
    assert text.index("the convolutional network, which learns in full precision, is in no energy") < text.index(
        "A training image costs"
    )


@pytest.mark.parametrize(
    ("device", "seconds", "said"), [("capacitor", 1.0, 1), ("capacitor", 1e-6, 0), ("ecram", 1, 0)]
)
@pytest.mark.parametrize("kind", ["deep-stdp", "stdp"])
def test_a_sample_that_takes_its_devices_minutes_is_said(
    file: Path, kind: str, device: str, seconds: float, said: int
) -> None:
    file.write_text(f'kind = "{kind}"\n')
    over = {"hardware.device": device, "hardware.step_seconds": seconds, "data.train_limit": 100}
    experiment = load_experiment(file, over | {"stdp.timesteps": 250})
    job = kind_of({"kind": kind}).load_job()(experiment, Streams(0))
    job.build()
    assert [text for text in job.warnings if "capacitor ages 250 s in each sample of 250 steps" in text] == job.warnings
    assert len(job.warnings) == said


def test_classes_as_clusters_are_learnt(file: Path, tmp_path: Path) -> None:
    over = {**EXACT, "data.train_limit": 600, "training.epochs": 6, "clustering.clusters": 10,
            "preprocessing.augmentation": "none"}  # fmt: skip
    experiment = load_experiment(file, TINY | over | {"clustering.method": "classes"})
    assert run(experiment, 0, tmp_path / "run").metrics["probe_accuracy"] > 0.85


def test_the_trained_network_becomes_a_spiking_one_of_about_its_accuracy(file: Path, tmp_path: Path) -> None:
    metrics = run(tiny(file, evaluation__spiking_steps=200), 0, tmp_path / "run").metrics
    by_steps = metrics["by_time_steps"]
    assert list(by_steps) == ["5", "10", "20", "50", "100", "200"]
    assert by_steps["200"]["spiking_accuracy"] == metrics["spiking_accuracy"]
    assert metrics["spiking_accuracy"] == pytest.approx(metrics["probe_accuracy"], abs=0.03)
    assert by_steps["5"]["spiking_accuracy"] < metrics["spiking_accuracy"] + 0.02
    assert read_record(tmp_path / "run").metrics == metrics


def test_filters_of_a_run_are_drawn(file: Path, tmp_path: Path) -> None:
    run(tiny(file, training__epochs=1), 0, tmp_path / "run")
    result = CliRunner().invoke(app, ["filters", str(tmp_path / "run"), "--count", "3"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "filters" / "filters.png").stat().st_size > 1000
    job, _ = restored_job(tmp_path / "run")
    assert isinstance(job, DeepSTDP)
    prepare = job.preparation.for_evaluation
    seen, features = (
        job._seen_by_a_head(job.learner.features(part.images, prepare)) for part in (job.training, job.test)
    )
    probe = linear_probe(seen, job.training.labels, 10)
    assert accuracy(probe, features, job.test.labels) == read_record(tmp_path / "run").metrics["probe_accuracy"]
    for arguments, says in (("1", "got layer 1; allowed: a convolution"), ("a", "--layers: got 'a'")):
        refused = CliRunner().invoke(app, ["filters", str(tmp_path / "run"), "--layers", arguments])
        assert isinstance(refused.exception, InputError)
        assert says in str(refused.exception)
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match="has no checkpoint"):
        restored_job(tmp_path / "run")


def _unheard(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


class InterruptingClusters(Silent):
    """Is interrupted while the images of the second epoch are clustered."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int]] = []
        self.epochs = 0

    def begin(self, title: str, images: int) -> None:
        self.epochs += 1

    def prepare(self, what: str, done: int, total: int) -> None:
        self.heard.append((what, done, total))
        if self.epochs == 2 and what == "clusters":
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("chip", [{}, ON_ECRAM])
def test_clustering_tells_how_far_it_is_and_an_interrupt_does_not_wait_for_its_end(
    file: Path, tmp_path: Path, chip: dict[str, str]
) -> None:
    few = {"data.train_limit": 64, "training.epochs": 2, "evaluation.fisher_samples": 0}
    experiment = load_experiment(file, TINY | few | chip)
    report = InterruptingClusters()
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            run(experiment, 3, tmp_path / "cut", report=report)
    finally:
        signal.signal(signal.SIGINT, former)
    assert report.heard[:2] == [("features", 64, 64), ("clusters", 32, 64)]
    assert report.heard[-1] == ("clusters", 32, 64)
    assert report.epochs == 2
    cut = run(experiment, 3, tmp_path / "cut", resume=True)
    whole = run(experiment, 3, tmp_path / "whole")
    assert cut.metrics == whole.metrics
    assert cut.ledger == whole.ledger


def test_a_bar_shows_clusters_first_and_then_images() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    bar = Bar(console)
    bar.begin("digits 1/3", 50)
    assert bar._progress is not None
    (task,) = bar._progress.tasks
    bar.prepare("clusters", 32, 120)
    assert (task.description, task.completed, task.total) == ("digits 1/3: clusters", 32, 120)
    bar.prepare("clusters", 120, 120)
    bar.tick(10)
    assert (task.description, task.completed, task.total) == ("digits 1/3", 10, 50)
    bar.close()


def test_a_new_epoch_has_a_new_head_and_learning_changes_the_body(file: Path) -> None:
    job = DeepSTDP(tiny(file), Streams(0))
    job.build()
    before = {name: tensor.clone() for name, tensor in job.learner.network.state_dict().items()}
    job.begin(job.plan[0], _unheard)
    list(job.train(job.plan[0], 0))
    head = job.learner.network.head.weight.clone()
    after = job.learner.network.state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in before)
    job._reassign(1, _unheard)
    assert float((job.learner.network.head.weight - head).detach().std()) > 0.01
    assert not bool(job.learner.network.head.bias.detach().any())


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"clustering.clusters": 121}, r"clustering.clusters: got 121; allowed: at most the 120 training images"),
        ({"preprocessing.size": 9}, r"preprocessing.size: got 9; allowed: at most the 8 px of digits"),
        ({"network.channels": (4,) * 4}, r"network.channels: got 4 convolutions"),
        ({"clustering.method": "k-means"}, r"stdp: got settings, which clustering.method 'k-means' does not read"),
        ({"clustering.iterations": 5}, r"clustering.iterations: got 5, which clustering.method 'stdp' does not read"),
        ({"stdp.v_rest": -50.0}, r"stdp.v_rest: got -50; allowed: at most v_threshold, -52 mV"),
        ({"network.architecture": "vgg-15"}, r"network.channels: got \(8, 16\), which network.architecture 'vgg-15'"),
        ({"network.layers": (64, 10)}, r"network.layers: unknown key"),
        ({"data.labels": 10}, r"data.labels: unknown key"),
        ({"hardware.backend": "analog"}, r"hardware.device: not given; backend analog needs one"),
        (
            {"clustering.method": "k-means", **EXACT, **ON_ECRAM},
            r"hardware.backend: got 'analog', which",
        ),
        (
            {"clustering.neurons": "analog"},
            r"clustering.neurons: got 'analog', but hardware.backend 'ideal'",
        ),
        (
            {**ON_ECRAM, "hardware.off_chip": "pcm-like"},
            r"hardware.off_chip: got 'pcm-like', which experiments",
        ),
        ({**ON_ECRAM, "hardware.periphery": "33nm"}, r"33nm"),
        ({"energy.standby": "none"}, r"energy: got settings, but hardware.periphery names no table"),
        ({"stdp.neurons": 10}, r"stdp.neurons: unknown key"),
        ({"stdp.initial_weight": 0.5}, r"stdp.initial_weight: got 0.5, which is not read where weights are scaled"),
        ({"stdp.weight_mean": 0.5, "stdp.weight_max": 0.4}, r"stdp.weight_mean: got 0.5; allowed: at most weight_max"),
        ({"stdp.weight_mean": 0.0, "stdp.weight_max": 0.2}, r"stdp.initial_weight: got 0.3; allowed: at most weight_"),
        ({"stdp.weight_mean": 0.0, "stdp.normalisation": "gain"}, r"stdp.normalisation: got 'gain', which is not read"),
        ({**ON_ECRAM, "hardware.writing": "agad"}, r"hardware.writing: got 'agad', whose weights cannot be scaled"),
        ({**ON_ECRAM, "hardware.weight_range": 0.05}, r"hardware.weight_range: got 0.05; allowed: at least 0.5862"),
        ({"hardware.precision": "bfloat16"}, r"hardware.precision: got 'bfloat16', which exact synapses"),
        ({"preprocessing.augmentation": "none", "preprocessing.flip": 0.2}, r"preprocessing.flip: got 0.2, which"),
        ({"stdp.engine": "cuda"}, r"stdp.engine: got 'cuda'; allowed: 'auto', 'compiled' or 'torch'"),
        ({**ON_ECRAM, "stdp.engine": "torch"}, r"stdp.engine: got 'torch', which synapses of devices"),
        ({"clustering.method": "k-means", **EXACT, "stdp.engine": "torch"}, r"stdp: got settings, which"),
        ({"training.weight_decay": 1e10}, r"training.weight_decay: got 10000000000.0; allowed: .* equal to 1000000000"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_run(
    file: Path, tmp_path: Path, over: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        run(load_experiment(file, TINY | over), 0, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_stays_silent_is_named_and_the_record_says_so(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stdp: no neuron spiked for any sample; raise stdp\.gain"):
        run(tiny(file, stdp__gain=0.01), 0, tmp_path / "run")
    assert read_record(tmp_path / "run").status == "failed"


@pytest.mark.parametrize(
    ("rate", "method"), [(1e3, "k-means"), (1e5, "stdp"), (1e6, "k-means"), (1e7, "stdp"), (1e9, "stdp")]
)
def test_learning_that_leaves_the_numbers_is_named_and_the_record_says_so(
    file: Path, tmp_path: Path, rate: float, method: str
) -> None:
    """From weights that are just numbers, of which the Fisher information is none, to weights that are none."""
    over = {"training.learning_rate": rate, "clustering.method": method, "stdp.rate_scale": 1.0, "stdp.timesteps": 400}
    with pytest.raises(Diverged, match=r"not finite|no finite numbers"):
        run(load_experiment(file, TINY | over), 0, tmp_path / "run")
    record = read_record(tmp_path / "run")
    assert record.status == "diverged"


def test_the_engine_in_torch_makes_the_run_of_the_compiled_one(file: Path, tmp_path: Path) -> None:
    compiled, torches = (run(tiny(file, stdp__engine=which), 0, tmp_path / which) for which in ("compiled", "torch"))
    assert torches.metrics == approx(compiled.metrics)
    assert "engine" not in run(tiny(file), 0, tmp_path / "auto", stop_after=1).config["stdp"]  # as in older records


def test_an_estimate_counts_the_clustering(file: Path, tmp_path: Path) -> None:
    experiment = tiny(file, stdp__timesteps=400, stdp__rate_scale=1.0, training__epochs=4, data__train_limit=400)
    run(experiment, 0, tmp_path / "warm", stop_after=1)
    began = time.perf_counter()
    run(experiment, 0, tmp_path / "run")
    took = time.perf_counter() - began
    assert took / 3 < estimate(experiment).seconds < 3 * took


def test_vgg_15_takes_its_own_defaults(file: Path) -> None:
    experiment = load_experiment(file, {"network.architecture": "vgg-15"})
    assert (experiment.network.features, experiment.network.dropout) == (4096, 0.1)


def test_a_device_that_is_named_is_on_the_analog_engine(file: Path) -> None:
    assert load_experiment(file, {"hardware.device": "ecram"}).hardware.backend == "analog"
    with pytest.raises(InputError, match=r"hardware.device: got 'ecram', which back-end 'ideal'|hardware.device"):
        load_experiment(file, {"hardware.device": "ecram", "hardware.backend": "ideal"})

"""The configuration: what is refused and how it is said, conditions, variants, hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurohw.config import OnChipExperiment, config_hash
from neurohw.errors import InputError
from neurohw.loading import load_experiment, parse_override, validated
from neurohw.shipping import read_toml, shipped
from neurohw.studies.sweep import load_sweep

SHIPPED = sorted(path.parent.name for path in shipped("experiments").glob("*/experiment.toml"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[training]\nepocs = 3", r"mine\.toml: training\.epocs: unknown key \(did you mean epochs\?\); allowed: .*"),
        ("[training]\nlearning_rate = 4", r"training\.learning_rate: got 4; allowed: a list, as in \[4\]"),
        ('[evaluation]\nassociation = "direct"', r"evaluation\.association: got 'direct'; .* as in \[\"direct\"\]"),
        ("[trainin]\nepochs = 3", r"mine\.toml: trainin: unknown key \(did you mean training\?\)"),
        ("[training]\nepochs = 'ten'", r"training\.epochs: got 'ten'"),
        ("[training]\nepochs = true", r"training\.epochs: got True"),
        ("[training]\nepochs = 0", r"training\.epochs: got 0; allowed: greater than or equal to 1"),
        ("[target]\nk = 101", r"target\.k: got 101; allowed: 1 to 100"),
        ("[network]\nlayers = [64]", r"network\.layers"),
        ("[network]\nlayers = [64, 0]", r"network\.layers\.1: got 0"),
        ("[network]\nrule = 'hopfield'", r"network\.rule: got 'hopfield'; allowed: 'bp', 'ep', "),
        ("kind = 'deep-stdp'\n[clustering]\nmethod = 'kmeans'", r"got 'kmeans'; .* \(did you mean k-means\?\)"),
        ("[training]\nlearning_rate = [1, 2]", r"training\.learning_rate: got 2 values; allowed: 1"),
        ("[training]\ndropout = [0.3]", r"training\.dropout: got 1 values; allowed: 2"),
        ("[training]\ndropout = [0.3, 1.0]", r"training\.dropout\.1: got 1\.0"),
        ("[training]\nmode = 'semi-supervised'", r"data\.labels: not given"),
        ("[ep]\nbeta = 0.0", r"ep\.beta"),
        ("[training]\nalternate_every = 2", r"alternate_every: got 2, which only training.mode"),
        ('[training]\nmode = "supervised"\n[data]\nlabels = 100', r"data.labels: got 100, which only training.mode"),
        ("[network]\nrule = 'ep'\n[training]\nloss = 'cross-entropy'", r"training\.loss: cross-entropy under EP"),
        ("[target]\nk = 101\n[training]\nlearning_rate = [1, 2]", r"(?s)target\.k: .*training\.learning_rate: "),
        ("[hardware]\nbackend = 'aihwkit'", r"hardware\.device: not given"),
        ("[hardware]\nadc_bits = 4", r"hardware\.adc_bits: got 4, which backend \"ideal\" does not read"),
        ("[hardware]\nbackend = 'aihwkit'\ndevice = 'ecram'\nadc_bits = 1", r"hardware\.adc_bits: got 1; allowed: 0"),
        (
            "[evaluation]\nage_seconds = [1.0]",
            r"evaluation\.age_seconds: ideal weights do not age",
        ),
        ("name = 'a/b'", r"name: got 'a/b'"),
        ("[training\nepochs = 3", r"mine\.toml: this is no valid TOML"),
        ("[network]\nlayers = 5", r"network\.layers: got 5"),
        ("when = 3", r"when\[1\]: allowed"),
        ("[[when]]\nmatch = 3\nset = 3", r"when\[1\]: allowed"),
        ("[evaluation]\nlabel_fraction = []", r"evaluation\.label_fraction"),
        ("[evaluation]\nassociation = []", r"evaluation\.association"),
        (
            "[evaluation]\nlabel_draw = 'own'",
            r"evaluation\.label_draw: got \"own\", but no share of the labels is drawn",
        ),
        (
            "[evaluation]\nlabel_draw = 'own'\nlabel_fraction = [0.1]\n[training]\nmode = 'supervised'",
            r'evaluation\.label_draw: .* allowed: "same", or training\.mode "unsupervised" with',
        ),
        ("[data]\nvalidation_fraction = 1.0", r"data\.validation_fraction"),
        ("[training]\nlearning_rate = [inf]", r"training\.learning_rate"),
        ("[hardware]\noff_chip = 'pcm-like'", r"hardware\.off_chip: got 'pcm-like', but evaluation\.age_seconds"),
        ("[[when]]\nmatch = {}", r"when\[1\]: allowed: exactly the tables `match` and `set`"),
    ],
)
def test_wrong_input_is_explained(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_experiment(written(tmp_path, text))
    assert "mine.toml" in str(caught.value)


def test_missing_experiment_lists_the_shipped_ones() -> None:
    with pytest.raises(InputError, match="quickstart"):
        load_experiment("no_such_thing")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("variant", ["code", "paper"])
def test_shipped_experiments_are_valid_and_round_trip(name: str, variant: str) -> None:
    onchip = isinstance(load_experiment(name), OnChipExperiment)
    experiment = load_experiment(name, {"variant": variant} if onchip else {})
    assert experiment.name == name
    assert validated(experiment.canonical(), "dump") == experiment


def test_overrides_beat_conditions_which_beat_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[target]\nk = 2\n[[when]]\nmatch = { "network.rule" = "ep" }\nset = { "target.k" = 3, "target.gamma" = 0.1 }',
    )
    assert load_experiment(path).target.k == 2
    assert load_experiment(path, {"network.rule": "ep"}).target.k == 3
    both = load_experiment(path, {"network.rule": "ep", "target.k": 4})
    assert (both.target.k, both.target.gamma) == (4, 0.1)


def test_conditions_see_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, '[[when]]\nmatch = { "hardware.backend" = "ideal" }\nset = { "target.k" = 7 }')
    assert load_experiment(path).target.k == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=3", 3), ("a.b=[1, 2]", [1, 2]), ("a.b=reram_es", "reram_es"), ("a.b='x'", "x"), ("a.b=true", True)],
)
def test_override_values_are_toml_or_strings(text: str, value: Any) -> None:
    assert parse_override(text) == ("a.b", value)


def test_a_table_of_a_list_is_overridden_by_its_number() -> None:
    """What is said of one leaves the others as they are, and the file as it was."""
    plain: Any = load_experiment("cnn_mnist")
    other: Any = load_experiment("cnn_mnist", {"network.conv.1.prune": 0.0, "network.conv.0.pool": "max"})
    first, second = plain.network.conv
    assert other.network.conv == (first.model_copy(update={"pool": "max"}), second.model_copy(update={"prune": 0.0}))
    supervised: Any = load_experiment("cnn_fashion", {"training.mode": "supervised", "network.conv.1.prune": 0.5})
    assert [section.prune for section in supervised.network.conv] == [0.2, 0.5]  # laid over what a condition set
    assert load_experiment("cnn_mnist") == plain
    for key, message in (("2.prune", r"got \{'2': \{'prune': 0.1\}\}; .*network\.conv\.0\.KEY is the first's"),
                         ("0.prunes", r"network\.conv\.0\.prunes: unknown key \(did you mean prune\?\)")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            load_experiment("cnn_mnist", {f"network.conv.{key}": 0.1})
    with pytest.raises(InputError, match=r"network\.layers: got \{\}; allowed"):
        load_experiment("cnn_mnist", {"network.layers": {}})


def test_override_without_a_value() -> None:
    with pytest.raises(InputError, match="key=value"):
        parse_override("training.epochs")


def test_a_device_is_enough_to_choose_its_back_end() -> None:
    assert load_experiment("quickstart", {"hardware.device": "reram_es"}).hardware.backend == "analog"


def test_hash_sees_what_decides_the_numbers_and_nothing_else() -> None:
    base = load_experiment("quickstart")
    digest = config_hash(base, {"data": "1"})
    assert config_hash(load_experiment("quickstart", {"runs": 9}), {"data": "1"}) == digest
    assert config_hash(load_experiment("quickstart", {"target.k": 3}), {"data": "1"}) != digest
    assert config_hash(base, {"data": "2"}) != digest


# FACTS B.11, row by row: the key, under which settings, what the code and what the paper say
SEMI = {"training.mode": "semi-supervised", "data.labels": 100}
ROWS: list[tuple[str, str, dict[str, Any], Any, Any]] = [
    ("mnist_unsupervised_ep_1layer", "training.schedule.end", {}, 1e-3, 5e-4),
    ("mnist_unsupervised_bp_1layer", "training.loss_reduction", {}, "mean", "sum"),
    ("mnist_unsupervised_bp_1layer", "target.activity_target", {}, "code", "paper"),
    ("mnist_unsupervised_ep_1layer", "target.average_of", {}, "target", "winners"),
    ("mnist_unsupervised_bp_2layer", "training.dropout", {}, (0.3, 0.2, 0.2), (0.3, 0.0, 0.2)),
    ("mnist_semi_ep", "training.dropout", {"data.labels": 600}, (0.3, 0.5, 0.0), (0.2, 0.5, 0.0)),
    ("mnist_semi_ep", "training.dropout", {"data.labels": 300}, (0.2, 0.5, 0.0), (0.2, 0.5, 0.0)),
    ("mnist_semi_ep", "training.batch_size", {}, 128, 256),
    ("mnist_semi_bp", "training.batch_size", {}, 256, 256),
    ("mnist_semi_bp", "training.pretrain.schedule.decay", {}, 0.98, 0.97),
    ("mnist_semi_ep", "training.pretrain.schedule.decay", {}, 0.96, 0.97),
    ("mnist_semi_bp", "training.supervised_schedule.start", {}, 0.72, 0.7),
    ("mnist_semi_bp", "training.supervised_schedule.over", {}, 350, None),
    ("mnist_semi_ep", "training.supervised_schedule.start", {}, 0.2, 0.7),
    ("mnist_semi_ep", "training.supervised_schedule.end", {}, 0.03, 0.05),
    ("mnist_semi_bp", "training.schedule.end", {}, 0.18, 0.18),
    ("mnist_semi_ep", "training.schedule.end", {}, 0.1, 0.18),
    ("mnist_semi_ep", "ep.beta", {"data.labels": 100}, 0.45, 0.48),
    ("mnist_semi_ep", "ep.beta", {"data.labels": 300}, 0.45, 0.4),
    ("mnist_semi_ep", "ep.beta", {"data.labels": 600}, 0.45, 0.38),
    ("mnist_semi_ep", "ep.beta", {"data.labels": 1000}, 0.45, 0.4),
    ("mnist_semi_ep", "ep.beta", {"data.labels": 3000}, 0.45, 0.48),
    ("mnist_semi_ep", "target.gamma", {"data.labels": 600}, 0.01, 0.005),
    ("mnist_semi_bp", "target.gamma", {"data.labels": 3000}, 0.0, 0.001),
    ("mnist_semi_ep", "training.learning_rate", {"data.labels": 100}, (4e-4, 9e-3), (3e-4, 9e-3)),
    ("mnist_semi_ep", "training.learning_rate", {"data.labels": 300}, (1.5e-4, 1e-3), (4e-4, 8e-3)),
    ("mnist_semi_ep", "training.learning_rate", {"data.labels": 600}, (1.8e-4, 1e-3), (2e-4, 1e-3)),
    ("mnist_semi_ep", "training.learning_rate", {"data.labels": 1000}, (1.6e-4, 6.3e-3), (2e-4, 6e-3)),
    ("mnist_semi_ep", "training.learning_rate", {"data.labels": 3000}, (1.3e-4, 6e-3), (1.5e-4, 9e-3)),
    ("mnist_semi_bp", "training.learning_rate", {"data.labels": 600}, (1e-4, 2.5e-3), (1e-4, 2e-3)),
    ("mnist_semi_bp", "training.learning_rate", {"data.labels": 1000}, (2.4e-4, 3.2e-3), (2.4e-4, 3e-3)),
    ("mnist_semi_bp", "training.learning_rate", {"data.labels": 100}, (6e-4, 4.4e-3), (6e-4, 4.4e-3)),
    ("mnist_semi_bp", "training.pretrain.epochs", {"data.labels": 100}, 150, 200),
    ("mnist_semi_bp", "training.pretrain.epochs", {"data.labels": 300}, 200, 200),
    ("mnist_unsupervised_ep_1layer", "evaluation.classifier.end_factor", {}, 0.9, 0.5),
    ("mnist_unsupervised_ep_2layer", "evaluation.classifier.learning_rate", {}, (0.0085, 0.008, 0.005, 0.0045),
     (0.0085, 0.008, 0.005, 0.0022)),
    ("mnist_unsupervised_bp_1layer", "evaluation.classifier.activation", {}, "identity", "sigmoid"),
    ("mnist_unsupervised_bp_2layer", "evaluation.classifier.activation", {}, "sigmoid", "sigmoid"),
    ("mnist_semi_bp", "data.labelled_set", {}, "stratified", "balanced"),
    ("mnist_semi_ep", "runs", {"data.labels": 100}, 23, 30),
    ("mnist_unsupervised_ep_1layer", "runs", {}, 11, 10),
    ("mnist_semi_bp", "runs", {"data.labels": 600}, 15, 10),
    ("mnist_unsupervised_ep_1layer", "ep.beta_sign", {}, "random", "positive"),
    ("mnist_semi_bp", "training.cross_entropy_on", {}, "outputs", "logits"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "settings", "code", "paper"), ROWS)
def test_variants_cover_every_row(name: str, key: str, settings: dict[str, Any], code: Any, paper: Any) -> None:
    for variant, wanted in (("code", code), ("paper", paper)):
        value: Any = load_experiment(name, {**settings, "variant": variant})
        for part in key.split("."):
            value = getattr(value, part)
        assert value == wanted


@pytest.mark.parametrize(
    ("layers", "rates"),
    [([64, 10], (0.003,)), ([64, 80, 10], (0.001, 0.003)), ([64, 80, 40, 10], (0.001, 0.001, 0.003))],
)
def test_pre_training_has_a_rate_for_each_layer_unless_given(layers: list[int], rates: tuple[float, ...]) -> None:
    experiment = load_experiment("quickstart", {**SEMI, "network.layers": layers, "training.dropout": []})
    assert experiment.training.pretrain.learning_rate == rates


def test_a_key_of_a_variant_can_be_set_alone() -> None:
    experiment = load_experiment("mnist_unsupervised_ep_1layer", {"ep.beta_sign": "positive"})
    assert (experiment.ep.beta_sign, experiment.training.schedule.end) == ("positive", 1e-3)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"training.epochs": 0}, "--set: training.epochs: got 0;"),
        ({"training": 5}, "--set: training: got 5;"),
        ({"training.learning_rat": 1}, "--set: training.learning_rat: unknown key"),
        ({"training.learning_rate": ["x"]}, "--set: training.learning_rate.0: got 'x'"),
        ({"target.k": 3000}, "--set: target.k: got 3000; allowed: 1 to 2"),  # what does not fit with other keys
        ({"foo": "default"}, "--set: foo: unknown key; allowed: name"),
        ({"hardware.devic": "default"}, "--set: hardware.devic: unknown key (did you mean device?)"),
        (
            {"learning_rate": 1},
            "--set: learning_rate: unknown key (did you mean training.learning_rate or training.pre",
        ),
        (
            {"hardware.device_parameters.step_ctoc": "x"},
            "--set: hardware.device_parameters.step_ctoc: got 'x'; allowed: a",
        ),
        ({"network.layers": [64, 1]}, "{file} with --set of network.layers: target.k: got 2; allowed: 1 to 1"),
    ],
)
def test_what_was_overridden_is_blamed_and_not_the_file(overrides: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[network]\nlayers = [64, 2]\n[target]\nk = 2\n")
    with pytest.raises(InputError) as refused:
        load_experiment(file, overrides, "--set")
    assert str(refused.value).startswith(said.format(file=file))


def test_a_wrong_file_is_blamed_whatever_else_was_overridden(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[training]\nepochs = 0\n")
    with pytest.raises(InputError) as refused:
        load_experiment(file, {"target.k": 1}, "--set")
    assert str(refused.value).startswith(f"{file}: training.epochs: got 0;")


def test_a_sweep_is_blamed_for_what_it_sets(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('experiment = "quickstart"\n[axes]\n"target.k" = [1, 0]\n')
    with pytest.raises(InputError, match=f"^{file}: target.k: got 0; "):
        list(load_sweep(file).points(tmp_path))


def test_python_construction_takes_the_variant_too() -> None:
    assert OnChipExperiment(variant="paper").target.activity_target == "paper"  # type: ignore[call-arg]


def test_every_expected_toml_is_valid_and_speaks_of_real_settings() -> None:
    from neurohw.studies.expected import expectations

    for name in SHIPPED:
        found = expectations(name)
        assert found, f"experiments/{name} has no expected.toml"
        for entry in found:
            experiment = load_experiment(name, entry.where)
            assert entry.epoch <= experiment.training.epochs


def test_read_toml_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_toml(tmp_path)


_ON = {"hardware.device": "ecram"}
_ONE_NAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"remedy": "none"}, {"cell": "single", "writing": "pulses"}),
    ({"remedy": "differential"}, {"cell": "differential"}),
    ({"remedy": "several-cells", "remedy_parameters": {"devices": 8}},
     {"cell": "several-cells", "cell_parameters": {"devices": 8}}),
    ({"remedy": "agad", "remedy_parameters": {"chop": 0.1}}, {"writing": "agad", "writing_parameters": {"chop": 0.1}}),
    ({"remedy": "tiki-taka-v2", "remedy_parameters": {"zero_shift": True, "every": 2}},
     {"cell": "reference-cell", "writing": "tiki-taka-v2", "writing_parameters": {"every": 2}}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "halves"), _ONE_NAME, ids=[one["remedy"] for one, _ in _ONE_NAME])
def test_the_one_name_of_a_remedy_is_its_cell_and_its_writing(one: dict[str, Any], halves: dict[str, Any]) -> None:
    by_name, by_halves = (load_experiment("quickstart", {**_ON, "hardware": keys}) for keys in (one, halves))
    assert by_name == by_halves
    assert config_hash(by_name, {}) == config_hash(by_halves, {})
    dumped = by_halves.canonical()["hardware"]
    assert {key: dumped[key] for key in one} == one
    assert not dumped.keys() & {"cell", "writing"}


def test_a_cell_and_a_writing_without_one_name_come_back() -> None:
    given = {"cell": "differential", "writing": "agad", "writing_parameters": {"chop": 0.1}}
    experiment = load_experiment("quickstart", {**_ON, "hardware": given})
    dumped = experiment.canonical()["hardware"]
    assert {key: dumped[key] for key in given} == given
    assert "remedy" not in dumped
    assert validated(experiment.canonical(), "here") == experiment
    assert load_experiment("quickstart", {**_ON, "hardware": {"remedy": "agad", "remedy_parameters": {"chop": 0.1},
                                                              "cell": "differential"}}) == experiment  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"remedy": "agd"}, r"hardware\.remedy: unknown remedy 'agd' \(did you mean agad\?\); allowed: none, sev"),
        ({"cell": "pair"}, r"hardware\.cell: unknown cell 'pair'; allowed: single, .*differential, one-sided"),
        ({"writing": "agad", "writing_parameters": {"chp": 1}},
         r"hardware\.writing_parameters: writing 'agad' has no parameter 'chp'; allowed: .*chop"),
        ({"remedy": "agad", "remedy_parameters": {"chop": -1}},
         r"hardware\.remedy_parameters: writing 'agad': chop: got -1; allowed: numbers of at least 0"),
        ({"remedy": "differential", "cell": "one-sided"}, r"hardware\.cell: got 'one-sided' beside remedy 'differen"),
        ({"remedy": "agad", "remedy_parameters": {"chop": 0.1}, "writing_parameters": {"chop": 0.2}},
         r"hardware\.writing_parameters: chop: got 0.2 beside remedy_parameters, where it is 0.1; allowed: one"),
        ({"cell": 3}, r"hardware\.cell: got 3; allowed: a name"),
        ({"cell_parameters": 3}, r"hardware\.cell_parameters: got 3; allowed: a table"),
        ({"backend": "ideal", "cell": "differential", "writing": "agad"},
         r'hardware\.cell: got \'differential\', which backend "ideal" does not read; read by: analog, aihwkit'),
        ({"backend": "aihwkit", "writing": "agad", "writing_parameters": {"chop": 0.1}}, r"which backend \"aihwkit\""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_remedy_is_named(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_experiment("quickstart", {**_ON, "hardware": keys})


def test_how_to_leave_all_hardware_out_is_said_once() -> None:
    with pytest.raises(InputError) as error:
        load_experiment("quickstart", {**_ON, "hardware.adc_bits": 8, "hardware.backend": "ideal"})
    assert str(error.value).count('hardware = "default" leaves all of [hardware] out') == 1
    assert load_experiment("quickstart", {"hardware": "default"}).hardware.backend == "ideal"


def test_a_cell_and_a_writing_without_parameters_are_no_setting_that_aihwkit_does_not_read() -> None:
    keys = {"backend": "aihwkit", "device": "pcm", "cell": "one-sided", "writing": "mixed-precision"}
    assert load_experiment("quickstart", {"hardware": keys}).hardware.remedy.name == "one-sided + mixed-precision"


def test_a_condition_on_a_writing_is_met_by_a_remedy_of_that_name_and_with_other_cells() -> None:
    for hardware in ({"remedy": "tiki-taka-v2"}, {"writing": "tiki-taka-v2", "cell": "differential"}):
        assert load_experiment("quickstart", {**_ON, "hardware": hardware}).training.learning_rate == (64.0,)


DEVICE = """
[hardware]
device = "ecram"
read_noise = 0.5
device_parameters = { step_ctoc = 0.1, "conductance.levels" = 16 }
[training]
learning_rate = [7.0]
[[when]]
match = { "network.rule" = "ep" }
set = { "training.learning_rate" = [9.0] }
[[when]]
match = { "hardware.read_noise" = 0.06 }
set = { "target.k" = 3 }
"""


@pytest.mark.parametrize(
    "overrides",
    [
        {"hardware.device_parameters.conductance.levels": 4},
        {"hardware.device_parameters": {"conductance.levels": 4}},
        {"hardware.device_parameters": {"conductance": {"levels": 4}}},
        {"hardware": {"device_parameters.conductance": {"levels": 4}}},
    ],
)
def test_a_parameter_of_a_device_is_a_key_however_it_is_spelt(overrides: dict[str, Any], tmp_path: Path) -> None:
    """Its name has a dot: what is nested and what is dotted are one key, and the later of both holds."""
    file = written(tmp_path, DEVICE)
    experiment = load_experiment(file, overrides)
    assert experiment.hardware.device_parameters == {"step_ctoc": 0.1, "conductance.levels": 4.0}
    again = load_experiment(file, {"hardware.device_parameters.conductance.levels": 5} | overrides)
    assert again.hardware.device_parameters["conductance.levels"] == 4.0


def test_a_key_is_set_back_to_its_default(tmp_path: Path) -> None:
    """Also against what the file's conditions set, and a whole table of numbers."""
    silent = {"hardware.recommended": False}
    file = written(tmp_path, DEVICE)
    assert load_experiment(file, silent | {"hardware.read_noise": "default"}).hardware.read_noise == 0.06
    parameters = load_experiment(file, silent | {"hardware.device_parameters": "default"}).hardware.device_parameters
    assert parameters == {}
    one = load_experiment(file, silent | {"hardware.device_parameters.step_ctoc": "default"})
    assert one.hardware.device_parameters == {"conductance.levels": 16.0}
    ep = {"network.rule": "ep"}
    assert load_experiment(file, silent | ep).training.learning_rate == (9.0,)
    back = load_experiment(file, silent | ep | {"training.learning_rate": "default"})
    assert back.training.learning_rate == (0.02,)  # EP's own


def test_conditions_see_the_default_that_a_key_is_set_back_to(tmp_path: Path) -> None:
    file = written(tmp_path, DEVICE)
    assert load_experiment(file).target.k == 1
    assert load_experiment(file, {"hardware.read_noise": "default"}).target.k == 3


def test_a_key_set_back_is_asked_of_the_device_again(tmp_path: Path) -> None:
    file = written(tmp_path, '[hardware]\ndevice = "ecram"\nweight_range = 9.0\n')
    assert load_experiment(file).hardware.weight_range == 9.0
    back = load_experiment(file, {"hardware.weight_range": "default"}).hardware.weight_range
    assert back == load_experiment(written(tmp_path, '[hardware]\ndevice = "ecram"\n')).hardware.weight_range


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path, "runs = 4\n")
    assert load_experiment(file).runs == 4
    assert load_experiment(written(tmp_path, "runs = 55\n")).runs == 55
    assert load_experiment(file, {"runs": 2}).runs == 2
    assert load_experiment(file).runs == 55

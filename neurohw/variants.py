"""Where the publication's text and its code disagree: the settings of both, for `variant = "code" | "paper"`.

Each row of the comparison is a key of its own; `variant` sets them together. Rows that belong to one published
experiment (learning rates, gamma, beta per number of labels) stand in that experiment's file, as `[[when]]` tables.

The paper's text is taken by the letter. Its sum over outputs (Eq. 3) with its own learning rates (Table 4) makes BP's
steps n_out times those of the code: unsupervised BP then learns nothing. `training.loss_reduction = "mean"` undoes it.
"""

from __future__ import annotations

from typing import Any

_POSITIVE = {"init": "positive", "init_gain": 3.0}  # as images are: all outputs take part in a Hebbian competition
_HEBBIAN: dict[str, dict[str, Any]] = {  # of [target]
    "hebbian-wta": {},
    "softhebb": {"circuit": "softmax", "parameters": {"temperature": 1 / 12}},  # of the code of Moraitis et al. 2022
    "krotov-hopfield": {"circuit": "ranked", "k": 7},  # Krotov & Hopfield 2019, MNIST
}
_LEE: dict[str, Any] = {"alternate_every": 1, "unlabelled_weight": {"final": 3.0}}  # of [training]: nearly one update


def published(given: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults that follow from the rule, the mode and the variant of a (partial) configuration.

    Args:
        given: tables of an experiment file, before validation.
    """
    paper = given.get("variant", "code") == "paper"
    network, training = _table(given, "network"), _table(given, "training")
    ep = network.get("rule", "bp") == "ep"
    mode = training.get("mode", "unsupervised")
    layers, conv = (network.get(key) for key in ("layers", "conv"))
    depth = len(layers) - 1 if isinstance(layers, list | tuple) else 1
    depth += len(conv) if isinstance(conv, list | tuple) else 0
    hardware = _table(given, "hardware")
    backend = hardware.get("backend", "analog" if hardware.get("device") else "ideal")
    ideal = backend == "ideal" and _table(given, "target").get("circuit", "ideal") == "ideal"
    hebbian = _HEBBIAN.get(str(network.get("rule")))
    pseudo = mode == "semi-supervised" and _table(given, "target").get("circuit") == "pseudo-label"
    return {
        "data": {"labelled_set": "balanced" if paper else "stratified"},
        "network": {"neurons": ("hardsigm",) if ep else ("relu",) * (depth - 1) + ("hardsigm",)}
        | ({} if hebbian is None else _POSITIVE),
        "target": {
            "ties": "lowest" if ideal else "random",  # quantised outputs tie often
            "activity_target": "paper" if paper else "code",
            "average_of": "winners" if paper else "target",
            **({} if hebbian is None else {"gamma": 0.0, **hebbian}),
            **({"gamma": 0.0} if pseudo else {}),
        },
        "hardware": {"backend": backend},
        "ep": {"beta_sign": "positive" if paper else "random"},
        "training": {
            "learning_rate": (0.02 if ep else 1.0 if hebbian is None else 0.3,) * depth,  # no 2 / n_outputs but in BP's
            **_training(ep, mode, paper, training.get("epochs"), depth),
            **(_LEE if pseudo else {}),
        },
        "evaluation": {"classifier": _classifier(ep, depth == 1, paper)},
    }


def _training(ep: bool, mode: str, paper: bool, epochs: object, depth: int) -> dict[str, Any]:
    common: dict[str, Any] = {
        "loss_reduction": "sum" if paper else "mean",  # Eq. 3 against torch's MSELoss
        "cross_entropy_on": "logits" if paper else "outputs",
    }
    if mode == "semi-supervised":
        pretrain_decay = 0.97 if paper else 0.96 if ep else 0.98
        return common | {
            "batch_size": 128 if ep and not paper else 256,
            "schedule": {"kind": "linear", "start": 0.001, "end": 0.1 if ep and not paper else 0.18},
            "supervised_schedule": _supervised_schedule(ep, paper, epochs),
            "pretrain": {
                "learning_rate": (0.001,) * (depth - 1) + (0.003,),
                "schedule": {"kind": "exponential", "decay": pretrain_decay},
            },
        }
    if mode == "supervised" and ep:
        return common | {"schedule": {"kind": "constant"}}
    last = 1e-3 if ep and not paper else 5e-4
    return common | {"schedule": {"kind": "linear", "start": 1.0, "end": last}}


def _supervised_schedule(ep: bool, paper: bool, epochs: object) -> dict[str, Any]:
    if paper:
        return {"kind": "linear", "start": 0.7, "end": 0.05}
    if ep:
        return {"kind": "linear", "start": 0.2, "end": 0.03}
    schedule = {"kind": "linear", "start": 0.72, "end": 0.05}
    if isinstance(epochs, int) and epochs > 50:
        schedule["over"] = epochs - 50  # the code's schedule ends 50 rounds before the training does
    return schedule


def _classifier(ep: bool, one_layer: bool, paper: bool) -> dict[str, Any]:
    if ep:
        end_factor = 0.5 if paper else 0.9
        return {"epochs": 100, "batch_size": 512, "learning_rate": 0.0022, "end_factor": end_factor}
    activation = "identity" if one_layer and not paper else "sigmoid"
    return {"epochs": 50, "batch_size": 256, "learning_rate": 0.1, "decay": 0.9, "activation": activation}


def _table(given: dict[str, Any], name: str) -> dict[str, Any]:
    table = given.get(name, {})
    return table if isinstance(table, dict) else {}

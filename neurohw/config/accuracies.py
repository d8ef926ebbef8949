"""What experiments that learn on the chip measure: how many of the evaluated images are classified right."""

from collections.abc import Collection

from neurohw.metrics import Metric

DIRECT = Metric(
    "direct_accuracy",
    "Direct association",
    chance="majority",
    quantity="Accuracy",
    readout="",
    meaning="Training saw no labels. Afterwards each output neuron gets the class that it responds to most on average "
    "over the labelled images; a test image gets the class whose neurons respond most on average.",
)
SINGLE_NEURON = Metric(
    "single_neuron_accuracy",
    "Most active neuron",
    chance="majority",
    quantity="Accuracy",
    secondary=True,
    meaning="The same association, but a test image gets the class of the single most active neuron.",
)
LINEAR = Metric(
    "linear_accuracy",
    "Linear classifier on the frozen outputs",
    chance="majority",
    quantity="Accuracy",
    readout="linear classifier",
    meaning="Training saw no labels. Afterwards a linear classifier is trained with labels on the outputs of the "
    "frozen network; the classifier itself is digital and at full precision.",
)
TEST = Metric(
    "test_accuracy",
    "Test accuracy",
    chance="majority",
    quantity="Accuracy",
    readout="",
    meaning="The network was trained with labels (all of them, or some if semi-supervised); the most active output "
    "decides the class of a test image.",
)
ACCURACIES = (DIRECT, SINGLE_NEURON, LINEAR, TEST)


def accuracies_of(mode: str, association: Collection[str]) -> tuple[Metric, ...]:
    """Return what an experiment measures, by its `training.mode` and `evaluation.association`."""
    if mode != "unsupervised":
        return (TEST,)
    return (DIRECT, SINGLE_NEURON) * ("direct" in association) + (LINEAR,) * ("linear" in association)

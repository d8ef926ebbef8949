"""What the numbers mean, in plain sentences."""

from __future__ import annotations

DEFINITIONS = (  # term, meaning, and the metric that must be present ("": always)
    (
        "Direct association",
        "Training saw no labels. Afterwards each output neuron gets the class that it responds to most on average over "
        "the labelled images; a test image gets the class whose neurons respond most on average.",
        "direct_accuracy",
    ),
    (
        "Most active neuron",
        "The same association, but a test image gets the class of the single most active neuron.",
        "single_neuron_accuracy",
    ),
    (
        "Linear classifier on the frozen outputs",
        "Training saw no labels. Afterwards a linear classifier is trained with labels on the outputs of the frozen "
        "network; the classifier itself is digital and at full precision.",
        "linear_accuracy",
    ),
    (
        "Test accuracy",
        "The network was trained with labels (all of them, or some if semi-supervised); the most active output decides "
        "the class of a test image.",
        "test_accuracy",
    ),
    (
        "Accuracy",
        "Fraction of the evaluated images that are classified right, after the last epoch done: mean ± sample standard "
        "deviation (n − 1) over the seeds. A seed sets initial weights, devices, noise and the order of the images.",
        "",
    ),
    (
        "Gap to ideal",
        "Mean of the point minus mean of the ideal point with the same rule, mode, layers and data (the closest one in "
        "everything else), in percentage points ± combined standard error √(s₁²/n₁ + s₂²/n₂). † marks a gap between "
        "runs of unlike length. – means that there is no such ideal point, or no single closest one.",
        "",
    ),
    (
        "Ideal",
        "Full-precision arrays: no conductance limits, no noise, no pulses. “ideal → X” was trained so and "
        "then programmed into the devices X; its accuracy is the one before programming.",
        "",
    ),
    (
        "Epochs, images, status",
        "Epochs done of epochs scheduled (rounds, if semi-supervised) and images presented in training, per run. "
        "“Stopped” means that the run ended before its schedule did.",
        "",
    ),
    (
        "Hash",
        "Names the complete configuration, with the content of the device files and the checksums of the data; runs of "
        "one hash differ by their seed only.",
        "",
    ),
)

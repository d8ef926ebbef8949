"""What the numbers mean, in plain sentences."""

from __future__ import annotations

from neurohw.config import HardwareSection
from neurohw.config.section import Axis

_OFF_AT_ZERO = ("target.parameters.", "hardware.")  # where a key says nothing of itself
_CIRCUIT = {
    "target.parameters.inputs.offset": Axis("Offset of the inputs (σ)", "A", "larger", off=0),
    "target.parameters.inputs.gain_mismatch": Axis("Gain mismatch of the inputs (σ)", "1", "larger", off=0),
    "target.parameters.decision.comparator_noise": Axis("Noise of the comparison (σ)", "A", "larger", off=0),
    "target.parameters.decision.seconds": Axis("Time given to a decision", "s", "smaller", off=0),
    "target.parameters.decision.separation": Axis("Separation that a decision needs", "V", "larger", off=0),
    "target.parameters.decision.winner_error": Axis("Winners too many or, negative, too few", "1", "larger", off=0),
    "target.parameters.homeostasis.leak_seconds": Axis("Leak of the thresholds, time constant", "s", "smaller", off=0),
    "target.parameters.homeostasis.bits": Axis("Bits of the thresholds", "1", "smaller", off=0),
    "target.parameters.homeostasis.range": Axis("Range of the thresholds", "V", "smaller", off=0),
    "target.parameters.homeostasis.step_mismatch": Axis("Mismatch of the thresholds' steps (σ)", "1", "larger", off=0),
}
_DEVICE = {
    "hardware.device_parameters.conductance.levels": Axis("Levels of a device", "1", "smaller", off=0),
    "hardware.device_parameters.step_ctoc": Axis("Cycle-to-cycle noise of a pulse (σ, in steps)", off=0),
    "hardware.device_parameters.step_dtod": Axis("Device-to-device spread of the steps (σ, relative)", off=0),
}
AXES = (_CIRCUIT | _DEVICE) | {
    f"hardware.{key}": axis
    for key, field in HardwareSection.model_fields.items()
    for axis in field.metadata
    if isinstance(axis, Axis)
}


def axis_of(key: str) -> Axis:
    """Return a parameter in words; one that has none is called by its key."""
    return AXES.get(key) or Axis(key, off=0 if key.startswith(_OFF_AT_ZERO) else None)


DRAWN = (
    "Markers: mean over seeds; bars: sample standard deviation; horizontal lines and bands: the baselines, mean ± "
    "sample standard deviation; diamonds: where one percentage point is lost."
)

LOST = (
    "Where the mean accuracy has fallen one percentage point below the mean of the baseline (the same run with the "
    "parameter off; “at …” where no such run exists: its mildest value tried), interpolated between the two values "
    "tried on either side, as drawn. ± standard error: where the loss plus and minus its combined standard error "
    "√(s₁²/n₁ + s₂²/n₂) reaches one point. < and >: beyond what was tried. Of whole numbers (levels, bits, "
    "winners) the next milder one keeps the point: 4 levels, of 3.99. Training without labels is read out by "
    "direct association, training with labels by its own outputs."
)

IN_PERCENT = "Accuracy in %, mean ± sample standard deviation."
PROGRAMMED = f"{IN_PERCENT} Trained at full precision, programmed once into the devices, and read at this age."
LEARNT = (
    f"{IN_PERCENT} What another run has learnt at full precision (network.weights), programmed once into these "
    "devices; as trained: read as soon as it was programmed; then at this age."
)
TRAINED = f"{IN_PERCENT} Trained on the devices themselves, left alone until this age, and read."
AGED = (
    "Each age starts from the same trained chip. Compensated: outputs are rescaled digitally, all by one factor (per "
    "column: each by its own), the mean |weight| before that time over the one after it, from reads of every line. "
    "Re-trained: the aged chip learns again from images without labels, by its own pulses, and is read again. Outputs "
    "of networks that were trained without labels are associated with classes anew at each age. One point lost: where "
    "the mean has fallen one percentage point below that at the end of training, interpolated between logarithms of "
    "ages; ± standard error: where the mean loss plus and minus its standard error has, of losses seed by seed, as it "
    "is the same chips that age; < and >: beyond the ages."
)
RECOVERED = (
    "By the same account as training, and in none of its figures: re-training (reads, circuits and pulses), and the "
    "two readouts of all cells that compensation takes. Gained: by re-training at this age, mean ± sample standard "
    "deviation of the seeds' differences."
)

DEFINITIONS = (  # term, meaning, and what it needs; beside those of the metrics
    (
        "Accuracy",
        "Fraction of the evaluated images that are classified right, after the last epoch done: mean ± sample standard "
        "deviation (n − 1) over the seeds. A seed sets initial weights, devices, noise and the order of the images.",
        "accuracy",
    ),
    (
        "At chance, near chance",
        "Less than a tenth of the way from the accuracy of always answering the most frequent class to 100 %. Such a "
        "network has nothing to lose, and is on no list of the cheapest.",
        "",
    ),
    (
        "Gap to ideal",
        "Mean of the point minus mean of the ideal point with the same rule, mode, layers and data (the closest one in "
        "everything else), in percentage points ± combined standard error √(s₁²/n₁ + s₂²/n₂). † marks a gap between "
        "runs of unlike length. – means that there is no such ideal point, or no single closest one.",
        "hardware",
    ),
    (
        "Ideal",
        "Full-precision arrays: no conductance limits, no noise, no pulses; and a target circuit without errors. "
        "“ideal → X” was trained so and then programmed into the devices X; its accuracy is the one before "
        "programming; of chips that were given what another run has learnt (network.weights), the one after.",
        "hardware",
    ),
    (
        "Point",
        "Runs of one configuration, named by what sets it apart from the other points here. Where that would be more "
        "than three settings, those that most points of a learning rule have are left out of names; data.csv has them "
        "all.",
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

"""Learning from clusters (Lu & Sengupta 2024): the experiment of kind "deep-stdp", and what it measures."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from neurohw.config.clustering import ClusteringSection, ConvNetSection, ProbeSection, PseudoTrainingSection
from neurohw.config.crossbar import CrossbarExperiment, spiking_complaints
from neurohw.config.data import ImagesSection
from neurohw.config.energy import EnergySection
from neurohw.config.hardware import HardwareSection
from neurohw.config.preprocessing import PreprocessingSection
from neurohw.config.readers import DEEP_STDP as READERS
from neurohw.config.unread import Read
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.metrics import Metric

PROBE = Metric(
    "probe_accuracy",
    "Linear probe on the features",
    chance="majority",
    quantity="Accuracy",
    readout="linear probe",
    meaning="Training saw no labels. Afterwards the network is frozen and a linear classifier is trained with labels "
    "on its features; the share of test images that it gets right.",
)
CONSECUTIVE = Metric(
    "nmi_consecutive",
    "NMI between consecutive assignments",
    unit="",
    quantity="NMI",
    meaning="Normalised mutual information (geometric) of an epoch's pseudo-labels and those of the epoch before: 1 if "
    "clusters no longer change.",
)
TRUTH = Metric(
    "nmi_truth",
    "NMI with the classes",
    unit="",
    quantity="NMI",
    meaning="Normalised mutual information (geometric) of the pseudo-labels and the true classes of the training "
    "images; with more clusters than classes, all equally large, it is at most sqrt(ln classes / ln clusters).",
)
ENTROPY = Metric(
    "cluster_entropy",
    "Entropy of the cluster sizes",
    unit="",
    secondary=True,
    meaning="Shannon's, over that of equally large clusters: 1 if all clusters have as many members, 0 if one has all.",
)
FISHER = Metric(
    "fisher_trace",
    "Fisher information, trace",
    unit="",
    quantity="Tr F",
    secondary=True,
    meaning="Mean over training images of the squared norm of the gradient of the log-likelihood of their "
    "pseudo-labels (Eqs. 9 to 11).",
)
FISHER_BATCH = Metric(
    "fisher_trace_batch",
    "Fisher information of batch means, trace",
    unit="",
    quantity="Tr F",
    secondary=True,
    meaning="The squared norm of the mean gradient of 128 images, as the code that the paper cites computes it: "
    "smaller the larger the batch.",
)
ENERGY = Metric(
    "clustering_joules",
    "Energy of clustering, digital, counted",
    unit="J",
    quantity="Energy",
    better="lower",
    secondary=True,
    meaning="Of all clusterings so far, computed digitally: additions (0.9 pJ) and multiplications (3.7 pJ) that took "
    "place. Also where synapses are devices of a crossbar, whose own energy is in the record's account.",
)
FORMULA = Metric(
    "clustering_joules_formula",
    "Energy of clustering, digital, paper's formula",
    unit="J",
    quantity="Energy",
    better="lower",
    secondary=True,
    meaning="Of all clusterings so far, computed digitally, by Eqs. 16 to 18, with the spike probabilities that were "
    "counted.",
)
SPIKING = Metric(
    "spiking_accuracy",
    "Probe on the network converted to a spiking one",
    chance="majority",
    quantity="Accuracy",
    readout="linear probe, spiking",
    secondary=True,
    meaning="The network and its probe converted to integrate-and-fire neurons by balancing their thresholds, after "
    "evaluation.spiking_steps time steps.",
)
DEEP_STDP = (PROBE, TRUTH, CONSECUTIVE, ENTROPY, FISHER, FISHER_BATCH, ENERGY, FORMULA, SPIKING)

_VGG: dict[str, Any] = {"features": 4096, "dropout": 0.1}


class DeepSTDPExperiment(CrossbarExperiment):
    """An experiment of kind "deep-stdp": a network learns from clusters of its own features."""

    readers: ClassVar[tuple[Read, ...]] = READERS

    kind: Literal["deep-stdp"] = "deep-stdp"
    data: ImagesSection = ImagesSection()
    preprocessing: PreprocessingSection = PreprocessingSection()
    network: ConvNetSection = ConvNetSection()
    clustering: ClusteringSection = ClusteringSection()
    stdp: STDPParameters = STDPParameters()
    training: PseudoTrainingSection = PseudoTrainingSection()
    evaluation: ProbeSection = ProbeSection()
    # younger than the first records: who does without them keeps the hash
    hardware: Annotated[HardwareSection, Field(exclude_if=lambda it: it == HardwareSection())] = HardwareSection()
    energy: Annotated[EnergySection, Field(exclude_if=lambda it: it == EnergySection())] = EnergySection()

    @classmethod
    def implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what follows from the architecture, and from a device that is named."""
        network = given.get("network")
        vgg = isinstance(network, dict) and network.get("architecture") == "vgg-15"
        return ({"network": _VGG} if vgg else {}) | super().implied(given)

    def complaints(self) -> list[str]:
        """Return what does not fit together, or would not be read."""
        return _complaints(self)


def _complaints(e: DeepSTDPExperiment) -> list[str]:
    """Return what is given and would not be read, or does not fit, each as `key: got value; allowed: ...`."""
    wrong = []
    usual = DeepSTDPExperiment.model_fields
    if e.network.architecture != "small":
        for key in ("channels", "stride"):
            if (given := getattr(e.network, key)) != usual["network"].default.model_dump()[key]:
                wrong.append(f"network.{key}: got {given}, which network.architecture {e.network.architecture!r} "
                             "does not read")  # fmt: skip
    if e.preprocessing.augmentation == "none":
        plain = PreprocessingSection()
        wrong += [f"preprocessing.{key}: got {given!r}, which preprocessing.augmentation 'none' does not read"
                  for key in ("crop_area", "crop_aspect", "flip")
                  if (given := getattr(e.preprocessing, key)) != getattr(plain, key)]  # fmt: skip
    method = e.clustering.method
    if method != "stdp" and e.stdp != STDPParameters():
        wrong.append(f"stdp: got settings, which clustering.method {method!r} does not read")
    if method != "k-means" and e.clustering.iterations != ClusteringSection().iterations:
        wrong.append(f"clustering.iterations: got {e.clustering.iterations}, which clustering.method {method!r} does "
                     "not read")  # fmt: skip
    if e.on_crossbar and method != "stdp":
        wrong.append(f"hardware.backend: got {e.hardware.backend!r}, which clustering.method {method!r} does not read")
    return wrong + spiking_complaints(e, "clustering.neurons", e.clustering.neurons)

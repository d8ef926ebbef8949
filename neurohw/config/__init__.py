"""The experiment: a frozen, validated configuration, a file per section."""

from neurohw.config.data import DataSection, ImagesSection
from neurohw.config.deep_stdp import DeepSTDPExperiment
from neurohw.config.energy import EnergySection
from neurohw.config.evaluation import ClassifierSection, EvaluationSection
from neurohw.config.experiment import Experiment, config_hash, merged
from neurohw.config.hardware import HardwareSection
from neurohw.config.network import EPSection, NetworkSection
from neurohw.config.onchip import OnChipExperiment
from neurohw.config.section import Section
from neurohw.config.stdp import STDPExperiment
from neurohw.config.target import TargetSection
from neurohw.config.training import PretrainSection, ScheduleSection, TrainingSection, UnlabelledWeightSection

__all__ = [
    "ClassifierSection",
    "DataSection",
    "DeepSTDPExperiment",
    "EPSection",
    "EnergySection",
    "EvaluationSection",
    "Experiment",
    "HardwareSection",
    "ImagesSection",
    "NetworkSection",
    "OnChipExperiment",
    "PretrainSection",
    "STDPExperiment",
    "ScheduleSection",
    "Section",
    "TargetSection",
    "TrainingSection",
    "UnlabelledWeightSection",
    "config_hash",
    "merged",
]

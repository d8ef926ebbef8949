"""The experiment: a frozen, validated configuration, a file per section."""

from neurohw.config.base import BaseExperiment, config_hash, merged
from neurohw.config.data import DataSection
from neurohw.config.energy import EnergySection
from neurohw.config.evaluation import ClassifierSection, EvaluationSection
from neurohw.config.experiment import Experiment
from neurohw.config.hardware import HardwareSection
from neurohw.config.network import EPSection, NetworkSection
from neurohw.config.section import Section
from neurohw.config.target import TargetSection
from neurohw.config.training import PretrainSection, ScheduleSection, TrainingSection

__all__ = [
    "BaseExperiment",
    "ClassifierSection",
    "DataSection",
    "EPSection",
    "EnergySection",
    "EvaluationSection",
    "Experiment",
    "HardwareSection",
    "NetworkSection",
    "PretrainSection",
    "ScheduleSection",
    "Section",
    "TargetSection",
    "TrainingSection",
    "config_hash",
    "merged",
]

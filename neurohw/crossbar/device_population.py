"""The devices of a crossbar as a population, in weight units."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurohw.devices.faults import FaultRates
from neurohw.devices.model import DeviceModel
from neurohw.devices.response import PulseResponse
from neurohw.devices.retention import Retention


@dataclass(frozen=True)
class DevicePopulation:
    """What a crossbar is made of, in weight units.

    Args:
        response: the pulse-response law.
        retention, faults: how cells age and fail.
        levels: a cell holds one of so many evenly spaced conductances from bound to bound; None: any.
        zero: the weight at which the conductance is zero.
        siemens: conductance per unit of weight.
        read_noise: standard deviation of a cell's own noise per read.
        read_noise_scale: that noise is read_noise (1 - exp(-g / scale)) at a conductance g, in weight units; 0: at
            every conductance the same.
        sided: 2 where one device moves both ways, 1 where it only potentiates.
        signed: weights are signed by themselves; otherwise they are conductances, of which something is subtracted.
    """

    response: PulseResponse
    retention: Retention = field(default_factory=Retention)
    faults: FaultRates = field(default_factory=FaultRates)
    levels: int | None = None
    zero: float = 0.0
    siemens: float = 1.0
    read_noise: float = 0.0
    read_noise_scale: float = 0.0
    sided: int = 2
    signed: bool = True

    @classmethod
    def of(cls, device: DeviceModel) -> DevicePopulation:
        """Return the population that a device file describes."""
        law, siemens = device.response(), device.siemens
        return cls(
            law,
            device.retention_parameters(),
            device.fault_rates(),
            device.levels,
            zero=law.w_min - device.g_min / siemens,
            siemens=siemens,
            read_noise=device.read_noise,
            read_noise_scale=device.read_noise_scale / siemens,
            sided=device.sided,
            signed=device.signed,
        )

    @property
    def constant_noise(self) -> float:
        """Standard deviation of a cell's noise per read, as far as it is the same at every conductance."""
        return 0.0 if self.read_noise_scale else self.read_noise

    @property
    def origin(self) -> float:
        """The weight that drift leads to, and at which relative noise vanishes: 0, or that of no conductance."""
        return 0.0 if self.signed else self.zero

"""From pulse trains to a device in one call: the fit, the device, the verdict on it, and the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurohw.devices.model import DeviceModel
from neurohw.fitting.conditions import Conditions
from neurohw.fitting.device_file import fitted_device, with_verdict
from neurohw.fitting.estimates import Estimate
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.overlay import Overlay, overlay
from neurohw.fitting.trains import Fit, Progress, fit
from neurohw.fitting.verdict import Verdict, judged

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class FittedDevice:
    """A device that was fitted, and whether it behaves like the measurement.

    Args:
        device: the model.
        verdict: whether it describes the trains.
        fit: everything that the fit knows; compared: measured and simulated trains.
    """

    device: DeviceModel
    verdict: Verdict
    fit: Fit
    compared: Overlay

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The parameters with their intervals."""
        return self.fit.estimates

    def __repr__(self) -> str:
        """Return the device's name, its law and the verdict."""
        return f"<fitted device {self.device.name}: {self.fit.law}; {self.verdict}>"

    def figures(self) -> dict[str, Figure]:
        """Return the figures by name: the overlay of the trains, pairs of parameters, residuals."""
        from neurohw.fitting.overlay_figure import overlay_figure
        from neurohw.fitting.pairs_figure import pairs_figure
        from neurohw.fitting.residuals import residual_data
        from neurohw.fitting.residuals_figure import residuals_figure

        title = f"{self.device.name}: {self.fit.law}, fit of {self.fit.trains.source}"
        return {
            "trains": overlay_figure(self.compared, self.verdict, title),
            "pairs": pairs_figure(self.fit, title),
            "residuals": residuals_figure(residual_data(self.fit), title),
        }


def fit_device(
    trains: PulseTrains,
    law: str | None = None,
    name: str = "fitted",
    conditions: Conditions | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FittedDevice:
    """Return the device that pulse trains come from, with the verdict on it.

    Args:
        trains: as `import_pulses` reads them; of one polarity only, they make a device that only potentiates.
        law: a pulse-response law; chosen by BIC unless given.
        name: of the device.
        conditions: how its cells were written and read, for accounts.
        seed: of intervals, and of the simulated devices.
        progress: is told what is done, and which share of all.

    Raises:
        InputError: there is no such law, no fit of it, or a condition that is no number with a unit.
    """
    conditions = conditions or Conditions()
    conditions.tables()
    fitted = fit(trains, law, seed, progress)
    device = fitted_device(fitted, None, name, conditions)
    compared = overlay(fitted, device, seed)
    verdict = judged(fitted, device, compared)
    return FittedDevice(with_verdict(device, verdict), verdict, fitted, compared)

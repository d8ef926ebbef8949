"""The same engine on a GPU: skipped, visibly, where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.cells import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.remedies import ANALOG_REMEDIES
from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import LAWS, SoftBounds
from neurohw.devices.retention import Retention
from neurohw.loading import load_experiment
from neurohw.runs.run import run
from neurohw.testing import MakeArray, SynapseArrayConformance
from tests.test_aihwkit_array import product

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
EVERYTHING: dict[str, Any] = {
    "retention": Retention(drift_nu=0.05, drift_nu_dtod=0.01, lifetime=1e4, diffusion=1e-4, read_noise_1f=0.01),
    "faults": FaultRates(stuck_low=0.02, stuck_high=0.02, dead_rows=0.02, endurance=1e4, endurance_dtod=0.5),
    "levels": 64,
    "zero": -0.7,
}


def array(remedy: str = "none", law: str = "soft-bounds", seed: int = 0, **population: Any) -> AnalogArray:
    generator = torch.Generator("cuda").manual_seed(seed)
    weights = torch.linspace(-0.2, 0.2, 24 * 20, device="cuda").view(24, 20)
    device = DevicePopulation(LAWS[law](), **population)
    return AnalogArray(weights, device, remedy, ReadPath(relative_noise=0.02), generator=generator)


class TestSoftBoundsOnTheGPU(SynapseArrayConformance):
    """Arrays are made from and compared with tensors on the CPU: moved at the border."""

    shape = (24, 20)
    read_sigma = 0.07
    update_gain = (0.8, 1.2)
    program_tolerance = 0.1

    @pytest.fixture
    def make_array(self) -> MakeArray:
        class Moved(AnalogArray):
            """An array on the GPU that takes and gives tensors of the CPU."""

            def read(self, pre: torch.Tensor, times: int = 1) -> torch.Tensor:
                return super().read(pre.cuda(), times).cpu()

            def read_transposed(self, post: torch.Tensor, times: int = 1) -> torch.Tensor:
                return super().read_transposed(post.cuda(), times).cpu()

            def snapshot(self) -> torch.Tensor:
                return super().snapshot().cpu()

            def update(self, products: Any, rate: float) -> Any:
                terms = tuple(type(t)(t.post.cuda(), t.pre.cuda(), t.sign) for t in products.terms)
                return super().update(type(products)(terms, products.scale), rate)

        device = DevicePopulation(SoftBounds())
        return lambda weights: Moved(weights.cuda(), device, generator=torch.Generator("cuda").manual_seed(0))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("remedy", ANALOG_REMEDIES)
def test_every_law_and_remedy_replays(law: str, remedy: str) -> None:
    ends = []
    for _ in range(2):
        made = array(remedy, law, **EVERYTHING)
        for i in range(5):
            products = product(24, 20, seed=i)
            terms = tuple(type(t)(t.post.cuda(), t.pre.cuda(), t.sign) for t in products.terms)
            made.update(type(products)(terms, 0.01), 1.0)
            made.elapse(3.0)
        ends.append((made.snapshot(), made.read(torch.ones(2, 20, device="cuda"))))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert ends[0][0].isfinite().all()


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_a_run_on_the_gpu_learns_and_replays(rule: str, tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {"network.rule": rule, "hardware.device": "ecram"})
    first, second = (run(experiment, 0, tmp_path / name, device="cuda") for name in ("one", "two"))
    assert first.metrics == second.metrics
    assert first.metrics["direct_accuracy"] > 0.5

"""The promise of the analog engine: equal in distribution to aihwkit's own tile, law by law and effect by effect.

Our side is seeded, aihwkit's noise is not: every tolerance leaves a chance of less than 1e-5 for a false alarm.
aihwkit draws its Gaussians from a table of some 40,000 numbers per tile, whose mean is not zero: all steps of one tile
are off by about step_ctoc / 200 of themselves (2.4 % where step_ctoc is 5, measured). So its crossbars are stacked from
many tiles here.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2, ks_2samp, ttest_1samp, ttest_ind
from torch import Tensor

from neurohw.bench.transfers import regression
from neurohw.crossbar.aihwkit.array import AihwkitArray
from neurohw.crossbar.aihwkit.rpu_config import build_rpu_config
from neurohw.crossbar.aihwkit.tile_state import hidden_parameters, new_tile, set_hidden_parameters
from neurohw.crossbar.aihwkit.translation import COUNTERPARTS
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import PLAIN
from neurohw.devices.laws import LAWS, ConstantStep, PiecewiseStep, PowerStep, PulseResponse, SoftBounds
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from tests.aihwkit_presets import from_aihwkit

LEAST_P = 1e-5
HIDDEN = {  # ours: aihwkit's
    "up": "dwmin_up", "down": "dwmin_down", "w_max": "max_bound", "w_min": "min_bound", "slope_up": "slope_up",
    "slope_down": "slope_down", "reference": "reference", "gamma_up": "gamma_up", "gamma_down": "gamma_down",
}  # fmt: skip
CERTAIN: dict[str, Any] = {
    "step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
}  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model_of(law: PulseResponse, **retention: tuple[float, str]) -> DeviceModel:
    """Return a device with this law, whose weights are signed by themselves."""

    def quantity(value: Any, unit: str = "1") -> dict[str, Any]:
        return {"value": list(value) if isinstance(value, tuple) else value, "unit": unit, "source": "test"}

    pulse = {f.name: quantity(getattr(law, f.name)) for f in dataclasses.fields(law)}
    texts = dict.fromkeys(("name", "description", "technology", "cell", "reference"), "test")
    return DeviceModel.model_validate({
        **texts,
        "conductance": {"g_min": quantity(0, "S"), "g_max": quantity(1, "S")},
        "pulse": {"law": law.name, "sided": 2, "signed": True, **pulse},
        "retention": {name: quantity(value, unit) for name, (value, unit) in retention.items()},
    })  # fmt: skip


# staircases

MEASURED = PiecewiseStep(  # a table with a step for each tenth of the range, falling as measured ReRAM steps do
    step=0.004,
    table_up=(2.31, 1.76, 1.42, 1.19, 1.02, 0.88, 0.74, 0.61, 0.47, 0.31, 0.12),
    table_down=(0.09, 0.33, 0.52, 0.68, 0.83, 0.97, 1.14, 1.36, 1.68, 2.20, 3.05),
)


@dataclass(frozen=True)
class Staircase:
    """A device, the tiles of 2 x 50 cells on each side, and the passes through its range in each direction."""

    model: DeviceModel
    tiles: int = 20
    passes: float = 1.5


LAW_STAIRS = {name: Staircase(model_of(LAWS[name](step=0.004))) for name in COUNTERPARTS if name != "piecewise"}
PRESET_STAIRS = {  # noisy devices need more cells for a mean within 1 %, and there 1 % is 4.5 standard errors or more
    "reram_es": Staircase(from_aihwkit("reram_es"), 100, 0.6),
    "reram_sb": Staircase(from_aihwkit("reram_sb"), 100, 0.6),
    "ecram": Staircase(from_aihwkit("ecram"), 20, 0.6),
    "capacitor": Staircase(from_aihwkit("capacitor"), 20, 1.0),
    "reram_array_om": Staircase(from_aihwkit("reram_array_om"), 400, 1.5),
}
ADDITIVE_STAIRS = {  # noise that is the same at every weight; step_dtod 0.3 is theirs, too
    f"{name}, additive": Staircase(model_of(LAWS[name](step=0.004, step_ctoc=1.0, additive_noise=True)))
    for name in ("linear", "soft-bounds", "soft-bounds-reference")
}
STAIRS = {**LAW_STAIRS, "piecewise": Staircase(model_of(MEASURED)), **PRESET_STAIRS, **ADDITIVE_STAIRS}
POINTS = 20


def climb(array: AnalogArray | AihwkitArray, stairs: Staircase) -> Tensor:
    """Return the weights at ten points on the way up and ten on the way down, [20, n_post, n_pre]."""
    law = stairs.model.response()
    pulses = max(1.0, stairs.passes * (law.w_max - law.w_min) / law.granularity / (POINTS / 2))
    samples = math.ceil(pulses / 29)
    found = []
    for point in range(POINTS):
        sign = 1 if point < POINTS / 2 else -1
        term = Product(torch.ones(samples, array.shape[0]), torch.ones(samples, array.shape[1]), sign)
        array.update(OuterProducts((term,), 1.0), pulses / samples * law.granularity)
        found.append(array.snapshot())
    return torch.stack(found)


def their_climb(stairs: Staircase, cells: dict[str, Tensor] | None, tiles: int) -> Tensor:
    """Return the staircase of a stack of aihwkit's tiles, with our cells or with its own."""
    parts = []
    for tile in range(tiles):
        seed = random.randrange(1, 2**30)
        array = AihwkitArray(torch.zeros(2, 50), stairs.model, construction_seed=seed)
        if cells is not None:
            own = {HIDDEN[name]: values[2 * tile : 2 * tile + 2].clone() for name, values in cells.items()}
            set_hidden_parameters(array._tile, {**hidden_parameters(array._tile), **own})
            array._tile.set_weights(torch.zeros(2, 50))
        parts.append(climb(array, stairs))
    return torch.cat(parts, 1)


@pytest.mark.parametrize("name", STAIRS)
def test_staircases_have_aihwkits_mean_spread_and_distribution(name: str) -> None:
    """Of our cells in aihwkit: mean within 1 % of the range, spread within 3 %. Of 2,000 cells of its own: KS."""
    stairs = STAIRS[name]
    law = stairs.model.response()
    array = AnalogArray(torch.zeros(2 * stairs.tiles, 50), stairs.model, generator=seeded(1))
    cells = {key: array.cells.banks["cell"].parameters[key].clone() for key in law.keeps}
    ours = climb(array, stairs)
    theirs = their_climb(stairs, cells, stairs.tiles)
    others = their_climb(stairs, None, 20)
    span = law.w_max - law.w_min
    mean = (ours.mean((1, 2)) - theirs.mean((1, 2))).abs().max().item() / span
    spread = (ours.std((1, 2)) - theirs.std((1, 2))).abs().max().item() / span
    p = min(ks_2samp(a.flatten().numpy(), b.flatten().numpy(), method="asymp").pvalue
            for a, b in zip(ours, others, strict=True))  # fmt: skip
    print(f"{name}: mean {mean:.4f}, spread {spread:.4f} of the range, least p {p:.1e}")
    assert mean < 0.01
    assert spread < 0.03
    assert p > LEAST_P / POINTS


# pulse trains

VALUES = torch.tensor([1.0, 0.8, 0.5, 0.2, 0.05])  # of the lines; those of one value make independent cells
LINES = VALUES.repeat(60)
KINDS = {
    "managed": PulseScheme(),
    "fixed length": PulseScheme(update_bl_management=False),
    "unmanaged": PulseScheme(8, update_management=False, update_bl_management=False),
    "managed length only": PulseScheme(update_management=False),
}
RATES = {"less than a pulse": 0.4, "some pulses": 5.3, "more than a train": 50.0}  # largest product over the step


def counted(array: AnalogArray | AihwkitArray, pre: Tensor, post: Tensor, rate: float, updates: int) -> Tensor:
    """Return how many steps the cells on the diagonal took in each update, [updates, lines]."""
    found = []
    for _ in range(updates):
        before = array.snapshot().diagonal()
        array.update(OuterProducts((Product(post[None], pre[None]),), 1.0), rate)
        found.append(((array.snapshot().diagonal() - before) / 0.001).round())
    return torch.stack(found)


def two_sample_p(a: Tensor, b: Tensor) -> float:
    """Return the p-value of the chi-square test that two samples of whole numbers have the same distribution."""
    least, most = int(min(a.min(), b.min())), int(max(a.max(), b.max()))
    counts = np.stack([np.bincount((t - least).long().flatten().numpy(), minlength=most - least + 1) for t in (a, b)])
    pooled = merged(counts)
    if pooled.shape[1] < 2:
        return 1.0
    expected = pooled.sum(0) * pooled.sum(1, keepdims=True) / pooled.sum()
    return float(chi2.sf(((pooled - expected) ** 2 / expected).sum(), pooled.shape[1] - 1))


def merged(counts: np.ndarray) -> np.ndarray:
    """Return counts [2, classes] with neighbouring classes merged until each has 30 in total."""
    columns: list[np.ndarray] = []
    rest = np.zeros(2)
    for column in counts.T:
        rest = rest + column
        if rest.sum() >= 30:
            columns.append(rest)
            rest = np.zeros(2)
    if columns:
        columns[-1] = columns[-1] + rest
    return np.stack(columns or [rest], 1)


def one_sample_p(counts: Tensor, length: int, chance: float) -> float:
    """Return the p-value of the chi-square test against a binomial distribution."""
    expected = binom.pmf(np.arange(length + 1), length, chance) * counts.numel()
    found = np.bincount(counts.long().flatten().numpy(), minlength=length + 1)[: length + 1]
    pairs = merged(np.stack([found, expected]))
    if pairs.shape[1] < 2:
        return 1.0
    return float(chi2.sf(((pairs[0] - pairs[1]) ** 2 / pairs[1]).sum(), pairs.shape[1] - 1))


def chances(scheme: PulseScheme, largest: float) -> tuple[int, Tensor]:
    """Return the train's length and each line's probability squared, p_x p_d of the diagonal, in closed form.

    The largest |x| is 1, the largest |d| is 0.5: without management p_d = |d| sqrt(rate / (BL dw)). With it, the
    inputs keep their proportions where a train is full, and only the other side is clipped.
    """
    length = min(math.ceil(largest), scheme.length) if scheme.update_bl_management else scheme.length
    if scheme.update_management or scheme.update_bl_management:
        of_x = min(1.0, math.sqrt(largest / length))
        x_chance, d_chance = VALUES * of_x, VALUES * (largest / length / of_x)
    else:
        per_unit = math.sqrt(2 * largest / length)
        x_chance, d_chance = VALUES * per_unit, 0.5 * VALUES * per_unit
    return length, x_chance.clamp(max=1) * d_chance.clamp(max=1)


@pytest.mark.parametrize("largest", RATES.values(), ids=RATES)
@pytest.mark.parametrize("scheme", KINDS.values(), ids=KINDS)
def test_pulses_per_cell_are_binomial_as_in_aihwkit(scheme: PulseScheme, largest: float) -> None:
    law = ConstantStep(step=0.001, w_max=100.0, w_min=-100.0, **CERTAIN)
    n, updates = len(LINES), 8
    pre, post = LINES, 0.5 * LINES
    rate = largest * 0.001 / 0.5
    sides = (
        AnalogArray(torch.zeros(n, n), model_of(law), pulses=scheme, generator=seeded(2)),
        AihwkitArray(torch.zeros(n, n), model_of(law), pulses=scheme),
    )
    ours, theirs = (counted(array, pre, post, rate, updates) for array in sides)
    length, chance = chances(scheme, largest)
    for kind, p_both in enumerate(chance.tolist()):
        a, b = ours[:, kind::5], theirs[:, kind::5]
        assert two_sample_p(a, b) > LEAST_P / 5
        assert one_sample_p(a, length, p_both) > LEAST_P / 5
        sigma = math.sqrt(length * p_both * (1 - p_both))
        assert abs(a.mean().item() - length * p_both) <= 5 * sigma / math.sqrt(a.numel()) + 1e-6
        if sigma > 0.3:  # below, the variance has a heavy-tailed error
            assert a.std().item() == pytest.approx(sigma, rel=0.2)


# batches that raise and lower the same cells


def uneven(law: type[PulseResponse], **parts: Any) -> DeviceModel:
    """Return a device whose range and steps differ between up and down."""
    return model_of(law(step=0.004, w_max=0.8, w_min=-0.3, asymmetry=0.3, **parts))


MIXED = {  # the device, and how many pulses a sample's largest product is worth: 4 to 90 a cell in a batch of 128
    "reram_array_om": (from_aihwkit("reram_array_om"), 0.3),
    "reram_es": (from_aihwkit("reram_es"), 10.0),
    "ecram": (from_aihwkit("ecram"), 10.0),
    "uneven soft bounds, write noise": (uneven(SoftBounds, write_noise=5.0), 3.0),
    "uneven exponents": (uneven(PowerStep, gamma=2.0, gamma_asymmetry=0.3), 10.0),
}
SAMPLES = 384


def after_batches(name: str, batch: int, crossbars: int, lines: int, two_phase: bool) -> tuple[Tensor, Tensor]:
    """Return our weights and aihwkit's after 384 samples, [crossbars, lines, lines]; the same devices on both sides.

    Either one product with both signs on both sides, or the two of EP's two phases that differ by noise only, so that
    every cell falls and rises as much. aihwkit gets the two products of a sample one after the other.
    """
    model, pulses = MIXED[name]
    largest = 1.0 if two_phase else 2.2 * 2.2  # |post| times |pre|, typically
    rate, shape = pulses * model.response().granularity / largest, (lines, lines)
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for i in range(crossbars):
        ours = AnalogArray(torch.zeros(shape), model, generator=seeded(100 + i))
        cells = {HIDDEN[key]: ours.cells.banks["cell"].parameters[key].clone() for key in model.response().keeps}
        theirs = AihwkitArray(torch.zeros(shape), model, construction_seed=random.randrange(1, 2**30))
        set_hidden_parameters(theirs._tile, {**hidden_parameters(theirs._tile), **cells})
        theirs._tile.set_weights(torch.zeros(shape))  # aihwkit takes weights as they are seen for those that are kept
        draws = seeded(i)
        for _ in range(SAMPLES // batch):
            if two_phase:
                sides = torch.rand(2, 1, batch, lines, generator=draws)
                post, pre = (sides + 0.01 * torch.randn(2, 2, batch, lines, generator=draws)).clamp(0)
                terms = Product(post[0], pre[0], -1), Product(post[1], pre[1], +1)
                post = post * torch.tensor([-1.0, 1.0])[:, None, None]
                in_turn = Product(post.transpose(0, 1).reshape(-1, lines), pre.transpose(0, 1).reshape(-1, lines))
            else:
                in_turn = Product(*torch.randn(2, batch, lines, generator=draws))
                terms = (in_turn,)
            ours.update(OuterProducts(terms, 1.0), rate)
            theirs.update(OuterProducts((in_turn,), 1.0), rate)
        found[0].append(ours.snapshot())
        found[1].append(theirs.snapshot())
    return torch.stack(found[0]), torch.stack(found[1])


@pytest.mark.parametrize("batch", [16, 128])
@pytest.mark.parametrize("name", MIXED)
def test_a_batch_does_what_aihwkit_does_sample_after_sample(name: str, batch: int) -> None:
    """Mean and spread within 3 standard errors of 2,000 devices; of 12,288 here, the same ones on both sides.

    All rising pulses of 128 samples and then all falling ones, at the same devices: 5 to 21 standard errors.
    """
    a, b = after_batches(name, batch, 12, 32, two_phase=False)
    error = (a.mean() - b.mean()).item() / b.std().item() / math.sqrt(2 / 2000)
    spread = ((a.std() / b.std()).item() - 1) * math.sqrt(2000)
    print(f"{name}, {batch}: {b.mean():+.4f} +- {b.std():.4f}; mean {error:+.1f}, spread {spread:+.1f} standard errors")
    assert abs(error) < 3
    assert abs(spread) < 3


@pytest.mark.parametrize("batch", [16, 128])
def test_two_phases_of_a_batch_take_turns_sample_after_sample(batch: int) -> None:
    """Cells of one crossbar share trains that all rise or fall, so crossbars are compared, not cells.

    First all falling pulses of 128 samples and then all rising ones: t = 60, of 16: t = 10.
    """
    a, b = after_batches("ecram", batch, 20, 10, two_phase=True)
    mean = ttest_1samp((a - b).mean((1, 2)).numpy(), 0.0)
    spread = ttest_1samp((a.std((1, 2)) / b.std((1, 2))).log().numpy(), 0.0)
    print(f"{batch}: {b.mean():+.4f} +- {b.std():.4f}; t: mean {mean.statistic:+.1f}, spread {spread.statistic:+.1f}")
    assert mean.pvalue > LEAST_P
    assert spread.pvalue > LEAST_P


# reads

PATHS = {
    "7 and 9 bits, noise": (ReadPath(), 0.3),
    "4 and 4 bits": (ReadPath(4, 4, 0.3, output_bound=4.0), 0.3),
    "noise on every cell": (ReadPath(weight_noise=0.02, read_noise=0.0), 0.3),
    "noise on cells and outputs, clipped": (ReadPath(6, 6, 0.1, weight_noise=0.03, output_bound=1.0), 1.0),
}


def codes(array: AnalogArray | AihwkitArray, path: ReadPath, lines: Tensor, transposed: bool) -> Tensor:
    """Return the ADC's codes of a read, transposed or not."""
    assert path.adc_bits is not None
    step = 2 * path.output_bound / (2**path.adc_bits - 2)
    return ((array.read_transposed(lines) if transposed else array.read(lines)) / step).round()


@pytest.mark.parametrize("transposed", [False, True], ids=["read", "transposed"])
@pytest.mark.parametrize(("path", "scale"), PATHS.values(), ids=PATHS)
def test_converter_codes_are_distributed_as_in_aihwkit(path: ReadPath, scale: float, transposed: bool) -> None:
    """2,000 reads of one input by eight outputs, whose noise is independent."""
    shape = (40, 8) if transposed else (8, 40)
    weights = (torch.rand(shape, generator=seeded(3)) * 2 - 1) * scale
    inputs = torch.rand(40, generator=seeded(4)) * 2 - 1
    inputs[0] = 1.0  # nothing to scale
    law = ConstantStep(step=0.001, w_max=2.0, w_min=-2.0, **CERTAIN)
    lines = inputs.expand(2000, -1).contiguous()
    ours = codes(AnalogArray(weights, model_of(law), read_path=path, generator=seeded(5)), path, lines, transposed)
    theirs = codes(AihwkitArray(weights, model_of(law), read_path=path), path, lines, transposed)
    worst = min(two_sample_p(ours[:, j], theirs[:, j]) for j in range(8))
    assert worst > LEAST_P / 8
    assert len(ours.unique()) > 4  # there is something to compare


@pytest.mark.parametrize("bound", [1.0, 3.0, 12.0, 50.0])
def test_the_outputs_nonlinearity_is_aihwkits(bound: float) -> None:
    """Number by number without noise, at any bound of the outputs, from both sides; a is the same on both engines."""
    weights = torch.rand(8, 40, generator=seeded(3)) * 2 - 1
    law = ConstantStep(step=0.001, w_max=2.0, w_min=-2.0, **CERTAIN)
    path = ReadPath(None, None, 0.0, output_bound=bound, nonlinearity=0.7)
    arrays = AnalogArray(weights, model_of(law), read_path=path), AihwkitArray(weights, model_of(law), read_path=path)
    inputs = torch.rand(30, 40, generator=seeded(4)) * 2 - 1
    linear = inputs @ weights.t()
    ours, theirs = (array.read(inputs) for array in arrays)
    torch.testing.assert_close(ours, theirs)
    assert (ours - linear.clamp(-bound, bound)).abs().max() > 0.02
    ours, theirs = (array.read_transposed(inputs[:, :8]) for array in arrays)
    torch.testing.assert_close(ours, theirs)


def test_the_outputs_nonlinearity_compresses_the_noise_of_cells_as_aihwkits() -> None:
    weights = torch.full((8, 40), 0.1)
    law = ConstantStep(step=0.001, w_max=2.0, w_min=-2.0, **CERTAIN)
    path = ReadPath(None, None, 0.02, weight_noise=0.05, output_bound=4.0, nonlinearity=2.0)
    arrays = AnalogArray(weights, model_of(law), read_path=path), AihwkitArray(weights, model_of(law), read_path=path)
    ours, theirs = (array.read(torch.ones(4000, 40)) for array in arrays)
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), rel=0.01)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.03)


@pytest.mark.parametrize("size", [1e-6, 1.0, 30.0])
def test_vectors_are_scaled_as_by_aihwkits_noise_management(size: float) -> None:
    """ABS_MAX: each vector's largest meets the bound. Samples of very different sizes, converters of 5 and 7 bits."""
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

    weights = (torch.rand(8, 40, generator=seeded(3)) * 2 - 1) * 0.3
    path = ReadPath(5, 7, 0.0, output_bound=4.0)
    law = ConstantStep(step=0.001, w_max=2.0, w_min=-2.0, **CERTAIN)
    config = build_rpu_config(model_of(law), PLAIN, path, path, PulseScheme(), 1, {}, {})
    config.forward.noise_management = config.backward.noise_management = NoiseManagementType.ABS_MAX
    config.forward.bound_management = config.backward.bound_management = BoundManagementType.NONE
    tile, _cells = new_tile(config, (8, 40))
    tile.set_weights(weights)
    array = AnalogArray(weights, model_of(law), read_path=path, generator=seeded(5))
    sizes = size * torch.tensor([1.0, 0.01, 5.0, 0.3]).repeat(50)[:, None]
    post = (torch.rand(200, 8, generator=seeded(6)) * 2 - 1) * sizes
    ours, theirs = array.read_transposed(post), tile.backward(post, False, False, False, False)
    step = 8.0 / 126 * post.abs().amax(1, keepdim=True)
    assert ((ours - theirs) / step).abs().max() < 1.01  # a product on the edge of a code may fall to either side
    assert ((ours - theirs) / step).abs().gt(0.01).float().mean() < 0.002


# time


def aged(model: DeviceModel, start: float, waits: tuple[float, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """Return our weights and aihwkit's after each wait, at one mini-batch a second."""
    weights = torch.full((100, 100), start)
    ours, theirs = AnalogArray(weights, model, generator=seeded(6)), AihwkitArray(weights, model)
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for seconds in waits:
        for array, list_ in ((ours, found[0]), (theirs, found[1])):
            array.elapse(seconds)
            list_.append(array.snapshot())
    return found


@pytest.mark.parametrize("start", [0.8, -0.6])
def test_drift_has_aihwkits_mean_and_spread(start: float) -> None:
    """On a range that is not symmetric."""
    law = ConstantStep(step=0.001, w_max=1.2, w_min=-0.7, **CERTAIN)
    model = model_of(law, drift_nu=(0.05, "1"), drift_nu_dtod=(0.01, "1"), drift_t0=(1.0, "s"))
    for a, b in zip(*aged(model, start, (1.0, 99.0, 900.0)), strict=True):
        assert a.mean().item() == pytest.approx(b.mean().item(), abs=0.003)
        assert a.std().item() == pytest.approx(b.std().item(), abs=0.003)


def test_a_pair_that_is_only_potentiated_drifts_as_aihwkits() -> None:
    """Each device to no conductance, not to the middle of its range: what one write leaves behind drifts less."""
    law = ConstantStep(step=0.001, w_max=0.6, w_min=-0.6, **CERTAIN)
    model = model_of(law, drift_nu=(0.1, "1"))
    start, ones = torch.full((50, 40), 0.1), OuterProducts((Product(torch.ones(1, 50), torch.ones(1, 40)),), 1.0)
    ours, theirs = AnalogArray(start, model, "one-sided", generator=seeded(8)), AihwkitArray(start, model, "one-sided")
    for seconds, change in ((100.0, 0.02), (100.0, -0.02), (100.0, 0.02), (1e4, 0.0)):
        for array in (ours, theirs):
            array.elapse(seconds)
            array.update(ones, change)
        assert (ours.snapshot() - theirs.snapshot()).abs().max().item() < 0.002


@pytest.mark.parametrize("name", ["ecram", "reram_sb"])
def test_a_preset_that_drifts_and_learns_has_aihwkits_weights(name: str) -> None:
    """Ranges that are not symmetric, drift on, a time after every write: within 0.2 % of the range, cell by cell."""
    law = load_device(name).response()
    spreads = [
        field.name for field in dataclasses.fields(law) if field.name.endswith(("_dtod", "step_ctoc", "write_noise"))
    ]
    model = load_device(name).with_parameters({"retention.drift_nu": 0.1, **dict.fromkeys(spreads, 0.0)})
    start = torch.linspace(-0.6, 0.9, 40).repeat(50, 1)
    ours, theirs = AnalogArray(start, model, generator=seeded(7)), AihwkitArray(start, model)
    ones = OuterProducts((Product(torch.ones(1, 50), torch.ones(1, 40)),), 1.0)
    for sign, seconds in ((1, 100.0), (-1, 1000.0), (-1, 1e5)):
        for array in (ours, theirs):
            array.update(ones, sign * 20 * law.step)
            array.elapse(seconds)
        assert (ours.snapshot() - theirs.snapshot()).abs().max().item() < 0.002 * (law.w_max - law.w_min)


def test_decay_has_aihwkits_mean_and_spread() -> None:
    """aihwkit takes 1 - 1 / lifetime where we take exp(-1 / lifetime): 0.25 % of the weight after half a lifetime."""
    law = ConstantStep(step=0.001, w_max=1.0, w_min=-1.0, **CERTAIN)
    model = model_of(law, lifetime=(100.0, "s"), lifetime_dtod=(0.2, "1"), rest=(0.1, "1"))
    for a, b in zip(*aged(model, 0.8, (10.0, 40.0)), strict=True):
        assert a.mean().item() == pytest.approx(b.mean().item(), abs=0.006)
        assert a.std().item() == pytest.approx(b.std().item(), abs=0.006)


def test_diffusion_has_aihwkits_mean_and_spread() -> None:
    """10,000 cells: mean and spread are known to 1 % and 0.7 % of the spread.

    aihwkit draws from a finite table of Gaussians, which shifts a whole tile a little; a test of the distribution sees
    that in 10,000 cells, so it is given 2,000.
    """
    law = ConstantStep(step=0.001, w_max=1.0, w_min=-1.0, **CERTAIN)
    model = model_of(law, diffusion=(0.002, "1/sqrt(s)"), diffusion_dtod=(0.3, "1"))
    for a, b in zip(*aged(model, 0.3, (4.0, 21.0)), strict=True):
        assert abs(a.mean().item() - b.mean().item()) < 0.1 * b.std().item()
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.06)
        assert ks_2samp(a.flatten()[:2000].numpy(), b.flatten()[:2000].numpy(), method="asymp").pvalue > LEAST_P


@pytest.mark.parametrize("retention", [{"lifetime": (100.0, "s")}, {"drift_nu": (0.1, "1")}], ids=["decay", "drift"])
def test_write_noise_is_drawn_anew_whenever_time_moves_a_cell_as_in_aihwkit(
    retention: dict[str, tuple[float, str]],
) -> None:
    """The noise does not add up, has nothing to do with that of the wait before, and moves no mean."""
    law = SoftBounds(step=0.001, w_max=5.0, w_min=-5.0, write_noise=20.0, **CERTAIN)
    for found in aged(model_of(law, **retention), 0.5, (2.0,) * 6):
        noise = torch.stack(found) - torch.stack(found).mean((1, 2), keepdim=True)
        assert noise.std((1, 2)).numpy() == pytest.approx(0.02, rel=0.04)
        for before, after in pairwise(noise):
            assert abs((before * after).mean().item()) < 5 * 0.02**2 / 100
    (ours, *_, last), (theirs, *_, their_last) = aged(model_of(law, **retention), 0.5, (2.0,) * 6)
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.002)
    assert last.mean().item() == pytest.approx(their_last.mean().item(), abs=0.002)


@pytest.mark.parametrize("start", [0.95, -0.3], ids=["at a bound", "within"])
def test_a_walk_with_decay_is_aihwkits_after_one_long_wait(start: float) -> None:
    """A lifetime in one step here, in 200 batches there; aihwkit stops walks at the bound for the rest of a batch."""
    law = ConstantStep(step=0.001, w_max=1.0, w_min=-0.6, **CERTAIN)
    model = model_of(law, diffusion=(0.01, "1/sqrt(s)"), lifetime=(200.0, "s"))
    (ours,), (theirs,) = aged(model, start, (200.0,))
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.02)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.06)


# phase change: what drift and noise owe to the conductance

SHARES = (0.005, 0.012, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9)  # of g_max, between and beyond all limits of the model
DAY = 86400.0


def theirs_pcm() -> Any:
    from aihwkit.inference.noise.pcm import PCMLikeNoiseModel

    return PCMLikeNoiseModel(g_max=25.0, prog_noise_scale=0.0)


def pcm_bank(**parameters: float) -> CellBank:
    """Return 2,000 cells of pcm_drift at each share of g_max, all of one range."""
    device = load_device("pcm_drift").with_parameters({"w_max_dtod": 0.0, **parameters})
    targets = torch.tensor(SHARES)[:, None].expand(-1, 2000) * device.g_max
    return CellBank(device.weight(targets), DevicePopulation.of(device), seeded(8))


def test_pcm_drifts_with_the_published_exponents_at_every_conductance() -> None:
    """2,000 cells at nine conductances, a day old: mean and spread of nu against aihwkit's PCMLikeNoiseModel."""
    bank = pcm_bank(**{"retention.read_noise_1f": 0.0})
    start = bank.conductances()
    bank.elapse(DAY + 20.0)
    ours = -(bank.conductances() / start).log() / math.log(DAY / 20.0 + 1)
    torch.manual_seed(1)
    theirs = theirs_pcm().generate_drift_coefficients(start * 1e6)
    for share, a, b in zip(SHARES, ours, theirs, strict=True):
        error = b.std().item() / math.sqrt(2000)
        assert abs(a.mean().item() - b.mean().item()) < 7 * error, share
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.12), share  # 5 errors of the ratio
        assert ks_2samp(a.numpy(), b.numpy()).pvalue > LEAST_P / len(SHARES), share
    spread = (bank.conductances() / start).log().std(1)  # relative, as at 5 and at 50 % of g_max in the literature
    assert (spread[3].item(), spread[7].item()) == pytest.approx((0.264, 0.067), rel=0.06)


def test_pcm_has_the_published_noise_at_every_conductance() -> None:
    """1/f noise of a day, over the drifted conductance, against aihwkit's PCMLikeNoiseModel: mean and spread."""
    bank = pcm_bank(**dict.fromkeys(("retention.drift_nu_log", "retention.drift_nu_least"), 0.0),
                    **dict.fromkeys(("retention.drift_nu", "retention.drift_nu_dtod"), 0.0),
                    **dict.fromkeys(("retention.drift_nu_dtod_log", "retention.drift_nu_dtod_least"), 0.0))  # fmt: skip
    written = bank.conductances()
    bank.elapse(DAY + 20.0)
    ours = load_device("pcm_drift").conductance(bank.as_read()) / written
    torch.manual_seed(2)
    theirs = theirs_pcm().apply_drift_noise_to_conductance(written * 1e6, torch.zeros_like(written), DAY) / (
        written * 1e6
    )
    for share, a, b in zip(SHARES, ours, theirs, strict=True):
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.12), share  # ours a sum of signs, cut at 0 too
        assert a.mean().item() == pytest.approx(b.mean().item(), abs=0.12 * b.std().item()), share
    assert (ours.std(1)[3].item(), ours.std(1)[7].item()) == pytest.approx((0.313, 0.070), rel=0.06)


# learning through transfers

CHOPPED: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {  # batches; ours; aihwkit's: AGAD waits less
    "tiki-taka": (60, {}, {}),
    "tiki-taka-v2": (60, {}, {}),
    "chopped-tiki-taka": (60, {"chop": 0.1}, {"in_chop_prob": 0.1}),
    "agad": (60, {"chop": 0.1}, {"in_chop_prob": 0.1}),
}


@pytest.mark.parametrize("remedy", CHOPPED)
def test_transfers_learn_as_aihwkits_do(remedy: str) -> None:
    """Errors of 120 regressions on 6 inputs, each a row of devices; `neurohw bench transfers` has whole curves."""
    batches, ours, theirs = CHOPPED[remedy]
    errors = [
        regression(backend, remedy, "reram_es", 3, batches, batch=8, shape=(120, 6), every=5, rate=1.0, **options)
        for backend, options in (("analog", {"remedy_parameters": ours}), ("aihwkit", {"remedy_overrides": theirs}))
    ]
    by_row = [found.view(120, 6, -1)[..., 6:].square().mean(1).sqrt().mean(1) for found in errors]
    assert ttest_ind(*by_row, equal_var=False).pvalue > LEAST_P

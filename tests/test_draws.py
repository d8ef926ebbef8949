"""Numbers drawn by counter and key: published words, closed forms, distributions, and the generator's state alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from neurohw import draws, philox
from neurohw.draws import fill_normal, normal, uniform

MANY = 200_001  # no multiple of a block
DRAWS = {"normal": normal, "uniform": uniform}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("counter", "key", "wanted"), [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
])  # fmt: skip
def test_words_are_those_published_with_random123(counter: str, key: str, wanted: str) -> None:
    first, *state = (int(word, 16) for word in f"{counter} {key}".split())
    out = np.zeros((4, 3), np.uint32)
    philox.words(first, np.array(state, np.uint32), out)
    assert [f"{word:08x}" for word in out[:, 0]] == wanted.split()
    assert (out[:, 0] != out[:, 1]).all()


def test_compiled_functions_are_those_that_are_written() -> None:
    state, n = np.array([1, 2, 3, 4, 5], np.uint32), 5000
    for fill in (philox.uniform, philox.normal):
        compiled, written = np.zeros(n, np.float32), np.zeros(n, np.float32)
        fill(state, compiled)
        plain: Any = fill
        with np.errstate(over="ignore"):
            plain.py_func(state, written)
        assert (compiled == written).all()


def test_pairs_of_words_become_normal_numbers() -> None:
    """Box and Muller in double precision, from the same words, the extreme ones among them."""
    edges = np.array([0, 1, 2, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 3 * 2**29, 2**32 - 2, 2**32 - 1], np.uint32)
    a, b = (grid.reshape(-1) for grid in np.meshgrid(edges, edges))
    span = np.zeros((4, 512), np.uint32)
    philox.words(0, np.arange(5, dtype=np.uint32), span)
    a, b = (np.concatenate([edge, random])[:512] for edge, random in zip((a, b), span, strict=False))
    radius, cosines, sines = (np.zeros(512, np.float32) for _ in range(3))
    philox._radii(a, radius, cosines)
    philox._round(b, radius, cosines, sines)
    u = np.float64(np.float32(a >> 1) * np.float32(2.0**-31) + np.float32(2.0**-32))
    size, angle = np.sqrt(-2 * np.log(u)), b.astype(np.int32) * np.pi / 2**31
    assert np.abs(cosines - size * np.cos(angle)).max() < 2e-6
    assert np.abs(sines - size * np.sin(angle)).max() < 2e-6


def test_distributions() -> None:
    z, u = (draw((1000, 1000), generator()).double().numpy().reshape(-1) for draw in (normal, uniform))
    assert stats.kstest(z[:MANY], "norm").pvalue > 0.01
    assert stats.kstest(u[:MANY], "uniform").pvalue > 0.01
    for power, wanted, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - wanted) < 4 * (spread / z.size) ** 0.5
    for lag in (1, 2, 512, 1024, 2048):  # a pair, the words of a counter, a block
        for values in (z, (u - 0.5) * 12**0.5):
            assert abs((values[lag:] * values[:-lag]).mean()) < 4 / z.size**0.5
            assert abs((values[lag:] ** 2 * values[:-lag] ** 2).mean() - 1) < 4 * 3 / z.size**0.5
    assert u.min() >= 0
    assert u.max() < 1
    assert (u * 2**24 == np.round(u * 2**24)).all()
    assert abs((np.abs(z) > 4).mean() - 2 * stats.norm.sf(4)) < 4 * (6.3e-5 / z.size) ** 0.5


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("shape", [(3,), (draws._LEAST - 1,), (draws._LEAST,), (7, 1001), (2, 3, 2048), (MANY,)])
def test_numbers_follow_from_the_generators_state(name: str, shape: tuple[int, ...]) -> None:
    draw, first, other = DRAWS[name], generator(), generator()
    once, again = draw(shape, first), draw(shape, first)
    assert once.shape == shape
    assert torch.equal(draw(shape, other), once)
    resumed = generator(1)
    resumed.set_state(other.get_state())
    assert torch.equal(draw(shape, resumed), again)
    assert not torch.equal(once, again)
    assert len(torch.unique(torch.cat([once.view(-1), again.view(-1)]))) > 1.9 * 0.98 * once.numel()
    assert abs(float(np.corrcoef(once.view(-1), again.view(-1))[0, 1])) < 4 / once.numel() ** 0.5 or once.numel() < 9


def test_other_types_and_a_given_tensor() -> None:
    assert normal((100, 100), generator(), torch.float64).dtype == torch.float64
    assert torch.equal(
        uniform((5000,), generator(), torch.float64), torch.rand(5000, generator=generator(), dtype=torch.float64)
    )
    turned = fill_normal(torch.empty(100, 50).t(), generator())
    assert torch.equal(turned.t().contiguous().view(-1), normal((5000,), generator()))
    part = torch.zeros(3, 5000)
    fill_normal(part[1], generator())
    assert torch.equal(part[1], normal((5000,), generator()))
    assert not part[[0, 2]].any()

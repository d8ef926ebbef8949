"""Which library multiplies during a run: the numbers are those of float32, and torch is left as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neurohw.crossbar.blocks import add_by_blocks
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.precision import chosen_precision, multiplying_library
from neurohw.loading import load_experiment
from neurohw.runs import products
from neurohw.runs.products import float32_products, onednn_is_faster
from neurohw.runs.run import run

LARGE = 2**23
ON_DIGITS = {"network.layers": [64, 8192], "training.batch_size": 16, "data.train_limit": 64, "data.test_limit": 64}
faster_only = pytest.mark.skipif(not onednn_is_faster(), reason="oneDNN is no faster than BLAS on this processor")


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("batch", [1, 16, 512])
def test_products_are_those_of_float32(batch: int, transposed: bool) -> None:
    """Sums of 784 products are off by a few units of 2^-24; factors rounded to bfloat16 would be off by 2^-9."""
    a, b = torch.rand(batch, 784), torch.randn(784, 2000)
    wanted = a.double() @ b.double()
    with float32_products(LARGE):
        product = (b.t() @ a.t()).t() if transposed else a @ b
        added = torch.ones(batch, 2000).addmm_(a, b, alpha=0.5)
    assert float((product - wanted).abs().max() / wanted.abs().max()) < 2e-6
    assert float((added - (1 + wanted / 2)).abs().max() / wanted.abs().max()) < 2e-6


@faster_only
def test_large_products_only_and_torch_is_left_as_it_was() -> None:
    assert multiplying_library() == "BLAS"
    with float32_products(LARGE - 1):
        assert multiplying_library() == "BLAS"
    with float32_products(LARGE):
        assert multiplying_library() == "oneDNN"
    with pytest.raises(KeyboardInterrupt), float32_products(LARGE):
        raise KeyboardInterrupt
    assert multiplying_library() == "BLAS"


def test_what_the_user_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    products._choose("ieee")
    try:
        with float32_products(LARGE):
            assert chosen_precision() == "ieee"
        assert chosen_precision() == "ieee"
    finally:
        products._choose("none")


def test_a_product_that_rounds_its_factors_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on processors with AMX, where torch's setting is taken at its word."""

    def rounding(self: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.mm(self.bfloat16().to(self.dtype), other.bfloat16().to(other.dtype))

    assert products._exact()
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: torch.mm(a, b) if a.dtype == torch.float64
                        else rounding(a, b))  # fmt: skip
    assert not products._exact()


def test_the_record_says_which(tmp_path: Path) -> None:
    small = run(load_experiment("quickstart", {"training.epochs": 1, "data.train_limit": 64}), out=tmp_path / "small")
    assert small.versions["float32 products"] == "BLAS"
    large = run(load_experiment("quickstart", {**ON_DIGITS, "training.epochs": 1}), out=tmp_path / "large")
    assert large.versions["float32 products"] == ("oneDNN" if onednn_is_faster() else "BLAS")


_INTERRUPTED = """
import signal, time, torch
from neurohw.runs import products
heard = 0
def hear(*_):
    global heard
    heard += 1
signal.signal(signal.SIGALRM, hear)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
a, b = torch.rand(16, 784), torch.randn(784, 2000)
until = time.monotonic() + 5
{products}
signal.setitimer(signal.ITIMER_REAL, 0)
assert heard > 500, heard
"""
_PRODUCTS = {
    "of a run": "with products.float32_products(2**23):\n    while time.monotonic() < until:\n        a @ b",
    "that are tried": "while time.monotonic() < until:\n    products._exact()",
}


@pytest.mark.parametrize("which", _PRODUCTS)
def test_signals_amid_products_leave_the_heap_whole(which: str) -> None:
    """Through oneDNN 3.10 without a stack for signals, this ends by "corrupted size" or "corrupted double-linked list".

    In a process of its own: that of the tests has such a stack, by pytest's faulthandler.
    """
    code = _INTERRUPTED.format(products=_PRODUCTS[which])
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@faster_only
def test_a_run_learns_the_same_by_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("quickstart", {**ON_DIGITS, "training.epochs": 1})
    by_onednn = run(experiment, out=tmp_path / "onednn")
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    by_blas = run(experiment, out=tmp_path / "blas")
    assert by_onednn.versions != by_blas.versions
    assert by_onednn.metrics["direct_accuracy"] == pytest.approx(by_blas.metrics["direct_accuracy"], abs=0.02)


@faster_only
def test_reads_of_large_arrays_are_the_same_to_the_bit_whole_or_by_blocks() -> None:
    """By BLAS they are taken block by block, which oneDNN would be slower by."""
    weights = torch.randn(2000, 2000, generator=torch.Generator().manual_seed(0))
    pre = torch.rand(2000, 32, generator=torch.Generator().manual_seed(1)).t()
    array = IdealArray(weights)
    with float32_products(LARGE):
        read = array.read(pre)
        assert torch.equal(read, (weights @ pre.t()).t())
    assert torch.allclose(read, array.read(pre), rtol=0, atol=1e-3)


@faster_only
def test_noisy_reads_of_large_arrays_are_the_same_to_the_bit_whole_or_by_blocks() -> None:
    """The noise, a part of each block, is that of the whole: a read neuron after neuron is one."""
    weights = torch.randn(2000, 2000, generator=torch.Generator().manual_seed(0)) * 0.1
    codes = torch.randint(-63, 64, (2000, 32), generator=torch.Generator().manual_seed(1)).float()
    noise = torch.randn(2000, 32, generator=torch.Generator().manual_seed(2))
    with float32_products(LARGE):
        parts = add_by_blocks(noise.clone(), weights, codes, beta=0.5, alpha=0.25)
        assert torch.equal(parts, torch.addmm(noise, weights, codes, beta=0.5, alpha=0.25))

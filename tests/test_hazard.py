"""What EP's contrast does to devices: balanced updates erase, and read noise over the nudging strength."""

from __future__ import annotations

import pytest

from neurohw.bench.erasure import erasure
from neurohw.bench.nudging import nudging


def test_balanced_updates_erase_asymmetric_devices_in_two_phases_only() -> None:
    rows = {(row["device"], row["contrast"]): row for row in erasure(("constant_step", "reram_es"), 100, seeds=1)}
    assert rows["constant_step", "two-phase"]["mean"] == pytest.approx(0.4, abs=0.02)
    assert rows["reram_es", "two-phase"]["mean"] < 0.2
    assert rows["reram_es", "difference"]["mean"] == pytest.approx(0.4, abs=0.04)
    assert rows["reram_es", "two-phase"]["two_phase_over_difference"] > 20


def test_the_noise_of_the_contrast_grows_as_one_over_beta_and_with_the_read_noise() -> None:
    rows = {(r["beta"], r["read_noise"]): r for r in nudging((0.05, 0.2, 0.8), (0.02, 0.06), repeats=30)}
    scaled = [row["noise_times_beta"] / row["read_noise"] for row in rows.values()]
    assert max(scaled) / min(scaled) < 1.4
    assert rows[0.05, 0.06]["noise_over_contrast"] > 8 * rows[0.8, 0.06]["noise_over_contrast"]

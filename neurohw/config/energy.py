"""How a chip is accounted."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool

from neurohw.config.section import Count, Section


class EnergySection(Section):
    """How a chip with `hardware.periphery` is accounted: what works at once, EP, standby, the pulses of lines."""

    ep: Literal["clocked", "continuous"] = "clocked"
    columns_per_adc: Count = 8
    tiles_at_once: Count | None = None
    phases_overlap: StrictBool = False
    digital: Literal["int8", "fp16", "fp32"] = "fp16"
    standby: Literal["busy", "simulated", "none"] = "busy"
    polarities: Literal["in-turn", "together"] = "in-turn"

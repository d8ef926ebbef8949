"""How a chip is accounted."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool

from neurohw.config.section import Count, Section


class EnergySection(Section):
    """How a chip with `hardware.periphery` is accounted: what works at once, EP, standby, the pulses of lines.

    Args:
        ep: neurons step by step through converters, or a circuit that settles by itself.
        columns_per_adc: outputs that take turns at a converter.
        tiles_at_once: crossbars that work in parallel; none: all.
        phases_overlap: decisions and digital work of one image during the reads of the next.
        digital: precision of what is computed beside the arrays.
        standby: how long leakage and bias run: the busy time, the simulated one (`step_seconds` a batch), or never.
        polarities: rising and falling cells are written in two sub-phases of a slot, or together.
    """

    ep: Literal["clocked", "continuous"] = "clocked"
    columns_per_adc: Count = 8
    tiles_at_once: Count | None = None
    phases_overlap: StrictBool = False
    digital: Literal["int8", "fp16", "fp32"] = "fp16"
    standby: Literal["busy", "simulated", "none"] = "busy"
    polarities: Literal["in-turn", "together"] = "in-turn"

"""What surrounds the cells: the converters and the noise of a read, and the pulses of a write."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from neurohw.errors import InputError

CODINGS = ("amplitude", "pulse-width", "bit-serial")
INPUT_SCALES = ("vector", "batch")
PULSE_KINDS = ("stochastic", "deterministic")
_MOST_BITS = 24  # float32 has no more
_SPREADS = (
    "read_noise", "weight_noise", "input_noise", "relative_noise", "column_gain", "column_offset", "nonlinearity",
)  # fmt: skip


def converter_step(bits: int | None) -> float:
    """Return one step of a converter in units of its full range (from -bound to +bound): 1 / (2^bits - 2).

    The code -2^(bits-1) is left out so that the codes lie symmetrically around zero, as aihwkit does
    (`IOParameters.inp_res`): 2^bits - 1 distinct codes. The sign takes one bit, so non-negative inputs see 2^(bits-1)
    codes, zero included. -1 means not quantised.
    """
    return -1.0 if bits is None else 1.0 / (2**bits - 2)


@dataclass(frozen=True)
class ReadPath:
    """Converters, bounds and noise of a read in one direction.

    The defaults are those of aihwkit's `IOParameters`: 7-bit DAC (`inp_res` 1/126), 9-bit ADC (`out_res` 1/510),
    output noise 0.06, inputs within 1, outputs within 12. Outputs are in normalised units: the sum that an input of 1
    makes in a cell of weight 1; an array with an output scale multiplies noise and bounds along with the output.

    Args:
        dac_bits: bits of the input converter, sign included (2^bits - 1 codes); None: not quantised.
        adc_bits: bits of the output converter, likewise.
        read_noise: standard deviation of the Gaussian noise added to every output before the ADC.
        weight_noise: standard deviation of fresh Gaussian noise on every device at every read; what it makes of a
            weight follows from how devices make one.
        input_bound: the largest input that the DAC reaches; inf: no bound.
        output_bound: outputs are clipped to +- this; inf: no bound.
        input_noise: standard deviation of fresh Gaussian noise on every input, after the DAC.
        relative_noise: standard deviation of fresh noise on every device at every read, relative to its conductance.
        coding: how inputs are applied: "amplitude" or "pulse-width" (one read; they differ in time and energy, not in
            numbers) or "bit-serial" (a read and a conversion for each bit, added digitally).
        input_scale: inputs that the DAC cannot reach are scaled digitally, each "vector" by itself, as hardware and
            aihwkit's noise management do, or a "batch" by one factor, with which a read depends on the other samples.
        signed_passes: positive and negative inputs are read one after the other and subtracted digitally.
        column_gain: device-to-device spread of the outputs' gain, relative, fixed per output.
        column_offset: standard deviation of the outputs' offset, fixed per output, in output units.
        nonlinearity: a in y / (1 + a |y| / output_bound), aihwkit's `out_nonlinearity`; 1 / (1 + a) is left at the
            bound.

    Raises:
        InputError: a value out of range, or a converter with bits but without a bound.
    """

    dac_bits: int | None = 7
    adc_bits: int | None = 9
    read_noise: float = 0.06
    weight_noise: float = 0.0
    input_bound: float = 1.0
    output_bound: float = 12.0
    input_noise: float = 0.0
    relative_noise: float = 0.0
    coding: str = "amplitude"
    input_scale: str = "vector"
    signed_passes: bool = False
    column_gain: float = 0.0
    column_offset: float = 0.0
    nonlinearity: float = 0.0

    def __post_init__(self) -> None:
        for name, bits, bound in (
            ("dac_bits", self.dac_bits, self.input_bound),
            ("adc_bits", self.adc_bits, self.output_bound),
        ):
            if bits is not None and not 2 <= bits <= _MOST_BITS:
                raise InputError(f"{name} must be None (not quantised) or 2 to {_MOST_BITS}, but got {bits!r}")
            if bits is not None and math.isinf(bound):
                raise InputError(f"{name}={bits} needs a finite bound, but the bound is {bound}")
        for name in _SPREADS:
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} must be a finite number of at least 0, but got {value!r}")
        if self.coding not in CODINGS:
            raise InputError(f"coding: got {self.coding!r}; allowed: {', '.join(CODINGS)}")
        if self.nonlinearity and math.isinf(self.output_bound):
            raise InputError(f"nonlinearity={self.nonlinearity} is relative to a finite output_bound, but that is inf")
        if self.input_scale not in INPUT_SCALES:
            raise InputError(f"input_scale: got {self.input_scale!r}; allowed: {', '.join(INPUT_SCALES)}")
        if self.coding == "bit-serial" and self.dac_bits is None:
            raise InputError("coding 'bit-serial' needs dac_bits: the bits that are applied one after the other")
        for name in ("input_bound", "output_bound"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive (inf: no bound), but got {getattr(self, name)!r}")

    @classmethod
    def perfect(cls) -> ReadPath:
        """Return a read path that changes nothing: no converters, noise or bounds."""
        return cls(None, None, 0.0, 0.0, math.inf, math.inf)

    @property
    def is_perfect(self) -> bool:
        """Whether a read through this path is exact."""
        return replace(self, input_scale="vector") == ReadPath.perfect()

    def with_device_noise(self, sigma: float) -> ReadPath:
        """Return the path with a device's own noise per read added in quadrature to that of every device."""
        return replace(self, weight_noise=math.hypot(self.weight_noise, sigma)) if sigma else self

    def with_devices(self, noise_power: float) -> ReadPath:
        """Return the path whose noise of every device is that of a weight: of variance noise_power times a device's."""
        return replace(self, weight_noise=self.weight_noise * math.sqrt(noise_power))


@dataclass(frozen=True)
class PulseScheme:
    """How an outer product becomes pulses: stochastic trains on both sides, a cell steps where two pulses coincide.

    One term of one sample changes a weight by at most `length` steps; larger products are clipped.

    Args:
        length: pulses in a train (aihwkit's `desired_bl`); the most, where it is managed.
        update_management: scale the trains of both sides to equal pulse probabilities (Gokmen & Vlasov 2016).
        update_bl_management: shorten the train to what the sample's largest product needs.
        kind: "stochastic" trains, or "deterministic": each cell gets the nearest whole number of pulses to the batch's
            sum, which a digital circuit has counted.

    Raises:
        InputError: `length` is not a positive integer.
    """

    length: int = 31
    update_management: bool = True
    update_bl_management: bool = True
    kind: str = "stochastic"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise InputError(f"pulse length must be at least 1, but got {self.length!r}")
        if self.kind not in PULSE_KINDS:
            raise InputError(f"pulse kind: got {self.kind!r}; allowed: {', '.join(PULSE_KINDS)}")


def output_scale(weight_range: float | None, largest_cell: float) -> float:
    """Return the digital factor on the output that lets a cell's largest weight stand for `weight_range`.

    Raises:
        InputError: the range is not a positive number.
    """
    if weight_range is None:
        return 1.0
    if not 0 < weight_range < math.inf:
        raise InputError(f"weight_range must be a positive number or None, but got {weight_range!r}")
    return weight_range / largest_cell

"""Random numbers from a counter and a key, compiled by numba: bits, uniform and normal ones.

Bits are those of Philox 4x32 of 10 rounds (Salmon et al. 2011, 10.1145/2063384.2063405), four words for each counter.
Normal numbers are pairs (Box & Muller 1958), z = sqrt(-2 ln u) (cos a, sin a); logarithm, sine and cosine are
polynomials in single precision (of the Cephes library), which compilers turn into vector instructions. No step may be
taken in another order or merged with the next: every processor gets the same numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neurohw.compiled import compiled

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]

_SPAN = 512  # counters at a time, whose words stay in the first-level cache
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEPS = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_ROUNDS = 10
_HALF = np.uint64(32)
_ROOT_HALF = np.int32(0x3F3504F3)  # the bits of sqrt(1/2)


@compiled
def words(first: int, state: Words, out: Words) -> None:
    """Write the words of counters `first`, `first` + 1, ... into out [4, n].

    Args:
        first: lowest word of the first counter.
        state: [5], the other three words of all counters, from the second lowest on, and the two of the key.
        out: see above.
    """
    upper_b, upper_c, upper_d, key_a, key_b = state[0], state[1], state[2], state[3], state[4]
    out_a, out_b, out_c, out_d = out[0], out[1], out[2], out[3]
    for i in range(out.shape[1]):
        a, b, c, d, k, m = np.uint32(first + i), upper_b, upper_c, upper_d, key_a, key_b
        for _ in range(_ROUNDS):
            p, q = _MULTIPLIERS[0] * np.uint64(a), _MULTIPLIERS[1] * np.uint64(c)
            a, b = np.uint32(np.uint32(q >> _HALF) ^ b ^ k), np.uint32(q)
            c, d = np.uint32(np.uint32(p >> _HALF) ^ d ^ m), np.uint32(p)
            k, m = np.uint32(k + _STEPS[0]), np.uint32(m + _STEPS[1])
        out_a[i], out_b[i], out_c[i], out_d[i] = a, b, c, d


@compiled
def uniform(state: Words, out: Floats) -> None:
    """Fill out [n] with numbers from 0 up to 1, multiples of 2^-24; state: see `words`."""
    drawn = np.empty((4, _SPAN), np.uint32)
    line = drawn.reshape(-1)
    for begin in range(0, out.size, 4 * _SPAN):
        words(begin // 4, state, drawn)
        part = out[begin : begin + 4 * _SPAN]
        for i in range(part.size):
            part[i] = np.float32(np.int32(line[i] >> np.uint32(8))) * np.float32(2.0**-24)


@compiled
def normal(state: Words, out: Floats) -> None:
    """Fill out [n] with normal numbers, of mean 0 and variance 1, up to 6.7 in size; state: see `words`."""
    drawn = np.empty((4, _SPAN), np.uint32)
    radius, exponent = np.empty(_SPAN, np.float32), np.empty(_SPAN, np.float32)
    whole = np.empty(4 * _SPAN, np.float32)
    for begin in range(0, out.size, 4 * _SPAN):
        words(begin // 4, state, drawn)
        part = out[begin : begin + 4 * _SPAN]
        into = part if part.size == 4 * _SPAN else whole
        for half in range(2):
            _radii(drawn[2 * half], radius, exponent)
            at = 2 * half * _SPAN
            _round(drawn[2 * half + 1], radius, into[at : at + _SPAN], into[at + _SPAN : at + 2 * _SPAN])
        if part.size < 4 * _SPAN:
            part[:] = whole[: part.size]


@compiled
def _radii(drawn: Words, radius: Floats, exponent: Floats) -> None:
    """Write sqrt(-2 ln u), u = (half the word + 1/2) / 2^31, with ln u = e ln 2 + ln m, m from sqrt(1/2) to sqrt(2)."""
    f = np.float32
    for i in range(_SPAN):
        radius[i] = f(np.int32(drawn[i] >> np.uint32(1))) * f(2.0**-31) + f(2.0**-32)
    bits = radius.view(np.int32)
    for i in range(_SPAN):
        e = np.int32((bits[i] - _ROOT_HALF) >> 23)
        bits[i] -= e << 23
        exponent[i] = f(e)
    for i in range(_SPAN):
        x, e = radius[i] - f(1.0), exponent[i]
        z = x * x
        p = f(7.0376836292e-2)
        p = p * x + f(-1.1514610310e-1)
        p = p * x + f(1.1676998740e-1)
        p = p * x + f(-1.2420140846e-1)
        p = p * x + f(1.4249322787e-1)
        p = p * x + f(-1.6668057665e-1)
        p = p * x + f(2.0000714765e-1)
        p = p * x + f(-2.4999993993e-1)
        p = p * x + f(3.3333331174e-1)
        y = x * z * p + e * f(-2.12194440e-4) - f(0.5) * z
        radius[i] = math.sqrt(f(-2.0) * (x + y + e * f(0.693359375)))


@compiled
def _round(drawn: Words, radius: Floats, cosines: Floats, sines: Floats) -> None:
    """Write r cos a and r sin a, a = 2 pi (word / 2^32): of quadrant q and an angle from -pi/4 to pi/4 in it."""
    f = np.float32
    for i in range(_SPAN):
        turn = np.int32(drawn[i])
        q = np.int32((turn + 0x20000000) >> 30)
        x = f(turn - (q << 30)) * f(math.pi / 2**31)
        z = x * x
        sine = ((f(-1.9515295891e-4) * z + f(8.3321608736e-3)) * z + f(-1.6666654611e-1)) * z * x + x
        cosine = ((f(2.443315711809948e-5) * z + f(-1.388731625493765e-3)) * z + f(4.166664568298827e-2)) * z * z
        cosine = cosine - f(0.5) * z + f(1.0)
        along, across = (sine, cosine) if q & 1 else (cosine, sine)
        cosines[i] = (-along if (q + 1) & 2 else along) * radius[i]
        sines[i] = (-across if q & 2 else across) * radius[i]

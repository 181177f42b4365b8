"""Random numbers by seed and name: one independent stream per purpose, the same on every machine.

PCG64 and SeedSequence keep their streams across numpy versions, but numpy's distributions do not
(NEP 19), so the transforms to normal and chi-square variables are written out here. A stream is
named, never counted: adding a symbol or a purpose does not move the numbers of another, and a
longer series begins with the numbers of the shorter one.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

TAIL_DEGREES = 12

_BLOCK = 64


class Stream:
    """The random numbers of one purpose, such as (seed, "BTCUSDT-PERP", "volume")."""

    def __init__(self, seed: int, *names: str) -> None:
        key = tuple(zlib.crc32(name.encode()) for name in names)
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))

    def uniform(self, rows: int, columns: int = 1) -> Floats:
        """(rows, columns) uniforms strictly between 0 and 1."""
        raw = np.asarray(self._bits.random_raw(rows * columns), dtype=np.uint64)
        values = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return values.reshape(rows, columns)

    def normal(self, rows: int) -> Floats:
        """(rows,) standard normals (Box and Muller)."""
        pairs = self.uniform((rows + 1) // 2, 2)
        radius = np.sqrt(-2.0 * np.log(pairs[:, 0]))
        angle = (2.0 * math.pi) * pairs[:, 1]
        result = np.empty((len(pairs), 2))
        np.multiply(radius, np.cos(angle), out=result[:, 0])
        np.multiply(radius, np.sin(angle), out=result[:, 1])
        return result.reshape(-1)[:rows]

    def tail_scale(self, rows: int) -> Floats:
        """(rows,) factors that turn a normal into a Student t of 12 degrees and variance 1.

        t * sqrt((n - 2) / n) = normal * sqrt((n - 2) / chi2_n); chi2_12 is -2 ln of the product
        of six uniforms.
        """
        parts = self.uniform(rows, TAIL_DEGREES // 2)
        product = parts[:, 0].copy()
        for column in range(1, TAIL_DEGREES // 2):
            product *= parts[:, column]
        scale: Floats = np.sqrt((TAIL_DEGREES - 2) / (-2.0 * np.log(product)))
        return scale

    def autoregressive(self, rows: int, half_life: float) -> Floats:
        """(rows,) stationary AR(1) of unit variance; half_life is counted in rows."""
        return autoregressive(self.normal(rows), 0.5 ** (1.0 / half_life))


def autoregressive(innovations: Floats, persistence: float) -> Floats:
    """x_0 = e_0, x_t = persistence * x_(t-1) + sqrt(1 - persistence^2) * e_t.

    Solved in blocks: inside a block x_k = p^k * (sum e_j p^-j), a running sum; only the carry from
    block to block is a loop.
    """
    count = len(innovations)
    # p^-block stays below 2^32, so that the running sum loses no accuracy.
    block = max(1, min(_BLOCK, int(-32.0 / math.log2(persistence))))
    blocks = -(-count // block)
    padded = np.zeros(blocks * block)
    padded[:count] = innovations * math.sqrt(1.0 - persistence * persistence)
    if count:
        padded[0] = innovations[0]
    powers = persistence ** np.arange(block)
    local = np.cumsum(padded.reshape(blocks, block) / powers, axis=1) * powers
    carries = np.empty(blocks)
    carry, step = 0.0, persistence**block
    for row, last in enumerate(local[:, -1].tolist()):
        carries[row] = carry
        carry = last + carry * step
    local += np.outer(carries, powers * persistence)
    result: Floats = local.reshape(-1)[:count]
    return result

"""A short average without the compiler is the compiled one to the last bit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from interlock.strategy.columns import Prices
from interlock.strategy.indicators import sma

PROGRAM = """
import sys
import numpy as np
from interlock.strategy.columns import Prices
from interlock.strategy.indicators import sma
units = np.random.default_rng(3).integers(1, 99_999, 5_000)
column = sma(Prices.of(units, 2), {length})
assert "numba" not in sys.modules
assert not column.flags.writeable
sys.stdout.write(column.tobytes().hex())
"""


@pytest.mark.parametrize("length", [1, 7, 5_000])
def test_a_short_average_needs_no_compiler(length: int) -> None:
    import numba  # noqa: F401  Here the other form is used.

    units = np.random.default_rng(3).integers(1, 99_999, 5_000)
    program = [sys.executable, "-c", PROGRAM.format(length=length)]
    plain = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert plain == sma(Prices.of(units, 2), length).tobytes().hex()

"""An import that kills its own process before its nth change of the disk.

    python -m tests.end_to_end.kill_import ROOT replace 3

Prints the number of changes when it lives to the end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.research.catalog import Catalog, FileLayer
from interlock.strategy.columns import BarColumns

MINUTE = 60 * 10**9
START = 1_704_067_200 * 10**9
# Two instruments of one id: the rows of the first need finer units than the second has.
FINE = Instrument(
    id="BTCUSDT-PERP.BINANCE",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=3,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    taker_rate=500,
)
COARSE = msgspec.structs.replace(FINE, price_exponent=1)


def bars(instrument: Instrument, price: float, *, first: int = 0) -> BarColumns:
    """Ten bars at one price."""
    flat = np.full(10, round(price * 10**instrument.price_exponent), dtype=np.int64)
    return BarColumns(
        instrument=instrument, ts=START + MINUTE * np.arange(first, first + 10), step_ns=MINUTE,
        open=flat, high=flat, low=flat, close=flat, volume=np.ones(10, dtype=np.int64),
    )  # fmt: skip


class Killing(FileLayer):
    """Counts the changes of the disk and dies before the nth."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def _change(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path) -> BinaryIO:
        self._change()
        return super().create(path)

    def rename(self, source: Path, target: Path) -> None:
        self._change()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._change()
        super().remove(path)


def change(catalog: Catalog, mode: str) -> None:
    """The change that is killed: other rows in coarser units, or rows that are added."""
    if mode == "replace":
        catalog.put(bars(COARSE, 200.5), origin="new", mode="replace")
    else:
        catalog.put(bars(FINE, 100.125, first=10), origin="new")


if __name__ == "__main__":
    layer = Killing(int(sys.argv[3]))
    change(Catalog(Path(sys.argv[1]), files=layer), sys.argv[2])
    print(layer.count)

"""What comes from the venue before somebody listens, and bars that trades make on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.market import Trade
from interlock.strategy.aggregation import BarBuilder

KEPT = 100_000


class Inlet:
    """The callback of a venue: keeps what it hears until it is opened, then passes it on."""

    def __init__(self) -> None:
        self._kept: deque[Any] = deque(maxlen=KEPT)
        self._sink: Callable[[Any], None] | None = None

    def __call__(self, event: Any) -> None:
        if self._sink is None:
            # A cursor may move on before anybody looks: what waits is a copy.
            self._kept.append(event.copy() if hasattr(event, "copy") else event)
            return
        self._sink(event)

    def open(self, sink: Callable[[Any], None]) -> None:
        """Pass on what was kept, then everything that comes."""
        self._sink = sink
        while self._kept:
            sink(self._kept.popleft())


class BarMaker:
    """Makes bars of one step from trades, and gives them away when their time is over.

    For steps that the venue has no stream of. ``ts`` of a bar is venue time as the trades told it.
    """

    def __init__(
        self, instruments: Iterable[Instrument], step_ns: int, sink: Callable[[Any], None]
    ) -> None:
        self.step_ns = step_ns
        self._builders = {item.id: BarBuilder(item, step_ns) for item in instruments}
        self._sink = sink

    def __call__(self, event: Any) -> None:
        self._sink(event)
        if type(event) is Trade:
            builder = self._builders[event.instrument.id]
            ts = event.ts_event
            self._give(builder.add_trade(ts, event.price_units, event.quantity_units), ts)

    def advance(self, ts: int) -> None:
        """Time passes without trades."""
        for builder in self._builders.values():
            self._give(builder.advance(ts), ts)

    def _give(self, bars: Iterable[Any], ts: int) -> None:
        for bar in bars:
            self._sink(bar.arriving(max(ts, bar.ts_event)))

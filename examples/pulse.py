"""A strategy that never sits still: made to be watched on the local exchange, not to earn money.

It goes with the last move, in turns across the spread and with an order that rests at the touch.
Every entry is a bracket: no position without a stop at the venue. A resting entry that nobody
takes is withdrawn, and a position that meets neither its stop nor its target is closed by time.
"""

from collections import deque

from interlock.strategy.api import Strategy
from interlock.strategy.parameters import param

SECOND = 10**9


class Pulse(Strategy):
    """One position at a time, for seconds."""

    share: float = param(0.1, 0.01, 1.0, text="share of the equity in one position")
    stop_bps: float = param(4.0, 1.0, 500.0, text="distance of the stop")
    target_bps: float = param(1.5, 0.5, 500.0, text="distance of the target")
    hold: float = param(6.0, 0.5, 3600.0, text="seconds until a position is closed by time")
    patience: float = param(4.0, 0.5, 3600.0, text="seconds that an entry may rest")
    pause: float = param(2.0, 0.1, 3600.0, text="seconds between two round trips")
    memory: float = param(3.0, 0.1, 600.0, text="seconds over which a move is measured")

    protection = "required"

    def on_start(self):
        self.seen = deque()  # (time, middle) of the last seconds
        self.entry = 0  # reference of the last entry
        self.entries = 0
        self.since = 0  # when the entry was placed, then when it was filled
        self.ready = 0  # no entry before this time
        self.leaving = False

    def on_quote(self, quote):
        now = self.view.ts_event
        move = self.move(now, (quote.bid + quote.ask) / 2)
        held = self.view.position_units()
        if held:
            if not self.leaving and now - self.since > self.hold * SECOND:
                self.leave(held)
        elif self.view.order(self.entry) is not None:
            if not self.leaving and now - self.since > self.patience * SECOND:
                self.leaving = True
                self.cancel(self.entry)
        elif not self.view.open_orders() and now >= self.ready:
            self.enter(1 if move >= 0 else -1, quote)

    def on_fill(self, fill):
        if not self.view.position_units():
            self.over()
        elif fill.ref == self.entry:
            self.since = self.view.ts_event

    def on_order(self, ref, report):
        if ref == self.entry and self.view.order(ref) is None and not self.view.position_units():
            self.over()

    def move(self, now, middle):
        """How far the price went within the memory."""
        self.seen.append((now, middle))
        while now - self.seen[0][0] > self.memory * SECOND:
            self.seen.popleft()
        return middle - self.seen[0][1]

    def enter(self, side, quote):
        """In turns at the market and at the touch, with a stop and a target in the same breath."""
        rests = self.entries % 2 == 1
        price = (quote.bid if side > 0 else quote.ask) if rests else None
        near = price or (quote.ask if side > 0 else quote.bid)
        self.entries += 1
        self.leaving, self.since = False, self.view.ts_event
        self.entry = self.bracket(
            side,
            self.share * self.view.equity / near,
            entry=price,
            stop=near * (1 - side * self.stop_bps / 10_000),
            target=near * (1 + side * self.target_bps / 10_000),
        )

    def leave(self, held):
        """Close at the market; the stop stays until the position is gone."""
        self.leaving = True
        self.close(tag="time")

    def over(self):
        """Flat again: what is left of the bracket goes, then a moment of rest."""
        self.ready = self.view.ts_event + int(self.pause * SECOND)
        if self.view.open_orders():
            self.cancel_all()

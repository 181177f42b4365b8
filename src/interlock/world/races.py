"""Cancels that meet an execution: confirmed without it, and it is told when the order is over.

The venue's book is right all the time. What lags is what it tells: the answer to the cancel and the
order's last message count what was filled a moment before, where they count it, and the trade
itself is told late.
"""

from __future__ import annotations

from interlock.runtime.settings import MS
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice
from interlock.world.exchange import Exchange
from interlock.world.lines.line import Lag

KIND = "cancel_race"


class Races:
    """Executions that came just before the cancel of their order."""

    def __init__(self, exchange: Exchange, dice: Dice) -> None:
        self._exchange = exchange
        self._dice = dice
        # What orders had filled before, by the core's names.
        self._before: dict[str, Lag] = {}

    def cancel(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Carry a cancel out; where a race strikes, the order trades a moment before."""
        exchange, words = self._exchange, self._exchange.line.words
        name = words.canceled(request)
        may_strike = KIND in self._dice.plan.rates and exchange.is_resting(name)
        is_struck = may_strike and self._dice.hits(KIND)
        before = exchange.fill_before(ts, name) if is_struck else None
        if before is not None:
            self._before[name] = before
        response = exchange.server.handle(ts, request)
        return response if before is None else words.confirmed(response, before)

    def told(self, frame: bytes) -> tuple[bytes, int]:
        """A message of the user stream as it comes, and how late: what lags behind a race."""
        if not self._before:
            return frame, 0
        frame, is_late = self._exchange.line.words.lagging(frame, self._before)
        return frame, self._dice.between(KIND, 1_000, 10_000) * MS if is_late else 0

"""Cancels that meet an execution: confirmed without it, and it is told when the order is over.

The venue's book is right all the time. What lags is what it tells: the answer to the cancel and the
order's last message count what was filled a moment before, and the trade itself is told late.
"""

from __future__ import annotations

import msgspec

from interlock.runtime.settings import MS
from interlock.wire.binance import form
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice
from interlock.world.exchange import Exchange

KIND = "cancel_race"
ADDRESS = "10.0.0.1"
_PATH = "/fapi/v1/order"


class Races:
    """Executions that came just before the cancel of their order."""

    def __init__(self, exchange: Exchange, dice: Dice) -> None:
        self._exchange = exchange
        self._dice = dice
        # Client id -> what had been filled before, as the venue writes it.
        self._before: dict[str, str] = {}

    def cancel(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Carry a cancel out; where a race strikes, the order trades a moment before."""
        handle, name = self._exchange.server.handle, _named(request)
        is_struck = (
            KIND in self._dice.plan.rates
            and self._exchange.is_resting(name)
            and self._dice.hits(KIND)
        )
        before = self._exchange.fill_before(ts, name) if is_struck else ""
        if before:
            self._before[name] = before
        response = handle(ts, request, address=ADDRESS)
        if not before or response.status != 200:
            return response
        said = msgspec.json.decode(response.body)
        said["executedQty"] = before
        return msgspec.structs.replace(response, body=msgspec.json.encode(said))

    def told(self, frame: bytes) -> tuple[bytes, int]:
        """A message of the user stream as it comes, and how late: what lags behind a race."""
        if not self._before or b'"ORDER_TRADE_UPDATE"' not in frame:
            return frame, 0
        said = msgspec.json.decode(frame)
        order = said["o"]
        before = self._before.get(order["c"])
        if before is None:
            return frame, 0
        if order["x"] == "TRADE":
            return frame, self._dice.between(KIND, 1_000, 10_000) * MS
        order["z"] = before
        return msgspec.json.encode(said), 0


def _named(request: HttpRequest) -> str:
    """The client id of the plain order that a cancel is about."""
    if request.path != _PATH:
        return ""
    return dict(form.read(request.query or request.body)).get("origClientOrderId", "")

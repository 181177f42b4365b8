"""The venue cancels our orders when we fall silent: refreshed by a healthy loop only.

It covers the death of this process. Where the venue's switch takes protective stops with it, it is
armed while there is no position, and taken off before there is one.
"""

from __future__ import annotations

from interlock.model.rows import RequestRow
from interlock.model.venue import Answer, DeadManRequest, Verdict
from interlock.runtime.asks import WEIGHTS, Asks, Pending
from interlock.runtime.budget import Lane
from interlock.runtime.desk import Desk
from interlock.runtime.gate import Fence


class DeadMan:
    """Arms, refreshes and takes off the venue's switch, per instrument with entries or stops."""

    def __init__(self, asks: Asks, fence: Fence) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.fence = fence
        self.armed: dict[str, int] = {}

    def due(self) -> None:
        """Refresh where it may be armed, take off where it may not."""
        delay = self.desk.settings.dead_man_ns
        if not delay or self.fence.refusal(self.desk.ts) is not None:
            return
        wanted = self._wanted()
        for instrument in wanted:
            if self.desk.ts >= self.armed.get(instrument, 0) + delay // 3:
                self._send(instrument, delay // 1_000_000)
        for instrument in [name for name in self.armed if name not in wanted]:
            self._send(instrument, 0)

    def _wanted(self) -> dict[str, None]:
        """Instruments with open orders where a cancel of all would leave nothing unprotected."""
        found: dict[str, None] = {}
        for order in self.desk.state.open.values():
            name = order.spec.instrument
            is_flat = not self.desk.state.instruments[name].net.quantity
            if is_flat or self.desk.settings.dead_man_keeps_stops:
                found[name] = None
        return found

    def _send(self, instrument: str, delay_ms: int) -> None:
        desk = self.desk
        if not self.asks.budget.take(desk.ts, Lane.CANCEL, weight=WEIGHTS[DeadManRequest]):
            return
        request = DeadManRequest(
            request_id=self.asks.number(), delay_ms=delay_ms, instrument=instrument
        )
        epoch = self.fence.lease.epoch
        account = desk.settings.account
        desk.write(RequestRow(ts_event=desk.ts, account=account, request=request, epoch=epoch))
        self.asks.send(request, self._told)
        if delay_ms:
            self.armed[instrument] = desk.ts
        else:
            self.armed.pop(instrument, None)

    def _told(self, answer: Answer, pending: Pending) -> None:
        request = pending.request
        if isinstance(request, DeadManRequest) and answer.verdict is not Verdict.ACCEPTED:
            # Refresh, or take off, again at the next look; on a doubt it counts as armed.
            self.armed[request.instrument] = 0
            self.desk.tell("DEAD_MAN_FAILED", request.instrument, answer.reason, level="WARNING")

    @property
    def wake_ts(self) -> int:
        """When the next refresh is due, 0 when none is."""
        third = self.desk.settings.dead_man_ns // 3
        return min((ts + third for ts in self.armed.values()), default=0) if third else 0

"""The venue cancels our orders when we fall silent: refreshed by a healthy loop only.

It covers the death of this process. Where the venue's switch takes protective stops with it, it is
armed only while there is no position, and taken off as soon as one is there or on its way. Some
venues have a switch for each instrument, others one for the whole account; that one is armed only
while every instrument is flat.
"""

from __future__ import annotations

from interlock.model.order import OrderType
from interlock.model.rows import RequestRow
from interlock.model.venue import Answer, DeadManRequest, Verdict
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.budget import Lane
from interlock.runtime.desk import Desk
from interlock.runtime.gate import Fence
from interlock.runtime.settings import SECOND

# The name of the switch of a whole account.
ACCOUNT = ""
# A request that failed, or was held back by the budget, is made again after this time.
AGAIN_NS = SECOND
REFUSALS = 3


class DeadMan:
    """Arms, refreshes and takes off the venue's switches.

    ``armed`` has every switch that may be armed at the venue, with the time it was last asked for.
    """

    def __init__(self, asks: Asks, fence: Fence) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.fence = fence
        # Whoever armed one before may have died before it was off: its countdown would take the
        # stops of a position, and orders of an engine that does not use it any more.
        self.armed: dict[str, int] = dict.fromkeys(self.desk.books.armed, 0)
        self._not_before: dict[str, int] = {}
        # How often in a row the venue has refused to arm a switch.
        self._refused: dict[str, int] = {}
        self._ts_fenced = 0

    def due(self) -> None:
        """Refresh where it may be armed, take off where it may not."""
        delay = self.desk.settings.dead_man_ns
        if not delay and not self.armed:
            return
        if self.fence.refusal(self.desk.ts) is not None:
            # Nothing may leave; what is overdue wakes nobody before the lease may be there again.
            self._ts_fenced = self.desk.ts + AGAIN_NS
            return
        exposed = self._exposed()
        wanted = [name for name in self._over_orders() if delay and name not in exposed]
        for switch, armed in list(self.armed.items()):
            # Orders come and go: without any the switch is taken off when a refresh would be due.
            is_old = self.desk.ts >= armed + delay // 3
            if switch in exposed or (is_old and switch not in wanted):
                self._send(switch, 0)
        for switch in wanted:
            if self.desk.ts >= self.armed.get(switch, 0) + delay // 3:
                self._send(switch, delay // 1_000_000)

    def _over_orders(self) -> dict[str, None]:
        """Switches over orders that may be open at the venue: they have left, or were there."""
        return {
            self._switch(order.spec.instrument): None
            for name, order in self.desk.state.open.items()
            if self.desk.track(name) is not None
        }

    def _exposed(self) -> dict[str, None]:
        """Switches over positions, held or about to be, that stops may protect."""
        state = self.desk.state
        if self.desk.settings.dead_man_keeps_stops:
            return {}
        held = [name for name, slot in state.instruments.items() if slot.net.quantity]
        for order in state.open.values():
            if order.spec.type is OrderType.MARKET:
                held.append(order.spec.instrument)
        return dict.fromkeys(self._switch(name) for name in held)

    def _switch(self, instrument: str) -> str:
        return ACCOUNT if self.desk.settings.dead_man_scope == "account" else instrument

    def _send(self, switch: str, delay_ms: int) -> None:
        desk = self.desk
        if desk.ts < self._not_before.get(switch, 0):
            return
        weight = self.asks.weight(DeadManRequest)
        if not self.asks.budget.take(desk.ts, Lane.CANCEL, weight=weight):
            self._not_before[switch] = desk.ts + AGAIN_NS
            return
        request = DeadManRequest(
            request_id=self.asks.number(), delay_ms=delay_ms, instrument=switch
        )
        epoch = self.fence.lease.epoch
        account = desk.settings.account
        desk.write(RequestRow(ts_event=desk.ts, account=account, request=request, epoch=epoch))
        self.asks.send(request, self._told)
        if delay_ms:
            self.armed[switch] = desk.ts
        else:
            self.armed.pop(switch, None)

    def _told(self, answer: Answer, pending: Pending) -> None:
        request = pending.request
        if not isinstance(request, DeadManRequest):
            return
        switch = request.instrument
        if answer.verdict is Verdict.ACCEPTED:
            self._refused.pop(switch, None)
            if request.delay_ms:
                # It may have been carried out after the request that took it off.
                self.armed.setdefault(switch, self.desk.ts)
            return
        # Asked again a little later; on a doubt it counts as armed. What the venue refuses to arm
        # for once may be our time; what it refuses again and again waits until a refresh is due.
        is_refused = answer.verdict is Verdict.REJECTED and request.delay_ms > 0
        self._refused[switch] = refused = (self._refused.get(switch, 0) + 1) * is_refused
        self.armed[switch] = self.desk.ts if refused >= REFUSALS else 0
        self._not_before[switch] = self.desk.ts + AGAIN_NS
        self.desk.tell("DEAD_MAN_FAILED", switch, answer.reason, level="WARNING")

    @property
    def wake_ts(self) -> int:
        """When the next refresh is due, 0 when none is."""
        third = self.desk.settings.dead_man_ns // 3
        dues = (
            max(ts + third, self._not_before.get(name, 0), 1) for name, ts in self.armed.items()
        )
        due = min(dues, default=0)
        return max(due, self._ts_fenced) if due else 0

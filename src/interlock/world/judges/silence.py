"""I14 and I16: the venue's switch for a silent engine, where a plan has it on.

It takes the entries of an engine that is gone, and of no other one. It is armed while entries rest,
and never over a position whose stops it could take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from interlock.model.venue import DeadManRequest, PlaceRequest, Request
from interlock.runtime.settings import SECOND
from interlock.sim.venue.values import EndReason, Order, OrderEvent
from interlock.world.exchange import ACCOUNT, is_waiting
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

LOOK_NS = 1 * SECOND
# How long a switch may be missing, or armed where it may not be, counted only while an engine
# trades and the venue can be reached.
WRONG_NS = 45 * SECOND
# A request that left before an engine fell silent is there after this time, or never.
LATE_NS = 12 * SECOND
# A request is given up after its time-out, and made again a little later.
AGAIN_NS = 8 * SECOND


class _Watched:
    """One symbol: times of what lasts, ns, and the newest requests that armed its switch."""

    __slots__ = ("bare", "due", "held", "sent", "should")

    def __init__(self) -> None:
        self.bare = self.held = self.should = 0
        # When its switch strikes, as it was armed when the engine had fallen silent; 0 = not.
        self.due = 0
        self.sent: deque[int] = deque(maxlen=8)


class Silence(Judge):
    """Looks at entries, positions and switches of the venue every second."""

    invariants = ("I14", "I16")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        # As the engine that runs was started: 0 = it does not use the switch.
        self._delay = scene.settings.dead_man_ns
        self._keeps_stops = scene.settings.dead_man_keeps_stops
        self._watched = {item.id: _Watched() for item in scene.exchange.instruments}
        self._silent = 0
        if self._delay:
            scene.timeline.after(LOOK_NS, self._look)

    def started(self, process: Process) -> None:
        """An engine uses the switch, or does not, from its start to its end."""
        self._delay = self.scene.settings.dead_man_ns

    def leaves(self, process: Process, request: Request) -> None:
        """A healthy loop alone keeps the switch from striking."""
        if isinstance(request, PlaceRequest | DeadManRequest):
            # It lived between two looks.
            self._silent = 0
            for watched in self._watched.values():
                watched.due = 0
        if not isinstance(request, DeadManRequest) or not request.delay_ms:
            return
        loop = process.loop
        is_trading = loop is not None and loop.engine.startup.is_trading
        text = f"{process.name} renews the switch of {request.instrument} and does not trade"
        self.demand("I16", is_trading, text)
        for symbol, watched in self._watched.items():
            if request.instrument in ("", symbol):
                watched.sent.append(self.scene.timeline.ts)

    def saw(self, event: Any) -> None:
        """The switch strikes: orders that wait for a price stand, and nobody was there."""
        if not isinstance(event, OrderEvent) or event.order.reason != EndReason.DEAD_MAN:
            return
        order, watched = event.order, self._watched.get(event.order.symbol)
        # What it has taken may still be told to have traded before.
        if order.account != ACCOUNT or watched is None or event.fill is not None:
            return
        ts = self.scene.timeline.ts
        # Each time may be lost on its way; who has not tried for so long let it happen.
        began = max(ts - watched.should, *watched.sent, 0)
        was_tried = ts - began <= self._delay // 3 + AGAIN_NS
        text = f"the venue's switch takes {order.client_id} from an engine that trades"
        self.demand("I16", was_tried, text)

    def _look(self) -> None:
        acts, ts = self.may_act() and self._has_lease(), self.scene.timeline.ts
        self._silent = 0 if acts else self._silent + LOOK_NS
        armed = self.scene.exchange.core.state.dead_men
        for symbol, watched in self._watched.items():
            entries = self._entries(symbol)
            due = armed.get((ACCOUNT, symbol), 0) or armed.get((ACCOUNT, ""), 0)
            if acts:
                self._alive(symbol, watched, entries, due)
                continue
            watched.should = 0
            if self._silent == LATE_NS:
                watched.due = due
            if self._silent > LATE_NS and 0 < watched.due < ts - LOOK_NS:
                left = ", ".join(order.client_id for order in entries)
                text = f"{left} rest after the countdown of an engine that is silent"
                self.demand("I16", not entries, text)
        self.scene.timeline.after(LOOK_NS, self._look)

    def _has_lease(self) -> bool:
        """Whether the engine that runs may send anything: it may not when its lease has run out."""
        process, lease = self.scene.running, self.scene.files.lease
        return process is not None and lease is not None and lease.ts_expires > process.now_ns()

    def _alive(self, symbol: str, watched: _Watched, entries: list[Order], due: int) -> None:
        positions = [self._positions(name) for name in self._covered(symbol)]
        is_held = any(at_venue and in_rows for at_venue, in_rows in positions)
        is_flat = not any(at_venue or in_rows for at_venue, in_rows in positions)
        watched.due = 0
        watched.should = watched.should + LOOK_NS if entries and is_flat else 0
        watched.bare = watched.bare + LOOK_NS if watched.should and self._delay and not due else 0
        watched.held = watched.held + LOOK_NS if is_held and due else 0
        text = f"{len(entries)} entries of {symbol} rest for {watched.bare // SECOND} s unguarded"
        self.demand("I16", watched.bare <= WRONG_NS, text)
        text = f"the switch of {symbol} stays armed over a position"
        self.demand("I14", watched.held <= WRONG_NS, text)

    def _covered(self, symbol: str) -> Iterable[str]:
        """What the switch over a symbol covers: it alone, or all of the account."""
        return self._watched if self.scene.exchange.line.is_switch_of_account else (symbol,)

    def _positions(self, symbol: str) -> tuple[bool, bool]:
        """Whether there is a position that a stop may protect, at the venue and in our rows.

        What nothing tells of is found by a full comparison, and an execution without a name waits
        for one, a minute or more where answers are lost: until then the rows may miss a position,
        and have one that somebody has closed by hand. The engine can go by its rows alone; how
        long they may be wrong is judged elsewhere.
        """
        if self._keeps_stops:
            return False, False
        return bool(self.scene.exchange.position(symbol)), bool(self.record.position(symbol))

    def _entries(self, symbol: str) -> list[Order]:
        """Orders of ours that rest there and may open a position."""
        return [
            order
            for order in self.scene.exchange.open_orders()
            if order.symbol == symbol
            and not is_waiting(order)
            and not order.reduce_only
            and order.client_id in self.record.orders
        ]

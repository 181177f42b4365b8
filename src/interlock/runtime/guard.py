"""Keeps positions protected at the venue: repairs, the ladder of exits, and what is too much.

A position that requires a stop and lacks one gets it within a third of the repair time; at the end
of it there is an alarm and the position is left at the market. A stop with a limit that triggered
and did not fill becomes a crossing limit order, then a market order, each after its time.
"""

from __future__ import annotations

from interlock.kernel import exits
from interlock.kernel.exits import Gap
from interlock.kernel.restore import exit_row
from interlock.kernel.state import Order
from interlock.model.events import ExitDue
from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch

BPS = 10_000
STOPS_MAX = 2


class Guard:
    """Watches positions of strategies that require protection."""

    def __init__(self, desk: Desk, dispatch: Dispatch) -> None:
        self.desk = desk
        self.dispatch = dispatch
        self.evaluations = 0
        self.repairs = 0
        self.naked: dict[str, int] = {}
        self._tried: dict[str, int] = {}
        self._triggered: dict[str, int] = {}
        # Exits of nothing that are still there, and when their cancel was last tried.
        self._orphans: dict[str, int] = {}

    def due(self) -> None:
        """Look at every position once."""
        self.evaluations += 1
        found = exits.gaps(self.desk.state)
        lacking = set()
        for gap in found:
            key = f"{gap.owner.name} {gap.slot.instrument.id}"
            self._climb(gap, key)
            if gap.missing:
                lacking.add(key)
                self._repair(gap, key)
            else:
                self._thin_out(gap)
        for key in [key for key in self.naked if key not in lacking]:
            took = self.desk.ts - self.naked.pop(key)
            self._tried.pop(key, None)
            self.desk.tell("PROTECTED", key, took_ms=took // 10**6)
        self._clear_orphans()

    def _repair(self, gap: Gap, key: str) -> None:
        ts, settings = self.desk.ts, self.desk.settings
        since = self.naked.setdefault(key, ts)
        if gap.on_the_way >= gap.missing or self._leaving(gap):
            return
        if ts >= since + settings.repair_ns:
            if ts >= self._tried.get(f"{key} left", 0) + settings.repair_ns:
                self._tried[f"{key} left"] = ts
                text = f"{gap.missing} of {abs(gap.held)} without a stop; leaving at the market"
                self.desk.record("POSITION_UNPROTECTED", key, text, level="CRITICAL")
                self._exit(gap, gap.missing, tag="leave")
            return
        if ts >= since + settings.repair_ns // 3 and key not in self._tried:
            self._tried[key] = ts
            self.repairs += 1
            self._place_stop(gap)

    def _place_stop(self, gap: Gap) -> None:
        slot = gap.slot
        trigger = self._trigger(gap)
        is_through = not trigger or (self._price(gap) - trigger) * gap.held <= 0
        self.desk.tell("STOP_REPAIR", slot.instrument.id, level="WARNING", trigger=trigger)
        if is_through:
            self._exit(gap, gap.missing, tag="leave")
        else:
            self._exit(gap, gap.missing, trigger=trigger, tag="protect")

    def _trigger(self, gap: Gap) -> int:
        """Where the last stop of the position stood or stands, or a set distance from the mark.

        What was over before the ones that stand were placed may be of a position before this one.
        """
        side = -1 if gap.held > 0 else 1
        name = gap.slot.instrument.id
        since = min((order.ts_submitted for order in gap.stops), default=0)
        for order in reversed(self.desk.state.closed.values()):
            is_own = order.owner is gap.owner and order.spec.tag != "leave"
            is_of_it = is_own and order.ts_closed >= since
            if is_of_it and exits.protects(order.spec, name, side) and order.spec.trigger:
                return order.spec.trigger
        for order in reversed(gap.stops):
            is_waiting = order.status is not OrderStatus.TRIGGERED and not order.filled
            if is_waiting and order.spec.trigger:
                return order.spec.trigger
        packed = self.desk.books.stops.get(f"{gap.owner.name} {name} {side:+d}")
        if packed:
            return packed
        price = self._price(gap)
        distance = price * self.desk.settings.stop_distance_bps // BPS
        return gap.slot.instrument.round_price(price + side * distance, up=side > 0)

    def _price(self, gap: Gap) -> int:
        return self.dispatch.gate.freshness.price(gap.slot.instrument.id)

    def _climb(self, gap: Gap, key: str) -> None:
        """A stop-limit that triggered and rests: cross the book, then go to the market."""
        ts, settings = self.desk.ts, self.desk.settings
        resting = [
            order
            for order in gap.stops
            if order.spec.type is OrderType.STOP_LIMIT
            and (order.status is OrderStatus.TRIGGERED or order.filled)
        ]
        if not resting:
            if self._triggered.pop(key, None) is not None:
                for rung in ("market", "cross"):
                    self._tried.pop(f"{key} {rung}", None)
            return
        since = self._triggered.setdefault(key, ts)
        for rung, after in (
            ("market", settings.market_after_ns),
            ("cross", settings.cross_after_ns),
        ):
            if ts >= since + after and f"{key} {rung}" not in self._tried:
                self._tried[f"{key} {rung}"] = ts
                self.desk.record("STOP_NOT_FILLED", key, f"next rung: {rung}", level="WARNING")
                if rung == "market":
                    self._exit(gap, abs(gap.held), tag=rung)
                else:
                    rest = max(0, abs(gap.held) - self._leaving(gap))
                    self._exit(gap, rest, price=self._cross_price(gap), tag=rung)
                return

    def _cross_price(self, gap: Gap) -> int:
        side = -1 if gap.held > 0 else 1
        price = self._price(gap)
        reach = price * self.desk.settings.cross_bps // BPS
        return gap.slot.instrument.round_price(price + side * reach, up=side > 0)

    def _leaving(self, gap: Gap) -> int:
        """Quantity of orders under way that close the position at once, in units.

        The rung that crosses the book is one of them: another exit beside it would turn the
        position where the venue's mark is left out.
        """
        return sum(
            order.leaves
            for order in gap.owner.orders.values()
            if order.is_open
            and order.spec.reduce_only
            and (order.spec.type is OrderType.MARKET or order.spec.time_in_force is TimeInForce.IOC)
            and order.spec.instrument == gap.slot.instrument.id
            and order.client_order_id in self.desk.state.open
        )

    def _exit(
        self, gap: Gap, quantity: int, *, price: int = 0, trigger: int = 0, tag: str = "leave"
    ) -> None:
        event = ExitDue(
            self.desk.ts,
            gap.owner.name,
            gap.slot.instrument.id,
            quantity,
            price,
            trigger,
            tag,
        )
        self.desk.apply(exit_row(event))

    def _thin_out(self, gap: Gap) -> None:
        """Two stops at most, while one replaces the other; the newest stay."""
        standing = [order for order in gap.stops if order.status in exits.STANDING]
        spare = gap.covered - abs(gap.held)
        for order in standing[:-STOPS_MAX]:
            if order.leaves <= spare and self.dispatch.cancel(order.client_order_id):
                spare -= order.leaves

    def _clear_orphans(self) -> None:
        """Exits of a position that is gone: stops that we placed, and those of a bracket.

        The other leg of a pair is canceled when a leg fills; where it was in doubt then, or the
        cancel was refused, it is still there.
        """
        ts, again = self.desk.ts, self.desk.settings.repair_ns // 3
        tried, self._orphans = self._orphans, {}
        for name, order in self.desk.state.open.items():
            if self._is_orphan(order):
                self._orphans[name] = tried.get(name, 0)
        for name, last in self._orphans.items():
            track = self.desk.track(name)
            if ts >= last + again and track is not None and track.cancel is None:
                self._orphans[name] = ts
                self.dispatch.cancel(name)

    def _is_orphan(self, order: Order) -> bool:
        spec, owner = order.spec, order.owner
        is_of_bracket = spec.reduce_only and spec.parent and spec.parent not in owner.orders
        if spec.tag != "protect" and not is_of_bracket:
            return False
        held = owner.positions.get(spec.instrument)
        return held is None or not held.quantity

    @property
    def wake_ts(self) -> int:
        """When the next repair or rung is due, 0 when every position is protected."""
        settings = self.desk.settings
        times = [self.desk.ts + settings.repair_ns // 6 for _ in self.naked]
        times += [self.desk.ts + settings.cross_after_ns // 4 for _ in self._triggered]
        return min(times, default=0)

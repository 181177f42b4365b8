"""Where orders act while a price walks one leg of a bar, and which of them it meets first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from interlock.model.order import OrderType
from interlock.sim.working import Working

_TRAILING = OrderType.TRAILING_STOP
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, _TRAILING)


class Leg(NamedTuple):
    """A straight way from one price to another, in price units.

    ``touches`` lets a resting limit fill at a mere touch; ``is_open`` is whether any of the bar's
    volume is left for us; after the last leg comes the close.
    """

    start: int
    goal: int
    is_last: bool
    touches: bool
    is_open: bool

    @property
    def rises(self) -> bool:
        """Whether the price rises, or stands still."""
        return self.goal >= self.start

    def meets(self, level: int) -> int:
        """Where the price meets a level that it reaches or has passed already."""
        return max(level, self.start) if self.rises else min(level, self.start)


def first_reached(orders: Iterable[Working], leg: Leg) -> tuple[Working, int] | None:
    """The order that the price meets first, and where: stops before limits, then the older."""
    best: tuple[int, int, int] | None = None
    found: tuple[Working, int] | None = None
    for order in orders:
        level = _level(order, leg)
        if level is None:
            continue
        is_resting = order.is_limit and not order.armed
        rank = (abs(level - leg.start), int(is_resting), order.sequence)
        if best is None or rank < best:
            best, found = rank, (order, level)
    return found


def _level(order: Working, leg: Leg) -> int | None:
    """Where on this leg the order acts, or None."""
    if order.armed:
        level = trigger_level(order)
        reached = leg.goal >= level if leg.rises else leg.goal <= level
        return leg.meets(level) if reached and order.rises_to_trigger == leg.rises else None
    if not order.is_limit or not leg.is_open:
        return None
    if order.mid_bar:
        return _late_level(order, leg)
    if (order.side > 0) == leg.rises:
        return None
    beyond = (order.price - leg.goal) * order.side
    return leg.meets(order.price) if beyond > 0 or (beyond == 0 and leg.touches) else None


def _late_level(order: Working, leg: Leg) -> int | None:
    """Where an order that came during the walk trades: only a close beyond it is proof."""
    if not leg.is_last:
        return None
    beyond = (order.price - leg.goal) * order.side
    if beyond < 0 or (not beyond and not leg.touches):
        return None
    low, high = sorted((leg.start, leg.goal))
    return order.price if low <= order.price <= high else leg.goal


def trigger_level(order: Working) -> int:
    """The price that activates a conditional order."""
    if order.spec.type is not _TRAILING:
        return order.trigger
    return order.best + order.side * order.spec.trail


def is_triggered(order: Working, price: int) -> bool:
    """Whether a price activates a conditional order."""
    level = trigger_level(order)
    return price >= level if order.rises_to_trigger else price <= level


def follow(orders: Iterable[Working], price: int) -> None:
    """Let trailing stops follow a price in their favor."""
    for order in orders:
        if order.armed and order.spec.type is _TRAILING:
            order.best = max(order.best, price) if order.side < 0 else min(order.best, price)


def ambiguous_side(orders: Iterable[Working], low: int, high: int) -> int:
    """+1 when exits' stop lies above inside a bar with their target, -1 below, else 0."""
    stops: set[int] = set()
    goals: set[int] = set()
    for order in orders:
        if not order.spec.oco and not order.spec.reduce_only:
            continue
        is_stop = order.armed and order.spec.type in _STOPS
        level = trigger_level(order) if is_stop else order.price or order.trigger
        if low <= level <= high:
            (stops if is_stop else goals).add(order.side)
    return next((side for side in (1, -1) if side in stops and side in goals), 0)

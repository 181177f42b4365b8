"""What the exchange holds against what a bot believes, and for how long the two differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True)
class Order:
    """One order under every id that it has: the client's, the venue's."""

    ids: frozenset[str]
    is_open: bool


@dataclass(frozen=True)
class Books:
    """Orders, and positions in base units by base currency, as one side holds them.

    ``decisions`` is how many orders a bot says it meant to send; 0 at the venue.
    """

    orders: tuple[Order, ...] = ()
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    decisions: int = 0

    @property
    def exposure(self) -> Mapping[str, Decimal]:
        """Positions that are not zero."""
        return {base: held for base, held in self.positions.items() if held}


@dataclass(frozen=True)
class Sample:
    """Both sides at one moment, seconds of the host's clock; ``differences`` in words."""

    at: float
    venue: Books
    believed: Books
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """The longest time in which both sides differed, and whether they still did at the end."""

    seconds: float
    is_over: bool


def unrecorded(venue: Books, believed: Books) -> int:
    """Orders at the venue of which the bot has no record under any id."""
    known = {name for order in believed.orders for name in order.ids}
    return sum(not order.ids & known for order in venue.orders)


def compare(at: float, venue: Books, believed: Books) -> Sample:
    """One moment: equal when positions, open orders and the set of known orders are."""
    found = []
    if venue.exposure != believed.exposure:
        found.append(f"position {told(venue.exposure)}, believed {told(believed.exposure)}")
    missing = unrecorded(venue, believed)
    if missing:
        found.append(f"{missing} orders unrecorded")
    ours = {name for order in believed.orders if order.is_open for name in order.ids}
    theirs = {name for order in venue.orders if order.is_open for name in order.ids}
    unseen = sum(order.is_open and not order.ids & ours for order in venue.orders)
    ghosts = sum(order.is_open and not order.ids & theirs for order in believed.orders)
    if unseen:
        found.append(f"{unseen} open at the venue only")
    if ghosts:
        found.append(f"{ghosts} open in the bot only")
    return Sample(at, venue, believed, tuple(found))


def doubt(samples: Sequence[Sample], since: float) -> Doubt:
    """The longest unbroken difference after ``since``, or the one that has not ended.

    It lasts from the first sample that differs to the first that agrees; from ``since`` when the
    first sample after it differs.
    """
    watched = [sample for sample in samples if sample.at >= since]
    longest, begun = 0.0, None
    for number, sample in enumerate(watched):
        if not sample.differences:
            longest, begun = max(longest, sample.at - begun if begun else 0.0), None
        elif begun is None:
            begun = sample.at if number else since
    if begun is not None:
        return Doubt(watched[-1].at - begun, is_over=False)
    return Doubt(longest, is_over=True)


def told(positions: Mapping[str, Decimal]) -> str:
    """Positions in words, such as "0.01 BTC, -2 SOL", or "flat"."""
    held = [f"{size.normalize():f} {base}" for base, size in sorted(positions.items()) if size]
    return ", ".join(held) or "flat"

"""The moments of a bar at the exchange, with the kernel's answers in between."""

from __future__ import annotations

from interlock.model.market import Bar
from interlock.sim.bars import BarMarket
from interlock.sim.session import Session


def open_bar(session: Session, market: BarMarket, bar: Bar) -> None:
    """What waited trades at the open, one order at a time."""
    if session.waiting:
        session.release(bar.ts_open)
    market.open_bar(bar)
    session.pump()
    while market.step_open():
        session.pump()


def walk_bar(session: Session, market: BarMarket, bar: Bar) -> None:
    """The price walks through the bar, stopping at each execution."""
    if session.waiting:
        session.release(bar.ts_event - 1)
    if market.begin_walk():
        while market.step_walk():
            session.pump()
    session.pump()
    if session.waiting:
        session.release(bar.ts_event)

"""Marks of recorded books: the middle after each message, as the market of a run sees it."""

from __future__ import annotations

from collections import deque

import numpy as np

from interlock.model.events import Event
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.depth import DepthMarket
from interlock.sim.messages import SKIP, SNAPSHOT, depth_messages, order_messages
from interlock.sim.order_flow import OrderFlowMarket
from interlock.strategy.columns import DepthColumns, Integers, OrderColumns


def book_marks(columns: DepthColumns | OrderColumns) -> tuple[Integers, Integers]:
    """(ts, mark in price units), one row for each message after which the book has a mark."""
    times: list[int] = []
    marks: list[int] = []
    kind = DepthMarket if isinstance(columns, DepthColumns) else OrderFlowMarket
    market = kind(columns.instrument, Account(0), VenueOptions(), deque[Event]())

    def note(ts: int) -> None:
        mark = market.book.mark_units
        if mark:
            times.append(ts)
            marks.append(mark)

    if isinstance(columns, DepthColumns):
        for ts, moment, rows in depth_messages(columns):
            if moment != SKIP:
                market.on_depth(ts, rows, is_snapshot=moment == SNAPSHOT)
                note(ts)
    else:
        assert isinstance(market, OrderFlowMarket)
        for message in order_messages(columns):
            market.on_orders(*message)
            note(message[0])
    return np.array(times, np.int64), np.array(marks, np.int64)

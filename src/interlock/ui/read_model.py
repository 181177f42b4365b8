"""The one read model: what a person may see of a live engine, as plain values.

Rules of this file. Numbers that a person reads are text already, written by whoever knows their
units; ages and durations are ms. UNKNOWN and stale are said as such, never as zero.
"""

from __future__ import annotations

import msgspec


class PositionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A net position; ``external`` is the part that no strategy here holds."""

    instrument: str
    quantity: str
    entry: str
    mark: str
    unrealized: str
    realized: str
    external: str = ""
    is_protected: bool = True
    is_paused: bool = False


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """An open order."""

    client_order_id: str
    instrument: str
    strategy: str
    side: str
    kind: str
    price: str
    quantity: str
    filled: str
    status: str
    age_ms: int


class FillLine(msgspec.Struct, frozen=True, kw_only=True):
    """An execution; ``slippage_bps`` against the price at the decision, cost positive."""

    ts: int
    instrument: str
    side: str
    quantity: str
    price: str
    fee: str
    is_maker: bool
    slippage_bps: str = ""
    source: str = ""


class StreamLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stream: up, down or stale, and how long ago it spoke."""

    name: str
    state: str
    silent_ms: int
    budget_ms: int


class NoticeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A named event."""

    ts: int
    level: str
    name: str
    subject: str
    text: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on one screen."""

    ts: int
    account: str
    venue: str
    mode: str
    state: str
    reason: str = ""
    strategies: tuple[str, ...] = ()
    is_trading: bool = False
    epoch: int = 0
    uptime_ms: int = 0
    decision_age_ms: int = -1
    decisions: int = 0
    lag_p99_ms: float = 0.0
    step_p99_us: float = 0.0
    commit_p99_ms: float = 0.0
    send_p99_ms: float = 0.0
    equity: str = ""
    wallet: str = ""
    currency: str = ""
    ledger_seq: int = 0
    unknown_orders: int = 0
    rate_left: int = 0
    rate_capacity: int = 0
    silent_until_ms: int = 0
    connection: str = ""
    positions: tuple[PositionLine, ...] = ()
    orders: tuple[OrderLine, ...] = ()
    fills: tuple[FillLine, ...] = ()
    streams: tuple[StreamLine, ...] = ()
    notices: tuple[NoticeLine, ...] = ()
    counts: dict[str, int] = {}

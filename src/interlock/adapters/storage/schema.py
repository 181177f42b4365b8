"""The tables: the chain of rows, its head, the leases, and the projections that views read.

Rules of this file. ``ledger`` is the truth; a table of ``projections`` holds nothing that cannot be
made again from it, and is written in the same transaction. Integers are units, as in the rows; a
``*_scale`` is how many units make one (0 = the instrument's row was not there yet).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

core = MetaData()
projections = MetaData()


def _big(name: str, *, primary_key: bool = False) -> Column[int]:
    # SQLite numbers its rows by an INTEGER key only; every integer there has 64 bits.
    kind = BigInteger().with_variant(Integer(), "sqlite") if primary_key else BigInteger()
    return Column(name, kind, primary_key=primary_key, nullable=False, autoincrement=False)


def _text(name: str, *, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=primary_key, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


schema_version = Table(
    "schema_version", core, Column("version", Integer, primary_key=True), _text("name")
)

ledger = Table(
    "ledger",
    core,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("kind"),
    _text("key"),
    _big("epoch"),
    Column("body", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

# One row. Every commit moves it from the values that its writer last saw, so that two writers
# cannot both go on, and rows missing at the end are noticed.
ledger_head = Table(
    "ledger_head",
    core,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _big("seq"),
    Column("digest", LargeBinary, nullable=False),
)

leases = Table(
    "leases",
    core,
    _text("account", primary_key=True),
    _text("holder"),
    _big("epoch"),
    _big("ts_expires"),
)

instruments = Table(
    "projected_instruments",
    projections,
    _text("instrument", primary_key=True),
    _big("seq"),
    _big("price_scale"),
    _big("quantity_scale"),
    Column("rules", LargeBinary, nullable=False),
)

orders = Table(
    "projected_orders",
    projections,
    # The last guard of "one id, one intent": a second intent under an id breaks its commit.
    _text("client_order_id", primary_key=True),
    _big("seq"),
    _big("ts"),
    _text("date"),
    _text("account"),
    _text("strategy"),
    _text("instrument"),
    Column("side", SmallInteger, nullable=False),
    _text("type"),
    _text("time_in_force"),
    _flag("post_only"),
    _flag("reduce_only"),
    _text("tag"),
    _text("parent"),
    _big("epoch"),
    _big("request_id"),
    Column("payload_hash", LargeBinary, nullable=False),
    _big("ts_deadline"),
    _text("config_version"),
    _big("price_scale"),
    _big("quantity_scale"),
    _text("status"),
    _big("quantity"),
    _big("filled"),
    _big("price"),
    _big("trigger_price"),
    _text("venue_order_id"),
    _text("reason"),
    _text("evidence"),
    _big("ts_updated"),
    _big("seq_updated"),
    Index("projected_orders_by_date", "date"),
)

transitions = Table(
    "projected_transitions",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("client_order_id"),
    _text("change"),
    _text("status_before"),
    _text("status_after"),
    _big("filled"),
    _text("evidence"),
    _text("reason"),
    Index("projected_transitions_by_order", "client_order_id"),
)

answers = Table(
    "projected_answers",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("client_order_id"),
    _big("request_id"),
    _text("attempt"),
    _text("verdict"),
    _text("code"),
    _text("reason"),
    _text("venue_order_id"),
    _big("ts_sent"),
    Index("projected_answers_by_order", "client_order_id"),
)

fills = Table(
    "projected_fills",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("date"),
    _text("account"),
    _text("instrument"),
    _big("trade_id"),
    Column("side", SmallInteger, nullable=False),
    _text("client_order_id"),
    _text("venue_order_id"),
    _text("strategy"),
    _big("price"),
    _big("quantity"),
    _big("fee"),
    _text("fee_asset"),
    _flag("is_maker"),
    _big("realized"),
    _big("reference"),
    _big("position_after"),
    _flag("is_late"),
    _text("source"),
    _big("ts_venue"),
    _big("price_scale"),
    _big("quantity_scale"),
    # The last guard of "every fill once". Both sides of a trade with oneself have one trade id.
    UniqueConstraint("account", "instrument", "trade_id", "side"),
    Index("projected_fills_by_order", "client_order_id"),
    Index("projected_fills_by_date", "date"),
)

payments = Table(
    "projected_payments",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("date"),
    _text("account"),
    _text("type"),
    _text("instrument"),
    _text("asset"),
    _big("amount"),
    _text("payment_id"),
)

breakers = Table(
    "projected_breaker_events",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("date"),
    _text("breaker"),
    _text("event_type"),
    _text("scope"),
    _big("value"),
    _big("limit_value"),
    _text("actor"),
    _text("reason"),
)

reports = Table(
    "projected_reports",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("date"),
    _text("account"),
    _text("scope"),
    _text("severity"),
    _big("difference_count"),
    _big("orders"),
    _big("positions"),
    _big("took_ns"),
    _text("text"),
)

differences = Table(
    "projected_differences",
    projections,
    _big("seq", primary_key=True),
    _big("number", primary_key=True),
    _text("subject"),
    _text("cause"),
    _text("severity"),
    _text("instrument"),
    _text("client_order_id"),
    _text("ours"),
    _text("venue"),
    _text("action"),
)

# What the house did: operators, leases, states, checkpoints, versions, adjustments, events.
actions = Table(
    "projected_actions",
    projections,
    _big("seq", primary_key=True),
    _big("ts"),
    _text("date"),
    _text("kind"),
    _text("name"),
    _text("subject"),
    _text("actor"),
    _text("outcome"),
    _text("text"),
)

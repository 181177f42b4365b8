"""The views an auditor reads, as SQL for SQLite and for PostgreSQL.

Quantities, prices and money are decimals there (exact on PostgreSQL, floating point on SQLite); the
integers stand beside them as ``*_units``. ``date`` and ``time`` are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

MONEY_SCALE = 10**8


@dataclass(frozen=True, slots=True)
class _Words:
    """How a database says what the standard leaves open."""

    number: str
    time: str
    hexadecimal: str

    def scaled(self, value: str, scale: str) -> str:
        return f"CAST({value} AS {self.number}) / NULLIF({scale}, 0)"

    def money(self, value: str) -> str:
        return f"CAST({value} AS {self.number}) / {MONEY_SCALE}"

    def moment(self, value: str) -> str:
        return self.time.format(value)


_SQLITE = _Words(
    number="REAL",
    time=(
        "strftime('%Y-%m-%dT%H:%M:%S', {0} / 1000000000, 'unixepoch')"
        " || '.' || substr('000000000' || ({0} % 1000000000), -9) || 'Z'"
    ),
    hexadecimal="lower(hex({0}))",
)
_POSTGRESQL = _Words(
    number="NUMERIC",
    time=(
        "to_char(to_timestamp({0} / 1000000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        " || '.' || lpad(({0} % 1000000000)::text, 9, '0') || 'Z'"
    ),
    hexadecimal="encode({0}, 'hex')",
)


def views(dialect: str) -> dict[str, str]:
    """Name -> SELECT of every view, in an order in which they can be created."""
    words = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    return {
        "fills": _fills(words),
        "orders": _orders(words),
        "order_history": _order_history(words),
        "order_answers": _order_answers(words),
        "payments": _payments(words),
        "circuit_breaker_events": _breaker_events(words),
        "reconciliation_reports": _reports(words),
        "reconciliation_differences": _differences(words),
        "audit": _audit(words),
    }


def _fills(words: _Words) -> str:
    return f"""
SELECT date, {words.moment("ts")} AS time, account, strategy, instrument,
  CASE side WHEN 1 THEN 'buy' ELSE 'sell' END AS side,
  {words.scaled("quantity", "quantity_scale")} AS quantity,
  {words.scaled("price", "price_scale")} AS price,
  {words.money("fee")} AS fee, fee_asset,
  CASE WHEN is_maker THEN 'maker' ELSE 'taker' END AS liquidity,
  {words.money("realized")} AS realized,
  {words.scaled("position_after", "quantity_scale")} AS position_after,
  client_order_id, venue_order_id, trade_id, source, is_late,
  quantity AS quantity_units, price AS price_units, fee AS fee_units,
  realized AS realized_units, position_after AS position_after_units,
  reference AS reference_units, ts, ts_venue, seq
FROM projected_fills"""


def _orders(words: _Words) -> str:
    filled = "(SELECT {0} FROM projected_fills f WHERE f.client_order_id = o.client_order_id)"
    cost = f"SUM(CAST(f.price AS {words.number}) * f.quantity)"
    average = f"{cost} / NULLIF(SUM(f.quantity), 0) / NULLIF(MAX(f.price_scale), 0)"
    return f"""
SELECT o.date, {words.moment("o.ts")} AS time, o.account, o.strategy, o.client_order_id,
  o.instrument, CASE o.side WHEN 1 THEN 'buy' ELSE 'sell' END AS side, o.type, o.status,
  {words.scaled("o.quantity", "o.quantity_scale")} AS quantity,
  {words.scaled("o.filled", "o.quantity_scale")} AS filled,
  {words.scaled("NULLIF(o.price, 0)", "o.price_scale")} AS price,
  {words.scaled("NULLIF(o.trigger_price, 0)", "o.price_scale")} AS trigger_price,
  {filled.format(average)} AS average_price,
  {words.money(filled.format("SUM(f.fee)"))} AS fee,
  o.time_in_force, o.post_only, o.reduce_only, o.tag, o.parent, o.venue_order_id, o.reason,
  o.evidence, {words.moment("o.ts_updated")} AS updated, o.epoch, o.config_version, o.request_id,
  {words.hexadecimal.format("o.payload_hash")} AS payload_hash, o.ts_deadline,
  o.quantity AS quantity_units, o.filled AS filled_units, o.price AS price_units,
  o.trigger_price AS trigger_price_units, o.ts, o.ts_updated, o.seq, o.seq_updated
FROM projected_orders o"""


def _order_history(words: _Words) -> str:
    return f"""
SELECT {words.moment("ts")} AS time, client_order_id, change, status_before, status_after,
  filled AS filled_units, evidence, reason, ts, seq
FROM projected_transitions"""


def _order_answers(words: _Words) -> str:
    return f"""
SELECT {words.moment("ts")} AS time, client_order_id, attempt, verdict, code, reason,
  venue_order_id, request_id, ts_sent, ts, seq
FROM projected_answers"""


def _payments(words: _Words) -> str:
    return f"""
SELECT date, {words.moment("ts")} AS time, account, type, instrument, asset,
  {words.money("amount")} AS amount, payment_id, amount AS amount_units, ts, seq
FROM projected_payments"""


def _breaker_events(words: _Words) -> str:
    return f"""
SELECT date, {words.moment("ts")} AS time, breaker, event_type, scope, value, limit_value, actor,
  reason, ts, seq
FROM projected_breaker_events"""


def _reports(words: _Words) -> str:
    return f"""
SELECT date, {words.moment("ts")} AS time, account, scope, severity, difference_count, orders,
  positions, took_ns, text, ts, seq
FROM projected_reports"""


def _differences(words: _Words) -> str:
    return f"""
SELECT r.date, {words.moment("r.ts")} AS time, r.account, r.scope, d.severity, d.subject, d.cause,
  d.instrument, d.client_order_id, d.ours, d.venue, d.action, r.ts, d.seq, d.number
FROM projected_differences d JOIN projected_reports r ON r.seq = d.seq"""


def _audit(words: _Words) -> str:
    """Every audited thing in one shape; what needs no actor has an empty one."""
    parts = (
        ("actions", "kind", "name", "subject", "actor", "outcome", "text"),
        ("orders", "'order'", "type", "client_order_id", "strategy", "status", "reason"),
        ("fills", "'fill'", "instrument", "client_order_id", "strategy", "source", "''"),
        ("breaker_events", "'breaker'", "breaker", "scope", "actor", "event_type", "reason"),
        ("reports", "'reconcile'", "scope", "account", "''", "severity", "text"),
    )
    selects = [
        f"SELECT seq, ts, date, {kind} AS kind, {name} AS name, {subject} AS subject, "
        f"{actor} AS actor, {outcome} AS outcome, {text} AS text FROM projected_{table}"
        for table, kind, name, subject, actor, outcome, text in parts
    ]
    union = "\nUNION ALL ".join(selects)
    return (
        f"SELECT date, {words.moment('ts')} AS time, kind, name, subject, actor, outcome, text, "
        f"ts, seq\nFROM ({union}) AS rows_of_all"
    )

"""Projections: the typed tables that follow from the rows, written in the rows' transaction.

A table only ever gets new records, but for ``projected_orders``, which transitions and executions
bring up to date, and ``projected_instruments``, which holds the newest rules. Within a batch the
records go in first and the changes of orders follow in their order, so that batches of any size end
in the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Table

from interlock.adapters.storage import schema
from interlock.adapters.storage.database import Database
from interlock.model import rows
from interlock.model.facts import OrderDenied
from interlock.model.order import TERMINAL, OrderStatus

_DAY_NS = 86_400 * 10**9

Record = tuple[Any, ...]
Scales = tuple[int, int]

_UPDATE_ORDER = """
UPDATE projected_orders SET status = ?, quantity = ?, filled = ?, price = ?, trigger_price = ?,
  venue_order_id = CASE WHEN ? = '' THEN venue_order_id ELSE ? END, reason = ?, evidence = ?,
  ts_updated = ?, seq_updated = ?
WHERE client_order_id = ?"""
# An execution is a change of its order too; what is over stays over, and nothing counts twice.
_FILL_ORDER = """
UPDATE projected_orders SET
  filled = CASE WHEN filled < {sum} THEN {sum} ELSE filled END,
  status = CASE WHEN status IN ({over}) THEN status WHEN {sum} >= quantity THEN 'filled'
    ELSE 'partially_filled' END,
  venue_order_id = CASE WHEN venue_order_id = '' THEN ? ELSE venue_order_id END,
  evidence = ?, ts_updated = ?, seq_updated = ?
WHERE client_order_id = ?""".format(
    sum=(
        "(SELECT COALESCE(SUM(f.quantity), 0) FROM projected_fills f"
        " WHERE f.client_order_id = projected_orders.client_order_id)"
    ),
    over=", ".join(sorted(f"'{status}'" for status in TERMINAL)),
)
_FORGET_INSTRUMENT = "DELETE FROM projected_instruments WHERE instrument = ?"


@lru_cache(maxsize=64)
def _date_of_day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def date(ts: int) -> str:
    """The UTC date of a time in ns."""
    return _date_of_day(ts // _DAY_NS)


def insertion(table: Table) -> str:
    """The statement that inserts a record with every column of the table, in order."""
    names = ", ".join(column.name for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.columns))})"


class Projector:
    """Turns rows into statements for one database. Knows the scales of instruments seen so far."""

    def __init__(self, database: Database) -> None:
        self._insertions = {
            table.name: database.sql(insertion(table))
            for table in schema.projections.tables.values()
        }
        self._update_order = database.sql(_UPDATE_ORDER)
        self._fill_order = database.sql(_FILL_ORDER)
        self._forget_instrument = database.sql(_FORGET_INSTRUMENT)
        self._scales: dict[str, Scales] = {}
        self._records: dict[str, list[Record]] = {}
        self._updates: list[tuple[str, Record]] = []
        self._handlers: dict[type[rows.Row], Callable[[int, Any], None]] = {
            rows.IntentRow: self._intent,
            rows.TransitionRow: self._transition,
            rows.AnswerRow: self._answer,
            rows.FillRow: self._fill,
            rows.PaymentRow: self._payment,
            rows.BreakerRow: self._breaker,
            rows.ReconcileRow: self._reconcile,
            rows.InstrumentRow: self._instrument,
        }

    def load(self, cursor: Any) -> None:
        """Learn the scales that the database knows."""
        cursor.execute("SELECT instrument, price_scale, quantity_scale FROM projected_instruments")
        self._scales = {name: (price, quantity) for name, price, quantity in cursor.fetchall()}

    def apply(self, cursor: Any, batch: Iterable[tuple[int, rows.AnyRow]]) -> None:
        """Write what the rows say, inside the caller's transaction."""
        self._records, self._updates = {}, []
        for seq, row in batch:
            self._handlers.get(type(row), self._action)(seq, row)
        instruments = self._records.pop(schema.instruments.name, None)
        if instruments:
            newest = {record[0]: record for record in instruments}
            cursor.executemany(self._forget_instrument, [(name,) for name in newest])
            cursor.executemany(self._insertions[schema.instruments.name], list(newest.values()))
        for name, records in self._records.items():
            cursor.executemany(self._insertions[name], records)
        for sql, updates in groupby(self._updates, itemgetter(0)):
            cursor.executemany(sql, [record for _, record in updates])

    def _put(self, table: Table, *values: Any) -> None:
        self._records.setdefault(table.name, []).append(values)

    def _intent(self, seq: int, row: rows.IntentRow) -> None:
        spec = row.spec
        self._put(
            schema.orders,
            row.client_order_id, seq, row.ts_event, date(row.ts_event), row.account, row.strategy,
            spec.instrument, spec.side, spec.type.value, spec.time_in_force.value, spec.post_only,
            spec.reduce_only, spec.tag, row.parent, row.epoch, row.request_id, row.payload_hash,
            row.ts_deadline, row.config_version, *self._scales.get(spec.instrument, (0, 0)),
            OrderStatus.INITIALIZED.value, spec.quantity, 0, spec.price, spec.trigger, "", "",
            "", row.ts_event, seq,
        )  # fmt: skip

    def _transition(self, seq: int, row: rows.TransitionRow) -> None:
        name, after = row.client_order_id, row.after.value
        self._put(
            schema.transitions,
            seq, row.ts_event, name, row.change.value, row.before.value, after, row.filled,
            row.evidence, row.reason,
        )  # fmt: skip
        record = (
            after, row.quantity, row.filled, row.price, row.trigger, row.venue_order_id,
            row.venue_order_id, row.reason, row.evidence, row.ts_event, seq, name,
        )  # fmt: skip
        self._updates.append((self._update_order, record))

    def _answer(self, seq: int, row: rows.AnswerRow) -> None:
        self._put(
            schema.answers,
            seq, row.ts_event, row.client_order_id, row.request_id, row.attempt, row.verdict.value,
            row.code, row.reason, row.venue_order_id, row.ts_sent,
        )  # fmt: skip

    def _fill(self, seq: int, row: rows.FillRow) -> None:
        fill = row.fill
        self._put(
            schema.fills,
            seq, row.ts_event, date(row.ts_event), row.account, fill.instrument, fill.trade_id,
            fill.side, row.client_order_id, fill.venue_order_id, row.strategy, fill.price,
            fill.quantity, fill.fee, fill.fee_asset, fill.is_maker, row.realized, row.reference,
            row.position_after, row.is_late, row.source, fill.ts_venue,
            *self._scales.get(fill.instrument, (0, 0)),
        )  # fmt: skip
        if row.client_order_id:
            record = (fill.venue_order_id, row.source, row.ts_event, seq, row.client_order_id)
            self._updates.append((self._fill_order, record))

    def _payment(self, seq: int, row: rows.PaymentRow) -> None:
        paid = row.payment
        self._put(
            schema.payments,
            seq, row.ts_event, date(row.ts_event), row.account, paid.kind, paid.instrument,
            paid.asset, paid.amount, paid.payment_id,
        )  # fmt: skip

    def _breaker(self, seq: int, row: rows.BreakerRow) -> None:
        self._put(
            schema.breakers,
            seq, row.ts_event, date(row.ts_event), row.breaker, row.event_type.value, row.scope,
            row.value, row.limit, row.actor, row.reason,
        )  # fmt: skip

    def _reconcile(self, seq: int, row: rows.ReconcileRow) -> None:
        self._put(
            schema.reports,
            seq, row.ts_event, date(row.ts_event), row.account, row.scope, row.severity.value,
            len(row.differences), row.orders, row.positions, row.took_ns, row.text,
        )  # fmt: skip
        for number, found in enumerate(row.differences, start=1):
            self._put(
                schema.differences,
                seq, number, found.subject, found.cause, found.severity.value, found.instrument,
                found.client_order_id, found.ours, found.venue, found.action,
            )  # fmt: skip

    def _instrument(self, seq: int, row: rows.InstrumentRow) -> None:
        it = row.instrument
        scales = (10**it.price_exponent, 10**it.quantity_exponent)
        self._scales[it.id] = scales
        self._put(schema.instruments, it.id, seq, *scales, msgspec.msgpack.encode(it))
        self._action(seq, row)

    def _action(self, seq: int, row: rows.AnyRow) -> None:
        tag = str(row.__struct_config__.tag)
        self._put(schema.actions, seq, row.ts_event, date(row.ts_event), tag, *_described(row))


def _described(row: rows.AnyRow) -> tuple[str, str, str, str, str]:
    """Name, subject, actor, outcome and text of a row of the house."""
    match row:
        case rows.CommandRow():
            outcome = "accepted" if row.is_accepted else "refused"
            arguments = " ".join(f"{key}={value}" for key, value in row.arguments.items())
            text = "; ".join(filter(None, (row.reason, row.text)))
            return row.name, arguments, row.actor, outcome, text
        case rows.StateRow():
            text = " ".join(filter(None, (row.mode, row.version, row.reason)))
            return row.state, row.scope, row.actor, row.state, text
        case rows.LeaseRow():
            return "lease", row.account, row.holder, row.event.value, f"epoch {row.epoch}"
        case rows.CheckpointRow():
            return "checkpoint", str(row.covers), "", "saved", f"{row.digest} {row.reason}".strip()
        case rows.AdjustmentRow():
            text = f"{row.quantity:+d} units, {row.position_after} after"
            return row.cause, row.instrument, row.actor, row.bucket, text
        case rows.PolicyRow():
            return "policy", row.version, row.actor, row.digest, _limits(row)
        case rows.ReleaseRow():
            text = f"{row.previous or 'none'} -> {row.version}; {row.reason}".removesuffix("; ")
            return row.subject, row.name, row.actor, row.stage, text
        case _:
            return _described_event(row)


def _limits(row: rows.PolicyRow) -> str:
    limits = {} if row.limits is None else msgspec.to_builtins(row.limits)
    named = [f"{name} {value}" for name, value in limits.items() if value is not None]
    return ", ".join([row.reason, *named] if row.reason else named)


def _described_event(row: rows.AnyRow) -> tuple[str, str, str, str, str]:
    match row:
        case rows.RequestRow():
            tag = str(row.request.__struct_config__.tag)
            return tag, row.key, row.account, "intended", f"epoch {row.epoch}"
        case rows.FactRow(fact=OrderDenied() as denied):
            return "denied", row.key, denied.strategy, denied.code.value, denied.text
        case rows.FactRow():
            return str(row.fact.__struct_config__.tag), row.key, "", "", ""
        case rows.EventRow():
            fields = " ".join(f"{key}={value}" for key, value in row.fields.items())
            return row.name, row.subject, "", row.level, "; ".join(filter(None, (row.text, fields)))
        case rows.InstrumentRow():
            return "instrument", row.key, "", "", ""
        case _:
            return "", row.key, "", "", ""

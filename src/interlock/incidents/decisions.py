"""Decisions: what strategies and kernel wanted, as the ledger tells it and as a replay does.

Rules of this file. A decision has the same canonical bytes from either side, so that equal
decisions have equal digests. Times are not among them: the ledger has those of the engine's clock,
the kernel those of the market. The row that a decision became says when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from interlock.model.facts import Fact, OrderDenied
from interlock.model.order import Change, OrderSpec, OrderStatus
from interlock.model.rows import (
    AnyRow,
    FactRow,
    IntentRow,
    RequestRow,
    StateRow,
    TransitionRow,
)
from interlock.model.venue import AmendRequest
from interlock.runtime.ids import parse

# Who refused an order, or an amendment, that no row tells of.
OURS = frozenset({"gate", "recovery"})


class Kind(StrEnum):
    """What was decided."""

    PLACE = "place"
    # An order that the kernel let through and the live core did not let out.
    HELD = "held"
    DENIED = "denied"
    AMEND = "amend"
    # Something that the kernel noticed about a report: a late, repeated or excess fill.
    NOTED = "noted"
    CANCEL = "cancel"
    RAISED = "raised"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. ``row`` is the ledger's row that it became, or the one it came after."""

    kind: Kind
    row: int
    ts: int
    client_order_id: str = ""
    strategy: str = ""
    spec: OrderSpec | None = None
    fact: Fact | None = None
    text: str = ""

    def content(self, *, is_loose: bool = False) -> Any:
        """What must be equal; loosely without ids and references, which count what came before."""
        if self.kind in (Kind.CANCEL, Kind.RAISED):
            return (self.kind, "" if is_loose else self.client_order_id, self.strategy)
        if self.kind is Kind.NOTED:
            return (self.kind, self.fact)
        if self.kind is Kind.HELD:
            return (self.kind, "" if is_loose else self.client_order_id, sizes(self.spec))
        if not is_loose:
            return (self.kind, self.client_order_id, self.strategy, self.spec, self.fact)
        spec = self.spec and msgspec.structs.replace(self.spec, parent=0, oco=0)
        code = self.fact.code if isinstance(self.fact, OrderDenied) else ""
        return (self.kind, self.strategy, spec, code)

    def is_like(self, other: Decision) -> bool:
        """Whether both may be one wish of one strategy, whatever its size and number."""
        if self.strategy != other.strategy:
            return False
        if self.spec is None or other.spec is None or Kind.HELD in (self.kind, other.kind):
            # An order that was held back stands in the ledger without instrument and side.
            return True
        return (self.spec.instrument, self.spec.side) == (other.spec.instrument, other.spec.side)


def sizes(spec: OrderSpec | None) -> tuple[int, int, int] | None:
    """Quantity, price and trigger: what the ledger keeps of an order that did not leave."""
    return None if spec is None else (spec.quantity, spec.price, spec.trigger)


def recorded(seq: int, row: AnyRow, strategies: Mapping[int, str]) -> Decision | None:
    """The decision that a row tells of, or None; ``strategies`` are names by number in ids."""
    ts = row.ts_event
    match row:
        case IntentRow():
            return Decision(
                kind=Kind.PLACE,
                row=seq,
                ts=ts,
                client_order_id=row.client_order_id,
                strategy=row.strategy,
                spec=row.spec,
            )
        case TransitionRow():
            return _moved(seq, row, strategies)
        case FactRow():
            return of_fact(seq, ts, row.fact)
        case RequestRow(request=AmendRequest() as asked):
            return Decision(
                kind=Kind.AMEND,
                row=seq,
                ts=ts,
                client_order_id=asked.client_order_id,
                strategy=_strategy(asked.client_order_id, strategies),
                spec=asked.spec,
            )
        case StateRow(state="paused", actor="") if row.scope in strategies.values():
            return Decision(kind=Kind.RAISED, row=seq, ts=ts, strategy=row.scope, text=row.reason)
    return None


def of_fact(seq: int, ts: int, fact: Fact) -> Decision:
    """A fact of the kernel as a decision."""
    if not isinstance(fact, OrderDenied):
        return Decision(kind=Kind.NOTED, row=seq, ts=ts, fact=fact)
    return Decision(
        kind=Kind.DENIED,
        row=seq,
        ts=ts,
        client_order_id=fact.client_order_id,
        strategy=fact.strategy,
        spec=fact.spec,
        fact=fact,
        text=fact.text,
    )


def _moved(seq: int, row: TransitionRow, strategies: Mapping[int, str]) -> Decision | None:
    """An order that was held back, or one whose cancel its strategy had asked for."""
    is_held = row.evidence in OURS and row.change is Change.REJECT
    if not is_held and row.before is not OrderStatus.PENDING_CANCEL:
        return None
    spec = OrderSpec("", 1, row.quantity, price=row.price, trigger=row.trigger)
    return Decision(
        kind=Kind.HELD if is_held else Kind.CANCEL,
        row=seq,
        ts=row.ts_event,
        client_order_id=row.client_order_id,
        strategy=_strategy(row.client_order_id, strategies),
        spec=spec if is_held else None,
        text=row.reason if is_held else "",
    )


def _strategy(client_order_id: str, strategies: Mapping[int, str]) -> str:
    """Whose order an id names; empty for an id of another engine."""
    part = parse(client_order_id)
    return "" if part is None else strategies.get(part.strategy, "")

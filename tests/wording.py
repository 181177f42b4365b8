"""What a run did, in the words of the scenario tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.model.effects import AmendOrder, CancelOrder, SetTimer, SubmitOrder
from interlock.model.events import (
    BorrowPaid,
    CancelRejected,
    FundingPaid,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUpdated,
    PositionLiquidated,
    Started,
    Stopped,
    TimerFired,
    UpdateRejected,
)
from interlock.model.facts import OrderDenied
from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_EXPONENT, format_units, parse_units
from interlock.sim.session import Session

_SILENT = (
    SubmitOrder, CancelOrder, AmendOrder, SetTimer, OrderAccepted, Started, Stopped, TimerFired
)  # fmt: skip
_PLAIN = {OrderTriggered: "triggered", OrderUpdated: "amended"}
_REASONED = {
    OrderCanceled: "canceled",
    OrderExpired: "expired",
    OrderRejected: "rejected",
    UpdateRejected: "amendment rejected",
    CancelRejected: "cancel rejected",
}


class Wording:
    """Tells rows of the journal and the books after each row of the table."""

    def __init__(self, session: Session, strategies: Mapping[str, Any], ends: Mapping[int, int]):
        self.state = session.state
        self.recorder = session.recorder
        self.ends = ends
        self.instruments = {key: slot.instrument for key, slot in self.state.instruments.items()}
        self.names = {
            f"{self.state.strategies[name].prefix}{ref:x}": label
            for name, strategy in strategies.items()
            for label, ref in strategy.named.items()
        }
        self.specs: dict[str, Any] = {}

    def happened(self, journal: Sequence[Any], row: int) -> list[str]:
        """What happened after the end of the row before, up to the end of this one."""
        low, high = self.ends.get(row - 1, -1), self.ends[row]
        last = row + 1 not in self.ends
        found = []
        for item in journal:
            if isinstance(item, SubmitOrder):
                self.specs[item.client_order_id] = item.spec
            ts = item.ts_event
            if low < ts and (ts <= high or last) and not isinstance(item, _SILENT):
                found.append(self._told(item))
        return found

    def _told(self, item: Any) -> str:
        if isinstance(item, OrderFilled):
            return self._fill(item)
        if isinstance(item, OrderDenied):
            return f"{self._name(item.client_order_id)} denied {item.code}"
        if isinstance(item, FundingPaid):
            return f"funding {_money(item.amount)}"
        if isinstance(item, BorrowPaid):
            return f"borrow {_money(item.amount)}"
        if isinstance(item, PositionLiquidated):
            return self._liquidation(item)
        name = self._name(item.client_order_id)
        for kind, word in _REASONED.items():
            if isinstance(item, kind):
                return f"{name} {word}" + (f" ({item.reason})" if item.reason else "")
        return f"{name} {_PLAIN.get(type(item), type(item).__name__)}"

    def _name(self, client_order_id: str) -> str:
        return self.names.get(client_order_id, client_order_id)

    def _fill(self, item: OrderFilled) -> str:
        spec = self.specs[item.client_order_id]
        instrument = self.instruments[spec.instrument]
        text = (
            f"{'buy' if spec.side > 0 else 'sell'} {instrument.quantity_text(item.quantity)}"
            f" @ {instrument.price_text(item.price)}"
        )
        name = self._name(item.client_order_id)
        if not name.startswith("#"):
            text = f"{name} {text}"
        if item.is_maker:
            text += " maker"
        return text + self._fee(instrument, item)

    def _fee(self, instrument: Instrument, item: OrderFilled) -> str:
        if not item.fee:
            return ""
        if item.fee_asset == instrument.quote:
            return f" fee {_money(item.fee)}"
        exponent = MONEY_EXPONENT
        if item.fee_asset == instrument.base:
            exponent = instrument.quantity_exponent
        return f" fee {format_units(item.fee, exponent)} {item.fee_asset}"

    def _liquidation(self, item: PositionLiquidated) -> str:
        instrument = self.instruments[item.instrument]
        fee = f" fee {_money(item.fee)}" if item.fee else ""
        quantity, price = instrument.quantity_text(item.quantity), instrument.price_text(item.price)
        return f"liquidated {quantity} @ {price}{fee}"

    # The books after a row.
    def cell(self, name: str, row: int, cash: str) -> str:
        """The value of a named column."""
        rows = [item for item in self.recorder.account if item.ts <= self.ends[row]]
        if name == "wallet":
            return _money(rows[-1].wallet if rows else parse_units(cash, MONEY_EXPONENT))
        first = next(iter(self.instruments))
        if name in self.state.strategies:
            return self._owned(name, first, row)
        instrument = next((key for key in self.instruments if key.startswith(name)), first)
        held = [item.quantity for item in rows if item.instrument == instrument]
        return self.instruments[instrument].quantity_text(held[-1] if held else 0)

    def _owned(self, strategy: str, instrument: str, row: int) -> str:
        quantity = sum(
            fill.side * fill.quantity
            for fill in self.recorder.fills
            if fill.strategy == strategy
            and fill.instrument == instrument
            and fill.ts_row <= self.ends[row]
        )
        return self.instruments[instrument].quantity_text(quantity)


def _money(amount: int) -> str:
    return format_units(amount, MONEY_EXPONENT)

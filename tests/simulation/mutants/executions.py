"""Planted where executions and money are booked: R7, R10, I6, I11, I12."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.kernel import restore
from interlock.kernel.external import EXTERNAL
from interlock.model.rows import FillRow, PaymentRow
from interlock.runtime import fills as fills_module
from interlock.runtime.books import Books
from interlock.runtime.cash import Cash
from interlock.runtime.desk import Desk
from interlock.runtime.fills import Fills
from interlock.runtime.naming import Naming, Number
from interlock.wire.binance.reading import Links
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R7", "an execution that comes twice counts twice")
def duplicate_fill_counts(patch: Patch) -> None:
    def take(self: Fills, fill: Any, source: str) -> bool:
        self.desk.books.trades.clear()
        found: bool = before(self, fill, source)
        return found

    before = patch.set(Fills, "take", take)


@mutant("R7", "executions have the order's id as their key, so that the second part is a repeat")
def one_fill_an_order(patch: Patch) -> None:
    def take(self: Fills, fill: Any, source: str) -> bool:
        order = self.desk.order(self._order_of(fill))
        if order is not None and order.filled:
            return False
        found: bool = before(self, fill, source)
        return found

    before = patch.set(Fills, "take", take)


@mutant("R7", "an execution of an unknown order is dropped")
def nameless_fill_is_dropped(patch: Patch) -> None:
    def take(self: Fills, fill: Any, source: str) -> bool:
        if not self._order_of(fill):
            return False
        found: bool = before(self, fill, source)
        return found

    before = patch.set(Fills, "take", take)


@mutant("R5 R8", "an execution after the end of its order is dropped")
def late_fill_is_dropped(patch: Patch) -> None:
    def apply(self: Fills, order: Any, fill: Any, source: str) -> None:
        if order.is_open:
            before(self, order, fill, source)

    before = patch.set(Fills, "_apply", apply)


@mutant("R7", "a fill is booked with half of its fee")
def half_of_the_fee(patch: Patch) -> None:
    def apply(self: Fills, order: Any, fill: Any, source: str) -> None:
        before(self, order, msgspec.structs.replace(fill, fee=fill.fee // 2), source)

    before = patch.set(Fills, "_apply", apply)


@mutant("R7", "the row of an execution has a price that is one tick off")
def row_of_another_price(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, FillRow) and row.client_order_id:
            fill = msgspec.structs.replace(row.fill, price=row.fill.price + 1)
            row = msgspec.structs.replace(row, fill=fill)
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("R10", "an execution by hand is booked to a strategy")
def external_is_ours(patch: Patch) -> None:
    def owner(state: Any, settings: Any, name: str) -> str:
        names: list[str] = [name for name in state.strategies if name != EXTERNAL]
        return names[0]

    patch.set(fills_module, "former_owner", owner)


@mutant("R10 I11", "the row of an exit's execution names the external bucket as the owner")
def exit_of_nobody(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        order = self.order(row.client_order_id) if isinstance(row, FillRow) else None
        if order is not None and order.spec.reduce_only:
            row = msgspec.structs.replace(row, strategy=EXTERNAL)
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("R10", "an execution of ours that was not asked for goes to the external bucket")
def ours_is_external(patch: Patch) -> None:
    def order_of(self: Fills, fill: Any) -> str:
        found: str = before(self, fill)
        order = self.desk.order(found) if found else None
        is_over = order is not None and not order.is_open
        return "" if is_over else found

    before = patch.set(Fills, "_order_of", order_of)


@mutant("I12", "payments of the venue are not booked")
def payments_are_dropped(patch: Patch) -> None:
    patch.set(Cash, "take", lambda self, payment: False)


@mutant("I12", "a payment is booked as often as the venue shows it")
def payment_counts_twice(patch: Patch) -> None:
    def take(self: Cash, payment: Any) -> bool:
        self.desk.books.payments.clear()
        found: bool = before(self, payment)
        return found

    before = patch.set(Cash, "take", take)


@mutant("I12 I2", "a payment is in the rows and not in the wallet, and no wallet is compared")
def payment_is_only_written(patch: Patch) -> None:
    def apply(self: Desk, row: Any) -> None:
        if isinstance(row, PaymentRow) and row.payment.kind in ("funding", "transfer"):
            self.write(row)
            return
        before(self, row)

    before = patch.set(Desk, "apply", apply)
    patch.set(Cash, "compare", lambda self, shown, asked, *, is_quiet: [])


@mutant("I12", "wallets are not compared: costs in another order stay")
def wallets_are_not_compared(patch: Patch) -> None:
    patch.set(Cash, "compare", lambda self, shown, asked, *, is_quiet: [])


@mutant("R10", "which order a conditional order became is not learned")
def link_to_the_child_is_lost(patch: Patch) -> None:
    patch.set(Links, "learn", lambda self, child_id, parent: None)


@mutant("R10", "what the venue calls an order of ours is not remembered")
def venue_id_is_forgotten(patch: Patch) -> None:
    patch.set(Books, "name_order", lambda self, instrument, venue_order_id, name: None)


@mutant("R10", "an execution of auto-deleveraging is taken for one by hand")
def deleveraging_is_by_hand(patch: Patch) -> None:
    def cause(fill: Any, strategy: str) -> str:
        found: str = before(fill, strategy)
        return "manual" if found == "adl" else found

    before = patch.set(restore, "cause_of", cause)
    patch.set(fills_module, "cause_of", cause)


@mutant("R10", "an execution that only a list tells of is one by hand: nobody asks for its name")
def nobody_asks_for_names(patch: Patch) -> None:
    patch.set(Naming, "can_tell", lambda self, fill: False)


@mutant("R10", "the name that the venue gives an order by its number is not listened to")
def name_is_not_listened_to(patch: Patch) -> None:
    def settle(self: Naming, number: Number, name: str) -> None:
        before(self, number, "")

    before = patch.set(Naming, "_settle", settle)

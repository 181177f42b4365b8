"""I6, I11, I12: every execution once and to whom it belongs, and every unit of money explained."""

from __future__ import annotations

from typing import Any

from interlock.model.rows import (
    AdjustmentRow,
    AnyRow,
    EventRow,
    FillRow,
    PaymentRow,
    decode_row,
)
from interlock.model.venue import BalancesQuery, Request
from interlock.runtime.books import OPENED
from interlock.runtime.values import Outputs
from interlock.sim.venue.values import Fill, OrderEvent
from interlock.world.exchange import ACCOUNT, CASH
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene
from interlock.world.truth import Violation

# Lines that our side books to make its cash equal without knowing why.
FUDGED = frozenset({"cash_rounding", "cash_unexplained"})
OWN_LINES = FUDGED | {"opening", "basis"}
# What the venue's income history says beside the executions.
BESIDE_FILLS = frozenset({"funding", "transfer", "liquidation_fee", "insurance"})
_OPENED = OPENED.encode()


class Money(Judge):
    """Rows of executions and payments against the venue's own list of them."""

    invariants = ("I6", "I11", "I12")
    hears = ()

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._ts_opened = self._ts_look = 0
        self._booked = 0
        self._fudged = 0
        self._unexplained: dict[str, int] = {}
        # When adjustments were decided, and what was opened had been asked for, by instrument and
        # our time: their rows wait for the disk.
        self._decided: dict[tuple[str, int], int] = {}
        self._paid: dict[str, PaymentRow] = {}
        self._traded = 0
        self._held: dict[str, int] = {}

    @property
    def _unseen(self) -> dict[int, tuple[int, str, int]]:
        return self.scene.truth.unseen

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """What is declared unexplained can be held only against what had been executed by then."""
        for row in outputs.rows:
            told = decode_row(row) if row.kind == "adjustment" else None
            if isinstance(told, AdjustmentRow):
                self._decided[(told.instrument, told.ts_event)] = self.scene.timeline.ts
            elif row.kind == "event" and _OPENED in row.body:
                self._decided[(OPENED, row.ts_event)] = self._ts_look

    def leaves(self, process: Process, request: Request) -> None:
        """An account is opened as it was when it was asked about; what comes after is booked."""
        if isinstance(request, BalancesQuery):
            self._ts_look = self.scene.timeline.ts

    def wrote(self, process: Process, row: AnyRow) -> None:
        """Every row about money as it becomes durable."""
        if isinstance(row, FillRow):
            self._fill(row)
            self._changed_hands()
        elif isinstance(row, PaymentRow):
            self._payment(row)
        elif isinstance(row, AdjustmentRow):
            if row.cause == "unexplained":
                self._is_unexplained(row)
                total = self._unexplained.get(row.instrument, 0) + row.quantity
                self._unexplained[row.instrument] = total
        elif isinstance(row, EventRow) and row.name == OPENED:
            now = self.scene.timeline.ts
            self._ts_opened = self._decided.pop((OPENED, row.ts_event), now)

    def _is_unexplained(self, row: AdjustmentRow) -> None:
        """What executions of our own open orders come to is waited for, and not adjusted."""
        record = self.record
        open_here = record.open.get(row.instrument, {})
        # A commit may be slow: an order that trades meanwhile is no explanation of before.
        now = self.scene.timeline.ts
        decided = self._decided.pop((row.instrument, row.ts_event), now)
        own = [
            fill
            for fill in record.untold.get(row.instrument, {}).values()
            if fill.ts <= decided and record.name_of(fill) in open_here
        ]
        total = sum(fill.quantity if fill.side > 0 else -fill.quantity for fill in own)
        text = (
            f"{row.quantity} of {row.instrument} are declared unexplained; executions of "
            f"{', '.join({record.name_of(fill): None for fill in own})} explain them"
        )
        self.demand("I11", not own or total != row.quantity, text)

    def _fill(self, row: FillRow) -> None:
        told = row.fill
        key = (told.instrument, told.trade_id)
        self._booked += row.realized - told.fee
        self.checked["I6"] += 1
        if self.record.applied[key] is not row:
            raise Violation("I6", f"trade {told.trade_id} of {told.instrument} is applied twice")
        true = self.record.trades.get(key)
        if true is None:
            text = f"trade {told.trade_id} of {told.instrument} is applied and never happened"
            raise Violation("I6", text)
        ours = (told.side, told.quantity, told.price, told.fee, told.fee_asset)
        theirs = (true.side, true.quantity, true.price, true.fee, true.fee_asset)
        if ours != theirs:
            raise Violation("I6", f"trade {told.trade_id} is {ours} here and {theirs} there")
        self._attribution(row, true)

    def _attribution(self, row: FillRow, true: Fill) -> None:
        """An execution of our order is its strategy's, any other one is no strategy's."""
        name = self.record.name_of(true)
        order = self.record.orders.get(name)
        wanted = name if order is not None else ""
        owner = order.intent.strategy if order is not None else ""
        is_right = row.client_order_id == wanted and row.strategy == owner
        text = (
            f"trade {true.fill_id} is of {name or 'a foreign order'} and was booked to "
            f"{row.client_order_id or 'no order'} of {row.strategy or 'nobody'}"
        )
        self.demand("I11", is_right, text)

    def _payment(self, row: PaymentRow) -> None:
        paid = row.payment
        self._booked += paid.amount
        if paid.kind in OWN_LINES:
            self._fudged += paid.amount if paid.kind in FUDGED else 0
            return
        text = f"the payment {paid.payment_id} is booked twice"
        self.demand("I12", paid.payment_id not in self._paid, text)
        self._paid[paid.payment_id] = row

    def quiet(self) -> None:
        """Both sides to the last unit."""
        self._executions()
        self._positions()
        self._cash()

    def _executions(self) -> None:
        record = self.record
        lacking = [
            fill
            for fills in record.untold.values()
            for fill in fills.values()
            if fill.order_id not in self._unseen
            and (record.name_of(fill) in record.orders or fill.ts > self._ts_opened)
        ]
        self.demand("I6", not lacking, f"{len(lacking)} executions are not applied: {lacking[:1]}")

    def _positions(self) -> None:
        for instrument in self.scene.exchange.instruments:
            name = instrument.id
            ours, theirs = self.record.position(name), self.scene.exchange.position(name)
            self.demand("I11", ours == theirs, f"{name}: the rows hold {ours}, the venue {theirs}")
            # What nothing ever told of, and not a unit more.
            rest = self._unexplained.get(name, 0)
            rest -= sum(
                quantity
                for ts, symbol, quantity in self._unseen.values()
                if symbol == name and ts > self._ts_opened
            )
            self.demand("I11", not rest, f"{name}: {rest} units are in the books as unexplained")

    def saw(self, event: Any) -> None:
        """What changes hands at each execution, counted without any position of anybody's."""
        if not isinstance(event, OrderEvent) or event.fill is None:
            return
        fill = event.fill
        if fill.account != ACCOUNT:
            return
        side = 1 if fill.side > 0 else -1
        self._traded -= side * fill.notional + fill.fee
        held = self._held.get(fill.symbol, 0) + side * fill.quantity
        self._held[fill.symbol] = held

    def _changed_hands(self) -> None:
        """While we are flat, what was paid and received is all that the wallet may differ by."""
        if any(self._held.values()):
            return
        payments = self.scene.exchange.core.state.owner(ACCOUNT).payments
        others = sum(p.amount for p in payments if p.kind not in ("realized", "commission"))
        wallet, wanted = self.scene.exchange.wallet, CASH + self._traded + others
        text = f"flat, the venue's wallet is {wallet}; what changed hands comes to {wanted}"
        self.demand("I12", wallet == wanted, text)

    def _cash(self) -> None:
        wallet = self.scene.exchange.wallet
        payments = self.scene.exchange.core.state.owner(ACCOUNT).payments
        conserved = CASH + sum(payment.amount for payment in payments)
        text = f"the venue's wallet is {wallet} and its payments come to {conserved}"
        self.demand("I12", wallet == conserved, text)
        text = f"the rows come to {self._booked} money units, the venue's wallet has {wallet}"
        # A quantity that was booked without its execution for a while realized something too.
        if not self._unexplained:
            self.demand("I12", self._booked == wallet, text)
        text = f"{self._fudged} money units were booked to make ends meet"
        # Nobody here can know what an execution cost that nothing told of.
        self.demand("I12", not self._fudged or bool(self._unseen), text)
        since = self._ts_opened
        due = sorted(p.amount for p in payments if p.kind in BESIDE_FILLS and p.ts > since)
        told = sorted(row.payment.amount for row in self._paid.values())
        self.demand("I12", due == told, f"payments beside executions: {told} here, {due} there")

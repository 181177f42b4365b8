"""What a run leaves behind: fills, orders and every change of the account, in rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from interlock.kernel.state import Order, State
from interlock.model.events import OrderFilled, PositionLiquidated
from interlock.model.facts import OrderDenied


class FillRow(NamedTuple):
    """One execution in integer units; ``realized`` before fees, money units.

    A liquidation is one for each strategy that held the position, without an order and with the tag
    "liquidation". ``ts_row`` is the close of the bar in which it happened (``ts`` itself on ticks):
    the first equity sample that includes it.
    """

    seq: int
    ts: int
    ts_row: int
    instrument: str
    strategy: str
    client_order_id: str
    side: int
    quantity: int
    price: int
    fee: int
    fee_asset: str
    is_maker: bool
    realized: int
    reference: int
    position_after: int
    tag: str


class AccountRow(NamedTuple):
    """The account after a change: wallet, and one instrument's net quantity and cost."""

    ts: int
    instrument: str
    wallet: int
    quantity: int
    cost: int


class Held(NamedTuple):
    """What a strategy held before a liquidation: quantity units, and money units so far."""

    strategy: str
    quantity: int
    realized: int
    fees: int


def holders(state: State, instrument: str) -> list[Held]:
    """The strategies with a position in an instrument."""
    found = []
    for name, owner in state.strategies.items():
        position = owner.positions.get(instrument)
        if position is not None and position.quantity:
            found.append(Held(name, position.quantity, position.realized, position.fees))
    return found


class Recorder:
    """Collects rows while a session runs."""

    def __init__(self) -> None:
        self.fills: list[FillRow] = []
        self.orders: list[Order] = []
        self.account: list[AccountRow] = []
        self.denials: list[OrderDenied] = []
        self.counts: dict[str, int] = {}
        self.borrow = 0

    def count(self, name: str) -> None:
        """Count one occurrence."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def fill(
        self, state: State, order: Order, event: OrderFilled, *, ts_row: int, realized: int
    ) -> None:
        """Take an execution in, after the kernel has booked it."""
        spec = order.spec
        slot = state.instruments[spec.instrument]
        self.fills.append(
            FillRow(
                state.seq,
                event.ts_event,
                ts_row,
                spec.instrument,
                order.owner.name,
                event.client_order_id,
                spec.side,
                event.quantity,
                event.price,
                event.fee,
                event.fee_asset,
                event.is_maker,
                realized,
                event.reference,
                slot.net.quantity,
                spec.tag,
            )
        )

    def liquidation(
        self, state: State, event: PositionLiquidated, before: list[Held], *, ts_row: int
    ) -> None:
        """Take a forced close in, after the kernel has booked it."""
        slot = state.instruments[event.instrument]
        left = slot.net.quantity + sum(held.quantity for held in before)
        for held in before:
            position = state.strategies[held.strategy].positions[event.instrument]
            left -= held.quantity
            self.fills.append(
                FillRow(
                    state.seq,
                    event.ts_event,
                    ts_row,
                    event.instrument,
                    held.strategy,
                    "",
                    -1 if held.quantity > 0 else 1,
                    abs(held.quantity),
                    event.price,
                    position.fees - held.fees,
                    slot.instrument.quote,
                    False,
                    position.realized - held.realized,
                    event.price,
                    left,
                    "liquidation",
                )
            )

    def change(self, state: State, ts: int, instrument: str) -> None:
        """The account after a fill or a payment."""
        net = state.instruments[instrument].net
        self.account.append(AccountRow(ts, instrument, state.wallet, net.quantity, net.cost))

    def facts(self, found: list[Any]) -> None:
        """Facts of one step."""
        for fact in found:
            if isinstance(fact, OrderDenied):
                self.denials.append(fact)
                self.count(f"denied {fact.code}")
            else:
                self.count(type(fact).__name__)

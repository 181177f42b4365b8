"""The in-memory exchange: one account, one market per instrument, and the reports they emit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from interlock.kernel.positions import funding_payment
from interlock.model.effects import AmendOrder, CancelOrder, SubmitOrder
from interlock.model.events import Event, FundingPaid, OrderRejected
from interlock.model.instrument import Instrument
from interlock.sim import liquidation
from interlock.sim.account import Account
from interlock.sim.bars import BarMarket
from interlock.sim.costs import VenueOptions
from interlock.sim.depth import DepthMarket
from interlock.sim.market import Market
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket

FIDELITIES: Mapping[str, type[Market]] = {
    "bars": BarMarket,
    "quotes": QuoteMarket,
    "depth": DepthMarket,
    "orders": OrderFlowMarket,
}


class Exchange:
    """A venue in memory. What it answers is appended to ``reports`` in order."""

    def __init__(
        self,
        instruments: Iterable[tuple[Instrument, str]],
        *,
        cash: int,
        options: VenueOptions,
        balances: Mapping[str, int] | None = None,
    ) -> None:
        self.reports: deque[Event] = deque()
        self.options = options
        self.account = Account(cash, margin_mode=options.margin_mode, leverage=options.leverage)
        self.account.balances.update(balances or {})
        self.markets: dict[str, Market] = {
            instrument.id: FIDELITIES[fidelity](instrument, self.account, options, self.reports)
            for instrument, fidelity in instruments
        }
        for market in self.markets.values():
            market.peers = self.markets

    def submit(self, ts: int, order: SubmitOrder) -> None:
        """An order arrives at ``ts``."""
        market = self.markets.get(order.spec.instrument)
        if market is None:
            reason = f"instrument {order.spec.instrument} is not listed"
            self.reports.append(OrderRejected(ts, order.client_order_id, reason))
            return
        market.submit(ts, order.client_order_id, order.spec)

    def cancel(self, ts: int, cancel: CancelOrder) -> None:
        """A cancel arrives at ``ts``."""
        self.markets[cancel.instrument].cancel(ts, cancel.client_order_id)

    def amend(self, ts: int, change: AmendOrder) -> None:
        """An amendment arrives at ``ts``."""
        self.markets[change.instrument].amend(
            ts,
            change.client_order_id,
            quantity=change.quantity,
            price=change.price,
            trigger=change.trigger,
        )

    def ts_row(self, instrument: str, ts: int) -> int:
        """The first sample time that includes what happens at ``ts`` on an instrument, ns."""
        return max(ts, self.markets[instrument].ts_row)

    def fund(self, ts: int, instrument: Instrument, rate: int) -> None:
        """A funding instant: the net position pays or receives at the present mark."""
        held = self.account.positions.get(instrument.id)
        if held is None or not held.quantity:
            return
        self.markets[instrument.id].refresh_mark()
        mark = self.account.marks[instrument.id]
        amount = funding_payment(instrument, held.quantity, mark, rate)
        self.account.wallet += amount
        held.funding += amount
        liquidation.guard(self.markets[instrument.id])
        self.reports.append(FundingPaid(ts, instrument.id, rate, mark, amount))

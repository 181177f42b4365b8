"""Paper trading: a live market, and the exchange in memory in place of the venue's order side.

The streams are another venue's; orders, fills, positions and wallets are those of an exchange core
in this process, which the live market mirrors into. Everything behind it (ids, ledger, recovery,
reconciler) is what trades for real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from interlock.kernel.state import Order, State
from interlock.live.past import past_of
from interlock.model.events import BarRow, MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderStatus
from interlock.model.units import RATE_SCALE
from interlock.model.venue import (
    AmendRequest,
    Answer,
    BalancesQuery,
    BookQuery,
    CancelRequest,
    DeadManRequest,
    FillSeen,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    OrderSeen,
    Payment,
    PaymentSeen,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    Stream,
    StreamChanged,
    TimeQuery,
    VenueBalance,
    VenueFill,
    VenueOrder,
    VenuePosition,
    Verdict,
)
from interlock.ports import Clock, Heard, Venue
from interlock.sim.venue import values as sim
from interlock.sim.venue.accounts import PARTICIPANTS
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.mirror import Mirror

ACCOUNT = "paper"
_MARKET = (Quote, Trade, Book)
# Payments of the core that executions tell already.
_IN_FILLS = ("realized", "commission")


class PaperTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Cash in money units of the quote currency, and how orders fare.

    ``latency_ms`` is how long a request is on its way; ``fee_per_unit`` money for one base unit in
    place of the venue's rates; ``slippage`` (1e-6) worsens what takers pay; ``share`` (1e-6) is
    the part of every shown and traded quantity that is there for us.
    """

    cash: int
    latency_ms: int = 50
    fee_per_unit: int | None = None
    slippage: int = 0
    share: int = RATE_SCALE

    @property
    def rules(self) -> sim.VenueRules:
        """The rules of the exchange in memory."""
        return sim.VenueRules(slippage=self.slippage, fee_per_unit=self.fee_per_unit)


class PaperVenue:
    """A venue whose market is real and whose fills are not."""

    def __init__(self, source: Venue, terms: PaperTerms, clock: Clock) -> None:
        self.name = f"PAPER on {source.name}"
        self._source = source
        self._terms = terms
        self._clock = clock
        self._heard: Heard = lambda event: None
        self._core: VenueCore | None = None
        self._mirrors: dict[str, Mirror] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._ended: dict[str, VenueOrder] = {}
        self._asks: Mapping[type[Request], Callable[[Any, int], Any]] = {
            OrderQuery: self._order,
            OpenOrdersQuery: self._open,
            FillsQuery: self._fills,
            PositionsQuery: self._positions,
            BalancesQuery: self._balances,
            PaymentsQuery: self._payments,
            BookQuery: lambda asked, ts: self.core.mark(asked.instrument).last,
            TimeQuery: lambda asked, ts: ts,
        }

    @property
    def core(self) -> VenueCore:
        """The exchange in memory."""
        if self._core is None:
            raise RuntimeError("the paper venue is not connected; call connect() first")
        return self._core

    def instruments(self) -> Iterable[Instrument]:
        """The instruments of the live market."""
        return self._source.instruments()

    async def connect(self, heard: Heard) -> None:
        """Connect the live market and open an account here."""
        self._heard = heard
        await self._source.connect(self._hear)
        listed = list(self._source.instruments())
        core = self._core = VenueCore(listed, options=self._terms.rules)
        for currency in {item.quote for item in listed}:
            core.add_account(ACCOUNT, {currency: self._terms.cash})
        now = self._clock.now_ns()
        core.advance(now)
        for item in listed:
            mirror = self._mirrors[item.id] = Mirror(self._terms.share)
            core.add_flow(item.id, mirror, ts=now)
            # Ids go on rising over restarts, so that none is met twice in one ledger.
            core.state.markets[item.id].trade_id = now // 10**3
        core.state.payment_id = now // 10**3
        up = StreamChanged(ts_event=now, stream=Stream.USER, is_up=True, reason="paper")
        heard(up)

    def resume(self, state: State) -> None:
        """Take over wallets and positions of an earlier process; what rested has ended with it."""
        account = self.core.state.owner(ACCOUNT)
        others = self.core.state.accounts[PARTICIPANTS]
        account.wallets.update(state.balances)
        account.wallets[state.currency] = state.wallet
        for slot in state.instruments.values():
            for holder, sign in ((account, 1), (others, -1)):
                held = holder.holding(slot.instrument, "both").position
                held.quantity, held.cost = sign * slot.net.quantity, sign * slot.net.cost
            account.holding(slot.instrument, "both").position.realized = slot.net.realized
        for order in state.open.values():
            self._ended[order.client_order_id] = _lost(order)

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Those of the live market; raises PastFault."""
        return await past_of(self._source, instrument, step_ns=step_ns, until=until, count=count)

    async def close(self) -> None:
        """Let go of the live market."""
        for timer in self._timers:
            timer.cancel()
        await self._source.close()

    def request(self, request: Request) -> None:
        """Ask the exchange in memory, after the latency of an order."""
        loop = asyncio.get_running_loop()
        delay = self._terms.latency_ms / 1_000 if request.ts_deadline else 0.0
        timer: asyncio.TimerHandle

        def arrive() -> None:
            self._timers.discard(timer)
            self._arrive(request)

        timer = loop.call_later(delay, arrive)
        self._timers.add(timer)

    def _hear(self, event: Any) -> None:
        """The live market: first our orders meet it, then the engine hears of it."""
        if isinstance(event, _MARKET) and self._core is not None:
            name = event.instrument.id
            self.core.advance(self._clock.now_ns())
            state = self.core.state
            self._mirrors[name].see(state, state.markets[name], event)
            self._tell()
        elif isinstance(event, MarkChanged) and self._core is not None:
            # Margin and liquidation go by the true mark.
            self.core.set_mark(self._clock.now_ns(), event.instrument, event.price)
            self._tell()
        if isinstance(event, StreamChanged):
            if event.stream is Stream.MARKET:
                self._heard(event)
        elif isinstance(event, (*_MARKET, Bar, MarkChanged)):
            self._heard(event)

    def _arrive(self, request: Request) -> None:
        ts = self._clock.now_ns()
        self.core.advance(ts)
        match request:
            case PlaceRequest():
                found: Any = self.core.place(ts, ACCOUNT, _ticket(request))
            case CancelRequest():
                name = request.client_order_id
                found = self.core.cancel(ts, ACCOUNT, request.instrument, client_id=name)
            case AmendRequest():
                found = self.core.amend(ts, ACCOUNT, request.spec.instrument, _amendment(request))
            case DeadManRequest():
                due = ts + request.delay_ms * 10**6 if request.delay_ms else 0
                self.core.dead_man(ts, ACCOUNT, request.instrument or None, due)
                found = None
            case _:
                found = self._asks[type(request)](request, ts)
        self._heard(_answer(request, found, ts))
        self._tell()

    def _tell(self) -> None:
        """Pass on what the exchange in memory has to say to its account."""
        events, ts = self.core.events, self._clock.now_ns()
        while events:
            event = events.popleft()
            if isinstance(event, sim.OrderEvent) and event.order.account == ACCOUNT:
                if event.fill is not None:
                    self._heard(FillSeen(ts_event=ts, fill=_fill(event.fill)))
                self._heard(OrderSeen(ts_event=ts, order=_order(event.order)))
            elif isinstance(event, sim.AccountEvent) and event.account == ACCOUNT:
                self._tell_payments(event, ts)

    def _tell_payments(self, event: sim.AccountEvent, ts: int) -> None:
        if event.cause == "order":
            return
        for payment in self.core.payments_since(ACCOUNT, event.ts):
            if payment.kind not in _IN_FILLS:
                self._heard(PaymentSeen(ts_event=ts, payment=_payment(payment)))

    # Questions.
    def _order(self, asked: OrderQuery, ts: int) -> VenueOrder | None:
        name = asked.client_order_id
        if not name:
            number = int(asked.venue_order_id)
            held = self.core.order(ACCOUNT, asked.instrument, order_id=number)
            return None if held is None else _order(held)
        found = self.core.order(ACCOUNT, asked.instrument, client_id=name)
        return self._ended.get(name) if found is None else _order(found)

    def _open(self, asked: OpenOrdersQuery, ts: int) -> tuple[VenueOrder, ...]:
        return tuple(map(_order, self.core.open_orders(ACCOUNT)))

    def _fills(self, asked: FillsQuery, ts: int) -> tuple[VenueFill, ...]:
        return tuple(map(_fill, self.core.fills_since(ACCOUNT, asked.instrument, asked.ts_from)))

    def _positions(self, asked: PositionsQuery, ts: int) -> tuple[VenuePosition, ...]:
        held = self.core.account(ACCOUNT).positions
        return tuple(
            VenuePosition(instrument=item.symbol, quantity=item.quantity, ts_venue=item.ts_updated)
            for item in held
            if item.quantity
        )

    def _balances(self, asked: BalancesQuery, ts: int) -> tuple[VenueBalance, ...]:
        return tuple(
            VenueBalance(asset=item.asset, wallet=item.wallet, available=item.available)
            for item in self.core.account(ACCOUNT).balances
        )

    def _payments(self, asked: PaymentsQuery, ts: int) -> tuple[Payment, ...]:
        return tuple(map(_payment, self.core.payments_since(ACCOUNT, asked.ts_from)))


def _lost(order: Order) -> VenueOrder:
    """An order that ended with the process in which its exchange lived."""
    spec = order.spec
    return VenueOrder(
        instrument=spec.instrument,
        client_order_id=order.client_order_id,
        venue_order_id="",
        side=spec.side,
        type=spec.type,
        status=OrderStatus.CANCELED,
        quantity=spec.quantity,
        filled=order.filled,
        price=spec.price,
        trigger=spec.trigger,
        reduce_only=spec.reduce_only,
        reason="the paper exchange was restarted",
    )


def _answer(request: Request, found: Any, ts: int) -> Answer:
    number = request.request_id
    if isinstance(found, sim.Refused):
        return Answer(
            request_id=number,
            ts_event=ts,
            verdict=Verdict.REJECTED,
            code=str(found.refusal),
            reason=found.text,
            ts_venue=ts,
        )
    content = _order(found) if isinstance(found, sim.Order) else found
    return Answer(
        request_id=number, ts_event=ts, verdict=Verdict.ACCEPTED, content=content, ts_venue=ts
    )


def _ticket(request: PlaceRequest) -> sim.OrderTicket:
    spec = request.spec
    return sim.OrderTicket(
        symbol=spec.instrument,
        side=spec.side,
        quantity=spec.quantity,
        type=spec.type,
        price=spec.price,
        trigger=spec.trigger,
        callback_rate=_callback(spec.trail, spec.trigger or spec.price),
        time_in_force=spec.time_in_force,
        post_only=spec.post_only,
        reduce_only=spec.reduce_only,
        expire_ts=spec.expire_ts,
        client_id=request.client_order_id,
    )


def _callback(trail: int, reference: int) -> int:
    """A trailing distance as the share (1e-6) that the core takes, rounded away from the price."""
    return -(-trail * 1_000_000 // reference) if trail and reference else 0


def _amendment(request: AmendRequest) -> sim.Amendment:
    spec = request.spec
    return sim.Amendment(
        client_id=request.client_order_id,
        quantity=spec.quantity,
        price=spec.price,
        trigger=spec.trigger,
    )


def _order(order: sim.Order) -> VenueOrder:
    return VenueOrder(
        instrument=order.symbol,
        client_order_id=order.client_id,
        venue_order_id=str(order.order_id),
        side=order.side,
        type=order.type,
        status=order.status,
        quantity=order.quantity,
        filled=order.filled,
        price=order.price,
        trigger=order.trigger,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        reason=order.reason,
        ts_venue=order.ts_updated,
    )


def _fill(fill: sim.Fill) -> VenueFill:
    return VenueFill(
        instrument=fill.symbol,
        trade_id=fill.fill_id,
        client_order_id=fill.client_id,
        venue_order_id=str(fill.order_id),
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        is_maker=fill.is_maker,
        ts_venue=fill.ts,
    )


def _payment(payment: sim.Payment) -> Payment:
    return Payment(
        kind=payment.kind,
        instrument=payment.symbol,
        asset=payment.asset,
        amount=payment.amount,
        payment_id=str(payment.payment_id),
        ts_venue=payment.ts,
    )

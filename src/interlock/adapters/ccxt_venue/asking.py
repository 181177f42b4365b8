"""Requests carried out through ccxt's unified methods, each answer judged by what it proves."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.adapters.ccxt_venue import words
from interlock.adapters.ccxt_venue.client import Refused, SafeExchange, Trace, traced
from interlock.adapters.ccxt_venue.reading import NotCarried, Reading, Sent
from interlock.adapters.ccxt_venue.verdicts import Judged, is_json, judge_error, judge_order
from interlock.adapters.ccxt_venue.words import Market, Markets, WordFault
from interlock.adapters.transport import Ending
from interlock.model.order import TRIGGERED_TYPES
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    DeadManRequest,
    OrderQuery,
    PlaceRequest,
    Request,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from interlock.ports import Clock

MILLISECOND = 1_000_000
# Venues whose requests carry a deadline, and under which name.
_WINDOWED = ("binance",)
_WRITING = (PlaceRequest, CancelRequest, AmendRequest, DeadManRequest)


class Asking:
    """Carries requests out. ``price`` gives the last price that is known."""

    def __init__(self, exchange: SafeExchange, markets: Markets, clock: Clock) -> None:
        self.exchange = exchange
        self.markets = markets
        self.reading = Reading(exchange.api, markets)
        self.prices: dict[str, int] = {}
        self._clock = clock
        self._api: Any = exchange.api

    async def answer(self, request: Request) -> Answer:
        """The answer to one request, whatever happens on the way."""
        with traced(writes=isinstance(request, _WRITING)) as trace:
            return await self._answered(request, trace)

    async def _answered(self, request: Request, trace: Trace) -> Answer:
        try:
            if request.ts_deadline and self._clock.now_ns() >= request.ts_deadline:
                raise NotCarried(f"it was to be sent before {request.ts_deadline}")
            return self._answer(request, *await self._carry_out(request, trace))
        except (NotCarried, WordFault) as error:
            verdict = Verdict.UNKNOWN if trace.replies else Verdict.NOT_SENT
            return self._answer(request, Judged(verdict, "", str(error)))
        except (Refused, self.exchange.errors.BaseError) as error:
            judged = judge_error(request, trace, error, self._api.id)
            return self._answer(request, self._settled(request, judged, error, trace))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # ccxt stumbles over bodies that are not what it expects.
            reason = f"ccxt could not read the answer: {type(error).__name__}: {error}"
            verdict = Verdict.UNKNOWN if trace.replies else Verdict.NOT_SENT
            return self._answer(request, Judged(verdict, "", reason))

    def _answer(self, request: Request, judged: Judged, content: Any = None) -> Answer:
        is_time = isinstance(request, TimeQuery)
        return Answer(
            request_id=request.request_id,
            ts_event=self._clock.now_ns(),
            verdict=judged.verdict,
            content=content,
            code=judged.code,
            reason=judged.reason,
            retry_after_ms=judged.retry_after_ms,
            ts_venue=content if is_time and isinstance(content, int) else 0,
        )

    def _settled(self, request: Request, judged: Judged, error: Exception, trace: Trace) -> Judged:
        """A question that was answered by "not found" was answered, if the venue said so."""
        reply = trace.last
        is_found_out = (
            isinstance(request, OrderQuery)
            and isinstance(error, self.exchange.errors.OrderNotFound)
            and len(trace.replies) == 1
            and reply is not None
            and reply.ending is Ending.ANSWERED
            and is_json(reply.body)
        )
        if is_found_out:
            return msgspec.structs.replace(judged, verdict=Verdict.ACCEPTED)
        return judged

    async def _carry_out(self, request: Request, trace: Trace) -> tuple[Judged, Any]:
        match request:
            case PlaceRequest():
                return await self._place(request, trace)
            case CancelRequest():
                return await self._cancel(request, trace)
            case AmendRequest():
                return await self._amend(request, trace)
            case OrderQuery():
                return await self._query(request, trace)
            case DeadManRequest():
                return await self._dead_man(request)
        content = await self.reading.read(request)
        for reply in trace.replies:
            if reply.status != 200 or not is_json(reply.body):
                return Judged(Verdict.UNKNOWN, f"http {reply.status}", "the answer is none"), None
        return Judged(Verdict.ACCEPTED), content

    # Orders.
    async def _place(self, request: PlaceRequest, trace: Trace) -> tuple[Judged, Any]:
        spec, name = request.spec, request.client_order_id
        market = self.markets.by_id(spec.instrument)
        price = self.prices.get(spec.instrument, 0)
        why = words.unsupported(spec, self._api, market, price)
        if why:
            raise NotCarried(why)
        *arguments, params = words.order_arguments(spec, market, price)
        params |= {"clientOrderId": name, **self._window(request)}
        self.reading.sent[name] = Sent(spec=spec)
        found = await self._api.create_order(*arguments, params)
        return self._judged(found, trace, market, name)

    async def _amend(self, request: AmendRequest, trace: Trace) -> tuple[Judged, Any]:
        spec, name = request.spec, request.client_order_id
        if spec.type in TRIGGERED_TYPES:
            raise NotCarried(f"a {spec.type} order cannot be amended; cancel it, place another")
        market = self.markets.by_id(spec.instrument)
        held = self.reading.sent.get(name)
        number = held.number if held is not None else request.venue_order_id
        if not number:
            raise NotCarried(f"the venue's id of {name} is not known; ask for the order first")
        arguments = words.order_arguments(spec, market, 0)[:5]
        found = await self._api.edit_order(number, *arguments, self._window(request))
        judged, content = self._judged(found, trace, market, name)
        if content is not None:
            self.reading.sent[name] = Sent(spec=spec, number=content.venue_order_id)
        return judged, content

    async def _cancel(self, request: CancelRequest, trace: Trace) -> tuple[Judged, Any]:
        market = self.markets.by_id(request.instrument)
        number, params = self._named(request.client_order_id, request.venue_order_id)
        params |= {"trigger": True} if request.is_conditional else {}
        found = await self._api.cancel_order(number, market.symbol, params | self._window(request))
        judged = judge_order(found, trace, request.client_order_id)
        return judged, None

    async def _query(self, request: OrderQuery, trace: Trace) -> tuple[Judged, Any]:
        if not request.client_order_id and not self._api.has.get("fetchOrder"):
            return Judged(Verdict.REJECTED, "NotSupported", "it tells of no single order"), None
        market = self.markets.by_id(request.instrument)
        number, params = self._named(request.client_order_id, request.venue_order_id)
        params |= {"trigger": True} if request.is_conditional else {}
        found = await self._api.fetch_order(number, market.symbol, params)
        judged, content = self._judged(found, trace, market, request.client_order_id)
        child = (found.get("info") or {}).get("actualOrderId") if isinstance(found, dict) else ""
        if judged.verdict is Verdict.ACCEPTED and child:
            # What its trigger made is another order at the venue, and the same one to us.
            self.reading.names[str(child)] = request.client_order_id
            found = await self._api.fetch_order(str(child), market.symbol)
            judged = judge_order(found, trace, "")
            content = self.reading.order(found, market, request.client_order_id)
        return judged, content

    def _judged(
        self, found: Any, trace: Trace, market: Market, name: str
    ) -> tuple[Judged, VenueOrder | None]:
        judged = judge_order(found, trace, name)
        if judged.verdict is not Verdict.ACCEPTED:
            return judged, None
        return judged, self.reading.order(found, market, name)

    def _named(self, name: str, number: str) -> tuple[Any, dict[str, Any]]:
        """How an order is named: by our id where there is one."""
        held = self.reading.sent.get(name)
        found = number or (held.number if held is not None else "")
        return found or None, {"clientOrderId": name} if name else {}

    def _window(self, request: Request) -> dict[str, Any]:
        """How long the venue may still take a request up, where it can be told that."""
        if not request.ts_deadline or not self._api.id.startswith(_WINDOWED):
            return {}
        left = (request.ts_deadline - self._clock.now_ns()) // MILLISECOND
        if left < 1:
            raise NotCarried(f"it was to be sent before {request.ts_deadline}")
        return {"recvWindow": min(left, 60_000)}

    async def _dead_man(self, request: DeadManRequest) -> tuple[Judged, Any]:
        if self._api.id == "binanceusdm":
            names = [request.instrument] if request.instrument else list(self.markets.ids())
            for name in names:
                symbol = self._api.market(self.markets.by_id(name).symbol)["id"]
                told = {"symbol": symbol, "countdownTime": request.delay_ms}
                await self._api.fapiPrivatePostCountdownCancelAll(told)
            return Judged(Verdict.ACCEPTED), None
        if not self._api.has.get("cancelAllOrdersAfter") or request.instrument:
            raise NotCarried(f"{self._api.id} has no cancel of one instrument's orders by time")
        await self._api.cancel_all_orders_after(request.delay_ms)
        return Judged(Verdict.ACCEPTED), None

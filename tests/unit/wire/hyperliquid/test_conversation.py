"""One request as a series of calls: pages, look-ups, withheld ends, and what is told afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OrderQuery,
    PlaceRequest,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.client import Client, Wallet
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.wire.hyperliquid.conversation import SETTLE_NS, Conversation
from interlock.wire.hyperliquid.pages import FILLS_MOST
from interlock.wire.hyperliquid.streams import Reader
from tests.unit.wire.hyperliquid.cases import BTC, ETH, ORDER_ID, limit_buy, universe

SECOND = 10**9
NOW = 1_700_000_000 * SECOND
ADDRESS = "0x" + "ab" * 20


class Pen:
    """Signs everything alike."""

    def sign(self, message: bytes) -> str:
        return "0x" + message.hex() * 2 + "00"


def client(*, traded: tuple[str, ...] = (BTC,)) -> Client:
    made = Client(Wallet(identity=Identity(address=ADDRESS), signer=Pen()), traded)
    made.reader = Reader(universe=universe(), cloids=made.known.cloids)
    return made


def placed(desk: Client, spec: OrderSpec | None = None) -> PlaceRequest:
    request = PlaceRequest(request_id=1, client_order_id=ORDER_ID, spec=spec or limit_buy())
    desk.known.sent(request)
    return request


def amendment(**changes: Any) -> AmendRequest:
    spec = limit_buy(price=640_000, **changes)
    return AmendRequest(
        request_id=2, client_order_id=ORDER_ID, spec=spec, ts_deadline=NOW + 3 * SECOND
    )


def statuses(*slots: object, kind: str = "order") -> HttpResponse:
    response = {"type": kind, "data": {"statuses": list(slots)}}
    return HttpResponse(
        status=200, body=msgspec.json.encode({"status": "ok", "response": response})
    )


def body_of(request: HttpRequest | None) -> Mapping[str, Any]:
    assert request is not None
    found: dict[str, Any] = msgspec.json.decode(request.body)
    return found


def reply(talk: Conversation, response: HttpResponse, *, ts: int = NOW) -> Answer | None:
    """Send what leaves, and give the response back a moment later."""
    assert talk.leaving(ts=ts) is not None
    talk.replied(response, sent=ts, ts=ts + 5)
    return talk.answer


def status_row(oid: int, *, status: str = "open", size: str = "0.01") -> dict[str, object]:
    order = {
        "coin": "BTC", "side": "B", "limitPx": "63000.0", "sz": size, "oid": oid,
        "timestamp": 1_700_000_000_000, "origSz": "0.01", "cloid": cloid_of(ORDER_ID),
    }  # fmt: skip
    return {"order": order, "status": status, "statusTimestamp": 1_700_000_000_000}


def seen(desk: Client, number: str, status: OrderStatus, *, filled: int = 0) -> VenueOrder | None:
    return desk.known.whole(
        VenueOrder(
            instrument=BTC,
            client_order_id=ORDER_ID,
            venue_order_id=number,
            side=1,
            type=OrderType.LIMIT,
            status=status,
            quantity=1_000,
            filled=filled,
            price=630_000,
        )
    )


def test_an_order_leaves_once_and_its_answer_is_the_last_word() -> None:
    talk = Conversation(
        PlaceRequest(request_id=1, client_order_id=ORDER_ID, spec=limit_buy()), client()
    )
    answer = reply(talk, statuses({"resting": {"oid": 77}}))
    assert answer is not None
    assert answer.verdict is Verdict.ACCEPTED
    assert isinstance(answer.content, VenueOrder)
    assert answer.content.venue_order_id == "77"
    assert talk.leaving(ts=NOW) is None
    assert (talk.wants_clock, talk.wants_instruments, talk.ts_settled) == (False, False, 0)


def test_what_is_overdue_never_leaves_and_uses_no_nonce() -> None:
    desk = client()
    request = PlaceRequest(
        request_id=1, client_order_id=ORDER_ID, spec=limit_buy(), ts_deadline=NOW
    )
    talk = Conversation(request, desk)
    assert talk.leaving(ts=NOW) is None
    assert talk.answer is not None
    assert talk.answer.verdict is Verdict.NOT_SENT
    assert desk.nonces.last == 0


@pytest.mark.parametrize(
    ("has_left", "verdict"), [(True, Verdict.UNKNOWN), (False, Verdict.NOT_SENT)]
)
def test_a_call_without_an_answer_is_unknown_unless_nothing_left(
    has_left: bool, verdict: Verdict
) -> None:
    talk = Conversation(
        CancelRequest(request_id=4, client_order_id=ORDER_ID, instrument=BTC), client()
    )
    assert talk.leaving(ts=NOW) is not None
    talk.failed("cut", ts=NOW, has_left=has_left)
    assert talk.answer is not None
    assert (talk.answer.verdict, talk.answer.request_id) == (verdict, 4)


def test_every_action_has_a_nonce_of_its_own_and_the_venues_time() -> None:
    desk = client()
    first, second = (
        Conversation(CancelRequest(request_id=n, client_order_id=f"a{n}", instrument=BTC), desk)
        for n in (1, 2)
    )
    time = {"time": (NOW + 2 * SECOND) // 10**6}
    reply(
        Conversation(TimeQuery(request_id=-1), desk),
        HttpResponse(status=200, body=msgspec.json.encode(time)),
    )
    nonces = [body_of(talk.leaving(ts=NOW))["nonce"] for talk in (first, second)]
    assert nonces[1] == nonces[0] + 1
    assert abs(nonces[0] - (NOW + 2 * SECOND) // 10**6) <= 1


def test_a_switch_of_the_only_instrument_is_the_switch_of_the_account() -> None:
    request = DeadManRequest(request_id=1, instrument=BTC, delay_ms=10_000)
    action = body_of(Conversation(request, client()).leaving(ts=NOW))["action"]
    assert action == {"type": "scheduleCancel", "time": NOW // 10**6 + 10_000}
    talk = Conversation(request, client(traded=(BTC, ETH)))
    assert talk.leaving(ts=NOW) is None
    assert talk.answer is not None
    assert talk.answer.verdict is Verdict.NOT_SENT


@pytest.mark.parametrize(
    ("text", "wants"),
    [("Action expired: expiresAfter 1, now 2", True), ("Order has zero size.", False)],
)
def test_a_refusal_that_a_wrong_clock_explains_asks_for_the_time(text: str, wants: bool) -> None:
    talk = Conversation(
        PlaceRequest(request_id=1, client_order_id=ORDER_ID, spec=limit_buy()), client()
    )
    refused = msgspec.json.encode({"status": "err", "response": text})
    reply(talk, HttpResponse(status=200, body=refused))
    assert talk.wants_clock is wants


def test_an_instrument_that_is_not_listed_asks_for_the_lists() -> None:
    talk = Conversation(OrderQuery(request_id=1, client_order_id="a", instrument=BTC), client())
    row = status_row(5)
    row["order"] = {**row["order"], "coin": "NEW"}  # type: ignore[dict-item]
    found = {"status": "order", "order": row}
    reply(talk, HttpResponse(status=200, body=msgspec.json.encode(found)))
    assert talk.wants_instruments


class TestLists:
    def test_a_full_page_is_followed_by_the_next(self) -> None:
        talk = Conversation(FillsQuery(request_id=1, instrument=BTC, ts_from=NOW), client())
        start = NOW // 10**6
        full = [_fill(number, start + number) for number in range(FILLS_MOST)]
        assert reply(talk, HttpResponse(status=200, body=msgspec.json.encode(full))) is None
        asked = body_of(talk.leaving(ts=NOW))
        assert asked["startTime"] == start + FILLS_MOST - 1
        rest = [_fill(FILLS_MOST - 1, start + FILLS_MOST - 1), _fill(FILLS_MOST, start + 9_000)]
        talk.replied(HttpResponse(status=200, body=msgspec.json.encode(rest)), sent=NOW, ts=NOW + 1)
        assert talk.answer is not None
        assert isinstance(talk.answer.content, tuple)
        assert len(talk.answer.content) == FILLS_MOST + 1

    def test_a_page_that_is_missing_is_no_answer(self) -> None:
        talk = Conversation(FillsQuery(request_id=1, instrument=BTC, ts_from=NOW), client())
        full = [_fill(number, NOW // 10**6 + number) for number in range(FILLS_MOST)]
        assert reply(talk, HttpResponse(status=200, body=msgspec.json.encode(full))) is None
        answer = reply(talk, HttpResponse(status=503, body=b""))
        assert answer is not None
        assert (answer.verdict, answer.content) == (Verdict.UNKNOWN, None)


class TestAmendments:
    def test_a_replacement_is_for_what_is_left_and_stays_the_whole_order(self) -> None:
        desk = client()
        placed(desk)
        seen(desk, "7", OrderStatus.PARTIALLY_FILLED, filled=400)
        talk = Conversation(amendment(), desk)
        request = talk.leaving(ts=NOW)
        row = body_of(request)["action"]["modifies"][0]["order"]
        assert row["s"] == "0.006"
        talk.replied(statuses({"resting": {"oid": 8}}), sent=NOW, ts=NOW + 5)
        assert talk.answer is not None
        order = talk.answer.content
        assert isinstance(order, VenueOrder)
        assert (order.venue_order_id, order.quantity, order.filled) == ("8", 1_000, 400)
        assert talk.ts_settled == 0

    def in_doubt(self, desk: Client) -> Conversation:
        """An amendment without an answer, beside which the stream has told the order's end."""
        placed(desk)
        seen(desk, "7", OrderStatus.ACCEPTED)
        talk = Conversation(amendment(), desk)
        assert talk.leaving(ts=NOW) is not None
        assert seen(desk, "7", OrderStatus.CANCELED) is None
        talk.failed("cut", ts=NOW + SECOND, has_left=True)
        return talk

    def test_an_end_beside_a_doubt_is_for_questions_to_tell(self) -> None:
        desk = client()
        talk = self.in_doubt(desk)
        assert talk.ts_settled == talk.request.ts_deadline + SETTLE_NS
        # The stream may have lost what became of the order.
        assert talk.settled(ts=talk.ts_settled) is None
        asked = Conversation(
            OrderQuery(request_id=3, client_order_id=ORDER_ID, instrument=BTC), desk
        )
        found = {"status": "order", "order": status_row(8)}
        answer = reply(asked, HttpResponse(status=200, body=msgspec.json.encode(found)))
        assert answer is not None
        assert isinstance(answer.content, VenueOrder)
        assert (answer.content.venue_order_id, answer.content.status) == (
            "8",
            OrderStatus.ACCEPTED,
        )

    def test_a_question_by_our_id_finds_that_nothing_replaced_the_order(self) -> None:
        desk = client()
        talk = self.in_doubt(desk)
        asked = Conversation(
            OrderQuery(request_id=3, client_order_id=ORDER_ID, instrument=BTC), desk
        )
        found = {"status": "order", "order": status_row(7, status="canceled")}
        answer = reply(asked, HttpResponse(status=200, body=msgspec.json.encode(found)))
        assert answer is not None
        assert isinstance(answer.content, VenueOrder)
        assert answer.content.status is OrderStatus.CANCELED
        assert talk.settled(ts=talk.ts_settled) is None

    def test_the_end_of_an_order_is_told_when_its_amendment_is_refused(self) -> None:
        desk = client()
        placed(desk)
        seen(desk, "7", OrderStatus.ACCEPTED)
        talk = Conversation(amendment(), desk)
        assert talk.leaving(ts=NOW) is not None
        assert seen(desk, "7", OrderStatus.CANCELED) is None
        refused = {"error": "Insufficient margin to place order. asset=1"}
        talk.replied(statuses(refused), sent=NOW, ts=NOW + 5)
        assert talk.ts_settled == NOW + 5
        ended = talk.settled(ts=talk.ts_settled)
        assert ended is not None
        assert ended.order.status is OrderStatus.CANCELED

    def test_an_amendment_that_was_refused_is_settled_at_once(self) -> None:
        desk = client()
        placed(desk)
        talk = Conversation(amendment(), desk)
        gone = {"error": "Cannot modify canceled or filled order"}
        answer = reply(talk, statuses(gone))
        assert answer is not None
        assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "order_gone")
        assert talk.ts_settled == answer.ts_event
        assert talk.settled(ts=NOW) is None

    def test_an_order_of_an_earlier_process_is_looked_up_first(self) -> None:
        desk = client()
        talk = Conversation(amendment(), desk)
        assert body_of(talk.leaving(ts=NOW))["type"] == "orderStatus"
        found = {"status": "order", "order": status_row(7, size="0.004")}
        talk.replied(
            HttpResponse(status=200, body=msgspec.json.encode(found)), sent=NOW, ts=NOW + 1
        )
        row = body_of(talk.leaving(ts=NOW))["action"]["modifies"][0]["order"]
        assert row["s"] == "0.004"
        talk.replied(statuses({"resting": {"oid": 8}}), sent=NOW, ts=NOW + 5)
        assert talk.answer is not None
        assert (talk.answer.verdict, talk.answer.request_id) == (Verdict.ACCEPTED, 2)

    def test_what_is_not_found_is_not_amended(self) -> None:
        talk = Conversation(amendment(), client())
        answer = reply(talk, HttpResponse(status=200, body=b'{"status":"unknownOid"}'))
        assert answer is not None
        assert answer.verdict is Verdict.NOT_SENT
        assert "no such order" in answer.reason
        assert talk.ts_settled == 0


def _fill(number: int, time: int) -> dict[str, object]:
    return {
        "coin": "BTC", "px": "63000.0", "sz": "0.001", "side": "B", "time": time, "oid": 7,
        "crossed": True, "fee": "0.1", "tid": number + 1, "feeToken": "USDC",
    }  # fmt: skip

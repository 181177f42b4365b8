"""Requests become the venue's actions: key order, number text, ids, deadlines, nonces."""

from __future__ import annotations

import json

import msgspec
import pytest

from interlock.model.order import OrderType, TimeInForce
from interlock.model.venue import (
    AmendRequest,
    CancelRequest,
    DeadManRequest,
    OrderQuery,
    PlaceRequest,
    TimeQuery,
)
from interlock.wire.hyperliquid.actions import (
    Identity,
    Unsupported,
    action_of,
    draft,
    post,
)
from interlock.wire.hyperliquid.cloids import Cloids, cloid_of
from interlock.wire.hyperliquid.nonces import AHEAD_MAX_MS, NonceFault, Nonces
from interlock.wire.hyperliquid.queries import ask, query_of
from interlock.wire.hyperliquid.text import WireFault
from tests.unit.wire.hyperliquid.cases import BTC, ORDER_ID, limit_buy, place, universe

CLOID = cloid_of(ORDER_ID)


def test_a_limit_order_has_the_keys_in_the_order_of_signing() -> None:
    action = action_of(place(), universe())
    row = {
        "a": 1,
        "b": True,
        "p": "63000",
        "s": "0.01",
        "r": False,
        "t": {"limit": {"tif": "Gtc"}},
        "c": CLOID,
    }
    wanted = {"type": "order", "orders": [row], "grouping": "na"}
    assert json.dumps(action) == json.dumps(wanted)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"post_only": True}, {"limit": {"tif": "Alo"}}),
        ({"time_in_force": TimeInForce.IOC}, {"limit": {"tif": "Ioc"}}),
        (
            {"type": OrderType.STOP_LIMIT, "trigger": 625_005},
            {"trigger": {"isMarket": False, "triggerPx": "62500.5", "tpsl": "sl"}},
        ),
        (
            {"type": OrderType.TAKE_PROFIT, "price": 0, "trigger": 700_000},
            {"trigger": {"isMarket": True, "triggerPx": "70000", "tpsl": "tp"}},
        ),
        ({"type": OrderType.MARKET, "price": 0}, {"limit": {"tif": "Ioc"}}),
    ],
)
def test_types_have_the_venues_words(changes: dict[str, object], words: object) -> None:
    (row,) = action_of(place(**changes), universe(), mark=600_000)["orders"]  # type: ignore[misc]
    assert json.dumps(row["t"]) == json.dumps(words)


@pytest.mark.parametrize(("side", "text"), [(1, "63000"), (-1, "57000")])
def test_a_market_order_goes_no_further_than_its_slippage(side: int, text: str) -> None:
    request = place(type=OrderType.MARKET, price=0, side=side)
    (row,) = action_of(request, universe(), mark=600_000)["orders"]  # type: ignore[misc]
    assert row["p"] == text


def test_a_stop_at_market_gets_a_worst_price_beyond_its_trigger() -> None:
    request = place(type=OrderType.STOP_MARKET, price=0, trigger=500_000, side=-1)
    (row,) = action_of(request, universe())["orders"]  # type: ignore[misc]
    assert (row["p"], row["t"]["trigger"]["triggerPx"]) == ("45000", "50000")


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.FOK},
        {"time_in_force": TimeInForce.GTD, "expire_ts": 1},
        {"type": OrderType.TRAILING_STOP, "price": 0, "trail": 100},
        {"type": OrderType.MARKET, "price": 0},
    ],
)
def test_what_the_venue_has_no_words_for_is_not_sent(changes: dict[str, object]) -> None:
    with pytest.raises(Unsupported):
        action_of(place(**changes), universe())


def test_a_cancel_goes_by_our_id_where_there_is_one() -> None:
    ours = CancelRequest(request_id=1, client_order_id=ORDER_ID, instrument=BTC)
    foreign = CancelRequest(request_id=1, client_order_id="", instrument=BTC, venue_order_id="9007")
    by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}]}
    by_number = {"type": "cancel", "cancels": [{"a": 1, "o": 9007}]}
    assert json.dumps(action_of(ours, universe())) == json.dumps(by_cloid)
    assert json.dumps(action_of(foreign, universe())) == json.dumps(by_number)


def test_an_amendment_replaces_what_is_left() -> None:
    request = AmendRequest(request_id=1, client_order_id=ORDER_ID, spec=limit_buy())
    action = action_of(request, universe(), filled=400)
    (change,) = action["modifies"]  # type: ignore[misc]
    assert (action["type"], change["oid"], change["order"]["s"]) == ("batchModify", CLOID, "0.006")
    with pytest.raises(Unsupported):
        action_of(request, universe(), filled=1_000)


def test_the_dead_man_is_set_in_the_venues_time_and_taken_back() -> None:
    on = DeadManRequest(request_id=1, delay_ms=30_000)
    off = DeadManRequest(request_id=1, delay_ms=0)
    assert action_of(on, universe(), now_ms=5) == {"type": "scheduleCancel", "time": 30_005}
    assert action_of(off, universe()) == {"type": "scheduleCancel"}
    with pytest.raises(Unsupported):
        action_of(DeadManRequest(request_id=1, delay_ms=100), universe())


def test_a_question_is_no_action_and_the_other_way_round() -> None:
    with pytest.raises(Unsupported):
        action_of(TimeQuery(request_id=1), universe())
    with pytest.raises(Unsupported):
        query_of(place(), universe(), Identity(address="0x1"))


def test_an_instrument_that_is_not_listed_is_refused() -> None:
    with pytest.raises(WireFault):
        action_of(place(instrument="DOGE-PERP.HYPERLIQUID"), universe())


def test_an_order_is_asked_for_by_cloid_of_the_vault_it_trades_for() -> None:
    request = OrderQuery(request_id=1, client_order_id=ORDER_ID, instrument=BTC)
    question = query_of(request, universe(), Identity(address="0x1", vault="0x2"))
    assert ask(question).body == (f'{{"type":"orderStatus","user":"0x2","oid":"{CLOID}"}}'.encode())


def test_an_order_without_an_id_of_ours_is_asked_for_by_its_number() -> None:
    request = OrderQuery(request_id=1, client_order_id="", instrument=BTC, venue_order_id="91")
    question = query_of(request, universe(), Identity(address="0x1"))
    assert question == {"type": "orderStatus", "user": "0x1", "oid": 91}
    with pytest.raises(Unsupported):
        query_of(
            msgspec.structs.replace(request, venue_order_id="x"),
            universe(),
            Identity(address="0x1"),
        )


def test_the_deadline_of_a_request_is_its_expiry() -> None:
    request = PlaceRequest(request_id=1, client_order_id="x", spec=limit_buy())
    ready = draft(
        action_of(request, universe()),
        Identity(address="0x" + "11" * 20),
        nonce=5,
        ts_deadline=1_760_000_060_000_999_999,
    )
    body = json.loads(post(ready, "0x" + "ab" * 32 + "cd" * 32 + "01").body)
    assert list(body) == ["action", "nonce", "signature", "vaultAddress", "expiresAfter"]
    assert body["expiresAfter"] == 1_760_000_060_000
    assert body["signature"] == {"r": "0x" + "ab" * 32, "s": "0x" + "cd" * 32, "v": 28}


def test_the_same_id_gives_the_same_cloid_and_the_registry_leads_back() -> None:
    ids = [f"e{epoch}-{count:06}" for epoch in range(3) for count in range(400)]
    cloids = Cloids(ids)
    assert len({cloid_of(item) for item in ids}) == len(ids)
    assert [cloids.original(cloid_of(item)) for item in ids] == ids
    assert cloids.original("0x" + "f" * 32) == "0x" + "f" * 32
    assert cloids.original(None) == ""
    assert cloid_of("0x" + "0" * 31 + "7") == "0x" + "0" * 31 + "7"


def test_nonces_never_repeat_whatever_the_clock_does() -> None:
    nonces = Nonces()
    taken = [nonces.take(now) for now in (1_000, 1_000, 1_000, 999, 2_000, 1_500)]
    assert taken == [1_000, 1_001, 1_002, 1_003, 2_000, 2_001]
    assert Nonces(nonces.last).take(0) == 2_002
    with pytest.raises(NonceFault):
        Nonces(AHEAD_MAX_MS + 10).take(0)

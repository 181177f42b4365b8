"""ccxt beneath our rules: what it may not send or be told, and what its words prove."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.async_support as ccxt
import pytest

from interlock.adapters.ccxt_venue import CcxtConfig, tier
from interlock.adapters.ccxt_venue.client import Refused, SafeExchange, Trace, traced
from interlock.adapters.ccxt_venue.tiers import TESTED, UNTESTED
from interlock.adapters.ccxt_venue.verdicts import judge_error, judge_order
from interlock.adapters.system import SystemClock
from interlock.adapters.transport import Ending, Reply
from interlock.model.order import OrderSpec
from interlock.model.venue import PlaceRequest, Verdict

PLACE = PlaceRequest(request_id=1, client_order_id="a", spec=OrderSpec("BTC.X", 1, 1))
# Nobody listens here: what passes the guard is refused by the machine, before a byte leaves.
NOWHERE = "http://127.0.0.1:9"


def fetched(config: CcxtConfig, url: str, body: str = "", *, writes: bool = False) -> Exception:
    """How ccxt's door to the network ends."""

    async def main() -> Exception:
        exchange = SafeExchange(config, clock=SystemClock())
        await exchange.transport.open()
        try:
            with traced(writes=writes):
                await exchange.fetch(url, "POST", {}, body)
        except (Refused, ccxt.BaseError) as error:
            return error
        finally:
            await exchange.close()
        raise AssertionError("somebody answered")

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "writes"),
    [
        ('{"action":{"type":"approveBuilderFee"}}', True),
        ('{"action":{"type":"setReferrer"}}', True),
        ('{"action":{"type":"withdraw3"}}', True),
        ('{"action":{"type":"order","builder":{"b":"0x1","f":10}}}', True),
        ("no json", True),
        ('{"action":{"type":"order"}}', False),
    ],
)
def test_what_nobody_asked_for_does_not_leave(body: str, writes: bool) -> None:
    config = CcxtConfig(exchange_id="hyperliquid")
    assert isinstance(fetched(config, f"{NOWHERE}/exchange", body, writes=writes), Refused)


def test_orders_and_questions_pass() -> None:
    config = CcxtConfig(exchange_id="hyperliquid")
    order = fetched(config, f"{NOWHERE}/exchange", '{"action":{"type":"order"}}', writes=True)
    assert isinstance(order, ccxt.ExchangeNotAvailable)
    assert isinstance(fetched(config, f"{NOWHERE}/info", "{}"), ccxt.ExchangeNotAvailable)


@pytest.mark.parametrize("options", [{"maxRetriesOnFailure": 3}, {"builderFee": True}])
def test_options_that_send_twice_or_pay_strangers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=next(iter(options))):
        SafeExchange(CcxtConfig(exchange_id="binanceusdm", options=options), clock=SystemClock())


def test_an_unknown_venue_is_refused() -> None:
    with pytest.raises(Refused, match="nowhere"):
        SafeExchange(CcxtConfig(exchange_id="nowhere"), clock=SystemClock())


def test_every_tier_has_reasons() -> None:
    assert tier("binanceusdm").name == TESTED
    assert tier("kraken").name == UNTESTED
    assert "interlock.adapters.hyperliquid" in tier("hyperliquid").reasons[0]
    assert all(tier(name).reasons for name in ("binanceusdm", "hyperliquid", "okx"))


def reply(status: int = 200, body: bytes = b"{}", ending: Ending = Ending.ANSWERED) -> Trace:
    return Trace(replies=[Reply(ending=ending, status=status, body=body, reason="why")])


UNKNOWN, REJECTED, NOT_SENT = Verdict.UNKNOWN, Verdict.REJECTED, Verdict.NOT_SENT


@pytest.mark.parametrize(
    ("trace", "error", "verdict"),
    [
        (Trace(), ccxt.InvalidOrder("amount"), NOT_SENT),
        (reply(ending=Ending.NOT_SENT), ccxt.ExchangeNotAvailable(), NOT_SENT),
        (reply(ending=Ending.CUT), ccxt.ExchangeNotAvailable(), UNKNOWN),
        (reply(ending=Ending.TIMED_OUT), ccxt.RequestTimeout(), UNKNOWN),
        (reply(400), ccxt.InsufficientFunds(), REJECTED),
        (reply(200), ccxt.InsufficientFunds(), REJECTED),
        (reply(400, b"<html>"), ccxt.InsufficientFunds(), UNKNOWN),
        (reply(502), ccxt.InsufficientFunds(), UNKNOWN),
        (reply(400), ccxt.ExchangeError(), UNKNOWN),
        (reply(400), ccxt.DuplicateOrderId(), UNKNOWN),
        (reply(400), ccxt.OrderNotFound(), UNKNOWN),
        (reply(400), ccxt.InvalidNonce(), UNKNOWN),
        (reply(429), ccxt.RateLimitExceeded(), REJECTED),
        (reply(503), ccxt.OnMaintenance(), UNKNOWN),
    ],
)
def test_status_body_and_class_must_agree(trace: Trace, error: Any, verdict: Verdict) -> None:
    assert judge_error(PLACE, trace, error, "kraken").verdict is verdict


@pytest.mark.parametrize(
    ("found", "trace", "verdict"),
    [
        ({"id": "1", "clientOrderId": "a"}, reply(), Verdict.ACCEPTED),
        ({"id": "1", "clientOrderId": None}, reply(), Verdict.ACCEPTED),
        ({"id": None, "status": None}, reply(), UNKNOWN),
        ({"id": "1", "clientOrderId": "b"}, reply(), UNKNOWN),
        ({"id": "1"}, reply(body=b""), UNKNOWN),
        ({"id": "1"}, reply(body=b"<html>"), UNKNOWN),
        ({"id": "1"}, Trace(), UNKNOWN),
    ],
)
def test_only_an_answer_with_an_id_is_an_order(found: Any, trace: Trace, verdict: Verdict) -> None:
    assert judge_order(found, trace, "a").verdict is verdict

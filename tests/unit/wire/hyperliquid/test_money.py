"""What moved an account's money: transfers, forced closes, and what it costs to ask."""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.venue import FillsQuery, PaymentsQuery, Verdict
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.client import Client, Wallet
from interlock.wire.hyperliquid.conversation import Conversation
from interlock.wire.hyperliquid.info import FillRow, fill_of, read_transfers
from interlock.wire.hyperliquid.streams import Reader
from interlock.wire.hyperliquid.text import WireFault
from tests.unit.wire.hyperliquid.cases import BTC, reader, universe

NOW = 1_700_000_000 * 10**9
US = "0x" + "aB" * 20
OTHER = "0x" + "cd" * 20
DOLLAR = 10**8


class Pen:
    """Signs everything alike."""

    def sign(self, message: bytes) -> str:
        return "0x" + message.hex() * 2 + "00"


def client() -> Client:
    made = Client(Wallet(identity=Identity(address=US), signer=Pen()), (BTC,))
    made.reader = Reader(universe=universe(), cloids=made.known.cloids, user=US)
    return made


def ledger(**delta: object) -> bytes:
    return msgspec.json.encode([{"time": NOW // 10**6, "hash": "0x1", "delta": delta}])


def response(body: bytes) -> HttpResponse:
    return HttpResponse(status=200, body=body)


def asked(request: HttpRequest | None) -> str:
    assert request is not None
    return str(msgspec.json.decode(request.body)["type"])


@pytest.mark.parametrize(
    ("delta", "amount"),
    [
        ({"type": "deposit", "usdc": "12.5"}, 12.5),
        ({"type": "withdraw", "usdc": "10.0", "nonce": 1, "fee": "1.0"}, -11),
        ({"type": "accountClassTransfer", "usdc": "5.0", "toPerp": True}, 5),
        ({"type": "accountClassTransfer", "usdc": "5.0", "toPerp": False}, -5),
        ({"type": "internalTransfer", "usdc": "7.0", "user": OTHER, "destination": US}, 7),
        (
            {"type": "internalTransfer", "usdc": "7", "user": US, "destination": OTHER, "fee": "1"},
            -8,
        ),
        ({"type": "subAccountTransfer", "usdc": "3.0", "user": US, "destination": OTHER}, -3),
    ],
)
def test_a_transfer_moves_the_wallet_by_what_it_says(
    delta: dict[str, object], amount: float
) -> None:
    (payment,) = read_transfers(ledger(**delta), US.lower())
    assert payment.amount == round(amount * DOLLAR)
    assert (payment.kind, payment.asset, payment.ts_venue) == ("transfer", "USDC", NOW)


def test_a_line_that_moves_no_usdc_of_the_account_is_passed_over() -> None:
    spot = {"type": "spotTransfer", "token": "PURR", "amount": "3.0", "user": US}
    assert read_transfers(ledger(**spot), US) == ()
    with pytest.raises(WireFault):
        read_transfers(ledger(type="deposit", usdc="twelve"), US)


def test_payments_are_both_lists() -> None:
    talk = Conversation(PaymentsQuery(request_id=3, ts_from=NOW), client())
    assert asked(talk.leaving(ts=NOW)) == "userFunding"
    paid = {"type": "funding", "coin": "BTC", "usdc": "-0.5"}
    body = msgspec.json.encode([{"time": NOW // 10**6 + 1, "hash": "0x0", "delta": paid}])
    talk.replied(response(body), sent=NOW, ts=NOW)
    assert talk.answer is None
    assert asked(talk.leaving(ts=NOW)) == "userNonFundingLedgerUpdates"
    talk.replied(response(ledger(type="deposit", usdc="2.0")), sent=NOW, ts=NOW)
    assert talk.answer is not None
    assert isinstance(talk.answer.content, tuple)
    assert [payment.kind for payment in talk.answer.content] == ["transfer", "funding"]


def test_half_of_the_payments_is_no_answer() -> None:
    talk = Conversation(PaymentsQuery(request_id=3, ts_from=NOW), client())
    assert talk.leaving(ts=NOW) is not None
    talk.replied(response(b"[]"), sent=NOW, ts=NOW)
    assert talk.leaving(ts=NOW) is not None
    talk.failed("cut", ts=NOW, has_left=True)
    assert talk.answer is not None
    assert (talk.answer.verdict, talk.answer.content) == (Verdict.UNKNOWN, None)


def row(**changes: object) -> dict[str, object]:
    return {
        "coin": "BTC", "px": "63000.0", "sz": "0.001", "side": "B", "time": NOW // 10**6, "oid": 7,
        "crossed": True, "fee": "0.1", "tid": 9, "feeToken": "USDC", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"liquidation": {"liquidatedUser": US.lower(), "markPx": "1"}}, "liquidation-7"),
        ({"liquidation": {"liquidatedUser": OTHER, "markPx": "1"}}, ""),
        ({"dir": "Auto-Deleveraging"}, "adl_autoclose-7"),
        ({"dir": "Close Long"}, ""),
    ],
)
def test_what_the_venue_closed_by_force_has_a_name_that_says_so(
    changes: dict[str, object], name: str
) -> None:
    parsed = msgspec.convert(row(**changes), FillRow)
    one = reader()
    assert fill_of(parsed, one.universe, one.cloids, user=US).client_order_id == name


def test_answers_tell_what_the_calls_of_a_minute_have_weighed() -> None:
    desk = client()
    for second in (0, 59, 61):
        ts = NOW + second * 10**9
        talk = Conversation(FillsQuery(request_id=1, instrument=BTC, ts_from=0), desk)
        assert talk.leaving(ts=ts) is not None
        body = msgspec.json.encode([row(tid=number) for number in range(1, 41)])
        talk.replied(response(body), sent=ts, ts=ts)
        assert talk.answer is not None
    # The first of three has left the minute; long lists weigh more.
    assert talk.answer.used_weight == 2 * 20 + 2 * 2

"""Signatures, nonces, expiry, agents, vaults and budgets at the door of the server."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.sim.hyperliquid_server.access import ActionFault, Agent, Nonces
from interlock.sim.hyperliquid_server.limits import LimitRules
from interlock.sim.hyperliquid_server.state import ServerOptions
from interlock.wire.http import HttpRequest
from interlock.wire.hyperliquid.hashing import user_digest
from interlock.wire.hyperliquid.text import WireFault
from tests.unit.sim.hyperliquid_server.desk import (
    ANN,
    BOB,
    MS,
    START,
    STRANGER,
    Desk,
    error,
    row,
)

NOOP: dict[str, object] = {"type": "noop"}
DONE = {"status": "ok", "response": {"type": "default"}}
NOW = START // MS


@pytest.mark.parametrize("is_mainnet", [True, False])
def test_both_networks_are_taken(is_mainnet: bool) -> None:
    assert Desk().act(NOOP, is_mainnet=is_mainnet) == DONE


def test_a_change_after_signing_names_a_wallet_that_does_not_exist() -> None:
    desk = Desk()
    body = desk.signed({"type": "order", "orders": [row()], "grouping": "na"})
    body["action"]["orders"][0]["s"] = "0.02"
    answer = desk.send(body)
    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x")
    assert ANN.address not in answer["response"]
    assert desk.act(NOOP, STRANGER)["response"] == (
        f"User or API Wallet {STRANGER.address} does not exist."
    )


def test_the_order_of_keys_is_signed() -> None:
    desk = Desk()
    body = desk.signed({"type": "order", "orders": [row()], "grouping": "na"})
    body["action"]["orders"][0] = dict(reversed(body["action"]["orders"][0].items()))
    assert desk.send(body)["status"] == "err"


def test_an_expired_action_is_refused_and_the_border_is_not() -> None:
    desk = Desk()
    assert desk.act(NOOP, ts_deadline=START) == DONE
    late = desk.act(NOOP, ts_deadline=START - MS)
    assert late["status"] == "err" and late["response"].startswith("Action expired")


def test_a_nonce_is_used_once() -> None:
    desk = Desk()
    body = desk.signed({"type": "order", "orders": [row()], "grouping": "na"})
    assert desk.send(body)["status"] == "ok"
    again = desk.send(body)
    assert again == {"status": "err", "response": f"Invalid nonce: duplicate nonce {NOW}"}
    assert len(desk.user("openOrders")) == 1
    assert desk.act(NOOP, BOB, nonce=NOW) == DONE


def test_the_window_of_nonces() -> None:
    nonces = Nonces()
    for nonce in range(NOW, NOW + 200, 2):
        nonces.take(nonce, NOW)
    nonces.take(NOW + 51, NOW)
    with pytest.raises(ActionFault, match="too low"):
        nonces.take(NOW + 1, NOW)
    with pytest.raises(ActionFault, match="duplicate nonce"):
        nonces.take(NOW + 198, NOW)
    day = 24 * 3600 * 1000
    for outside in (NOW - 2 * day, NOW + day):
        with pytest.raises(ActionFault, match="two days behind"):
            Nonces().take(outside, NOW)
    Nonces().take(NOW + day - 1, NOW)


def test_agents_act_but_do_not_move_money() -> None:
    desk = Desk()
    approve = {
        "type": "approveAgent",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Mainnet",
        "agentAddress": STRANGER.address,
        "agentName": "robot",
        "nonce": NOW,
    }

    def user_signed(action: dict[str, object], signer: object) -> object:
        signature = signer.sign(user_digest(action))[2:]  # type: ignore[attr-defined]
        parts = {
            "r": f"0x{signature[:64]}",
            "s": f"0x{signature[64:128]}",
            "v": int(signature[128:], 16) + 27,
        }
        return desk.send({"action": action, "nonce": action["nonce"], "signature": parts})

    assert user_signed(approve, ANN) == DONE
    assert desk.order(row(), signer=STRANGER)[0].keys() == {"resting"}
    assert len(desk.user("openOrders")) == 1
    assert desk.user("userRole", STRANGER)["role"] == "agent"
    transfer = {
        "type": "usdClassTransfer",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Mainnet",
        "amount": "1000",
        "toPerp": False,
        "nonce": NOW + 50,
    }
    assert user_signed(transfer, STRANGER)["status"] == "err"  # type: ignore[index]
    assert user_signed({**transfer, "nonce": NOW + 51}, ANN) == DONE
    assert desk.user("spotClearinghouseState")["balances"][0]["total"] == "1000.0"
    assert desk.user("clearinghouseState")["marginSummary"]["accountValue"] == "99000.0"
    desk.server.state.access.add_agent(STRANGER.address, Agent(ANN.address, "robot", NOW - 1))
    assert desk.act(NOOP, STRANGER)["status"] == "err"


def test_a_vault_is_traded_by_its_leader_only() -> None:
    desk = Desk()
    vault = "0x" + "77" * 20
    desk.core.add_account("vault", {"USDC": 10**13})
    desk.server.state.access.add_vault(vault, ANN.address, "vault")
    assert desk.order(row(), vault=vault)[0].keys() == {"resting"}
    assert desk.user("openOrders") == []
    assert len(desk.info("openOrders", user=vault)) == 1
    refused = desk.act(NOOP, BOB, vault=vault)
    assert refused == {"status": "err", "response": f"Vault not registered: {vault}"}
    assert desk.user("subAccounts")[0]["subAccountUser"] == vault


def test_weight_is_counted_by_minute_and_client() -> None:
    desk = Desk(options=ServerOptions(limits=LimitRules(weight_per_minute=40)))
    request = HttpRequest(method="POST", path="/info", body=b'{"type":"meta"}')
    codes = [desk.server.handle(desk.ts, request, client="a").status for _ in range(3)]
    assert codes == [200, 200, 429]
    assert desk.server.handle(desk.ts, request, client="b").status == 200
    light = HttpRequest(method="POST", path="/info", body=b'{"type":"allMids"}')
    assert desk.server.handle(desk.ts + 60 * 10**9, light, client="a").status == 200


def test_a_batch_counts_each_order_and_cancels_have_more_room() -> None:
    desk = Desk(options=ServerOptions(limits=LimitRules(requests_start=4, cancel_extra=3)))
    orders = desk.order(*(row(p=str(59_000 + n)) for n in range(4)))
    numbers = [slot["resting"]["oid"] for slot in orders]
    assert desk.user("userRateLimit")["nRequestsUsed"] == 4
    refused = desk.act({"type": "order", "orders": [row()], "grouping": "na"})
    assert refused["response"].startswith("Too many cumulative requests sent (5 > 4)")
    cancel = {"type": "cancel", "cancels": [{"a": 1, "o": number} for number in numbers[:3]]}
    assert desk.act(cancel)["response"]["data"]["statuses"] == ["success"] * 3
    assert desk.act(cancel)["response"].startswith("Too many cumulative requests")
    desk.wait(10_000)
    assert desk.act(NOOP) == DONE
    assert desk.act(NOOP)["status"] == "err"


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "user", "coin", "req", "oid", "action", "nonce", "signature", "r", "s", "v",
             "orders", "cancels", "startTime", "method", "subscription", "id", "request"]
        ),
        inner
        | st.sampled_from(["order", "meta", "l2Book", "userFills", "post", "subscribe", "candle"]),
        max_size=6,
    ),
    max_leaves=10,
)  # fmt: skip
DESK = Desk(options=ServerOptions(limits=LimitRules(weight_per_minute=0, messages_per_minute=0)))


@given(BODIES | st.binary(max_size=30))
def test_no_body_brings_the_server_down(content: object) -> None:
    try:
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    except UnicodeEncodeError:
        return
    for path in ("/info", "/exchange"):
        response = DESK.server.handle(DESK.ts, HttpRequest(method="POST", path=path, body=body))
        assert response.status in (200, 422)
    session = DESK.server.connect(DESK.ts)
    assert session is not None
    DESK.server.receive(DESK.ts, session, body)
    assert session.take()
    DESK.server.disconnect(session)


@pytest.mark.parametrize("kind", ["order", "cancel", "cancelByCloid", "modify", "batchModify",
                                  "updateLeverage", "updateIsolatedMargin", "setReferrer",
                                  "scheduleCancel"])  # fmt: skip
@given(content=BODIES)
def test_no_signed_action_brings_the_server_down(kind: str, content: object) -> None:
    fields = content if isinstance(content, dict) else {"orders": content, "cancels": content}
    try:
        body = msgspec.json.encode(DESK.signed({**fields, "type": kind}))
    except (UnicodeEncodeError, WireFault):
        return
    response = DESK.server.handle(DESK.ts, HttpRequest(method="POST", path="/exchange", body=body))
    assert response.status in (200, 422)


@pytest.mark.parametrize("number", ["1e999", str(2**64), str(2**200), '"\\ud800"', "-1", "1.5"])
@pytest.mark.parametrize("place", ["asset", "nonce", "expiresAfter", "v"])
def test_numbers_out_of_range_are_unreadable_or_refused(number: str, place: str) -> None:
    fields = {"asset": "1", "nonce": str(NOW), "expiresAfter": "null", "v": "27", place: number}
    body = (
        '{{"action":{{"type":"updateLeverage","asset":{asset},"isCross":true,"leverage":5}},'
        '"nonce":{nonce},"signature":{{"r":"0x1","s":"0x2","v":{v}}},'
        '"vaultAddress":null,"expiresAfter":{expiresAfter}}}'
    ).format(**fields)
    request = HttpRequest(method="POST", path="/exchange", body=body.encode())
    response = Desk().server.handle(START, request)
    assert response.status == 422 or b'"err"' in response.body


def test_paths_and_methods_that_do_not_exist() -> None:
    desk = Desk()
    for path, method, status in (("/", "POST", 404), ("/info", "GET", 405)):
        request = HttpRequest(method=method, path=path)
        assert desk.server.handle(desk.ts, request).status == status


def test_an_unknown_action_is_unreadable_and_an_unknown_asset_is_an_error() -> None:
    desk = Desk()
    body = msgspec.json.encode(desk.signed({"type": "mystery"}))
    request = HttpRequest(method="POST", path="/exchange", body=body)
    assert desk.server.handle(desk.ts, request).status == 422
    answer = desk.act({"type": "order", "orders": [row(a=99)], "grouping": "na"})
    assert answer == {"status": "err", "response": "Asset 99 does not exist."}
    assert error(desk.order(row(c="0x12"))[0]).startswith("cloid 0x12")

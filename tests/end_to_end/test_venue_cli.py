"""The command `interlock venue` as a person starts, uses and stops it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from interlock.cli import main
from tests.end_to_end.venue_process import COMMAND, PATIENCE_S, VenueProcess, venue_process


def _ask(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, method=method, headers=given)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.loads(reply.read())


def _signed(venue: VenueProcess, method: str, path: str, **parameters: Any) -> Any:
    query = urlencode({**parameters, "timestamp": int(time.time() * 1000)})
    secret = venue.account["secret"].encode()
    signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
    url = f"{venue.url()}{path}?{query}&signature={signature}"
    return _ask(method, url, headers={"X-MBX-APIKEY": venue.account["key"]})


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "stop"])
def test_it_starts_trades_and_ends_cleanly(way: str) -> None:
    with venue_process("--quiet", "--account", "alice", "--balance", "5000") as venue:
        assert venue.account["account"] == "alice"
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
        bought = _signed(venue, "POST", "/fapi/v1/order", newOrderRespType="RESULT", **order)
        assert bought["status"] == "FILLED"
        assert _ask("GET", f"{venue.admin}/status")["hosts"]["binance"]["requests"] == 1
        if way == "stop":
            assert _ask("POST", f"{venue.admin}/stop", {}) == {"stopping": True}
        else:
            os.kill(venue.process.pid, getattr(signal, way))
        code, summary, complaints = venue.ended()
        assert (code, complaints) == (0, "")
        assert (summary["requests"], summary["fills"] >= 1) == (1, True)
        fee = float(bought["cumQuote"]) * 0.0005
        assert float(summary["wallets"]["binance alice USDT"]) == pytest.approx(5000 - fee)
        with pytest.raises(OSError):
            _ask("GET", f"{venue.admin}/status")


def test_it_ends_cleanly_with_streams_open() -> None:
    import aiohttp

    with venue_process("--protocol", "binance", "--protocol", "hyperliquid") as venue:

        async def watch() -> int:
            async with aiohttp.ClientSession() as session:
                address = venue.url() + "/ws/btcusdt@bookTicker"
                stream = await session.ws_connect(address, autoclose=False)
                await stream.receive(timeout=PATIENCE_S)
                venue.process.send_signal(signal.SIGTERM)
                while (message := await stream.receive(timeout=PATIENCE_S)).type == 1:
                    continue
                return int(message.data)

        assert asyncio.run(watch()) == 1001
        assert venue.ended()[0] == 0


def test_a_person_sees_addresses_keys_and_a_fault_to_copy() -> None:
    with venue_process() as other:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--admin-port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        shown = "".join(lines)
        for words in ("Binance USD-M", "http://127.0.0.1:", other.account["key"], "/faults"):
            assert words in shown
        assert process.returncode == 0
        assert rest.startswith("Closed after 0 requests")


def test_a_script_runs_and_what_it_cannot_do_is_in_the_summary(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text(
        "rules:\n"
        "- {fault: liquidate, instrument: BTCUSDT-PERP.BINANCE}\n"
        "- {fault: answer, call: market, status: 503, count: 1, message: Service Unavailable.}\n"
    )
    with venue_process("--script", str(script)) as venue:
        while not _ask("GET", f"{venue.admin}/truth")["faults"]:
            continue
        with pytest.raises(urllib.error.HTTPError) as refused:
            _ask("GET", f"{venue.url()}/fapi/v1/ping")
        refused.value.close()
        assert _ask("GET", f"{venue.url()}/fapi/v1/ping") == {}
        venue.process.send_signal(signal.SIGTERM)
        _, summary, _ = venue.ended()
    assert summary["by_fault"] == {"answer": 1}
    assert summary["problems"] == ["liquidate: there is no position to liquidate"]


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        words = [*COMMAND, "--port", str(port), "--admin-port", "0"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert f"of {port}" in done.stderr
    assert "Choose others with --port and --admin-port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "script", "said"),
    [
        (["--speed", "max"], "", "--speed max needs --replay"),
        (["--account", "a b"], "", "account 'a b' must be letters"),
        (["--account", "a", "--account", "a"], "", "named twice"),
        ([], "rules: [{fault: drop}]", "rule 1: fault 'drop' is unknown"),
        ([], "rules: [{fault: drop_reply, acount: x}]", "'acount' is unknown; allowed are"),
        ([], "rules: [{fault: drop_reply, account: bob}]", "account 'bob' is unknown"),
        ([], "rules: [{fault: halt, protocol: hyperliquid}]", "add --protocol hyperliquid"),
        ([], "rules: [{fault: drop_reply, instrument: BTCUSDT}]", "'BTCUSDT' is not listed"),
        ([], "rules: [", "is no YAML"),
        (["--replay", "synthetic", "--protocol", "hyperliquid"], "", "cannot be listed on"),
        (["--replay", "NOWHERE.BINANCE:1m"], "", "NOWHERE.BINANCE"),
    ],
)
def test_a_mistake_is_one_message(tmp_path: Path, words: list[str], script: str, said: str) -> None:
    if script:
        path = tmp_path / "faults.yaml"
        path.write_text(script)
        words = [*words, "--script", str(path)]
    done = CliRunner().invoke(main, ["venue", *words])
    assert done.exit_code == 1
    assert said in done.output


def test_recorded_data_are_the_market_at_every_speed() -> None:
    for speed in ("10", "max"):
        words = ("--replay", "synthetic:BTCUSDT-PERP:1m", "--speed", speed)
        with venue_process(*words) as venue:
            address = f"{venue.url()}/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=5"
            start = _ask("GET", f"{venue.admin}/status")["ts"]
            while _ask("GET", f"{venue.admin}/status")["ts"] < start + 60 * 10**9:
                continue
            assert len(_ask("GET", address)) >= 2
            # Clients stamp with their own clock, however fast the venue's runs.
            account = _signed(venue, "GET", "/fapi/v3/account")
            assert float(account["totalWalletBalance"]) == 100_000


def test_tls_serves_a_venue_like_name() -> None:
    import ssl

    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Here(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = {"hostname": host, "host": "127.0.0.1", "port": port}
            return [ResolveResult(family=socket.AF_INET, proto=0, flags=0, **found)]  # type: ignore[typeddict-item]

        async def close(self) -> None:
            return

    with venue_process("--tls") as venue:
        context = ssl.create_default_context(cafile=venue.facts["authority"])
        secure = venue.facts["venues"]["binance"]["tls_url"]
        assert secure.startswith("https://demo-fapi.localhost:")

        async def talk() -> None:
            connector = aiohttp.TCPConnector(ssl=context, resolver=Here())
            async with aiohttp.ClientSession(connector=connector) as session:
                async with session.get(secure + "/fapi/v1/ping") as reply:
                    assert await reply.json() == {}
                stream = await session.ws_connect(secure + "/ws/btcusdt@bookTicker")
                assert (await stream.receive_json(timeout=PATIENCE_S))["s"] == "BTCUSDT"
                async with session.get(venue.url() + "/fapi/v1/ping") as reply:
                    assert reply.status == 200

        asyncio.run(talk())

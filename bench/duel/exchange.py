"""The exchange of a cell: `interlock venue` as anybody starts it, and its admin port."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.duel.judge import Books, Order
from interlock.venue import listings

ACCOUNT = "trader"
_ASK_S = 10.0
_END_S = 5.0
_OVER = ("filled", "canceled", "expired", "rejected")
_LISTED = {item.instrument.id: item.instrument for item in listings.binance()}


class Exchange:
    """One `interlock venue` on free ports of loopback, with one account."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", "from interlock.cli import main; main()", "venue"]
        command += ["--port", "0", "--admin-port", "0", "--json"]
        with (folder / "venue.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the exchange did not start: {(folder / 'venue.err').read_text()}")
        facts = json.loads(line)
        self.url: str = facts["venues"]["binance"]["url"]
        self.ws_url: str = facts["venues"]["binance"]["websocket"]
        self.key: str = facts["accounts"][0]["key"]
        self.secret: str = facts["accounts"][0]["secret"]
        self._admin: str = facts["admin"]

    def follow(self, rules: list[dict[str, Any]]) -> None:
        """A fault script, its times from now."""
        self._ask("/script", {"rules": rules})

    def acts(self) -> list[dict[str, Any]]:
        """Every fault that happened, oldest first: ts in ns, title, fault, problem."""
        found: list[dict[str, Any]] = self._ask("/truth")["faults"]
        return found

    def books(self) -> Books:
        """What the account really has."""
        found = self._ask(f"/books/binance/{ACCOUNT}")
        orders = tuple(
            Order(
                frozenset({str(order["order_id"]), order["client_id"]}),
                order["status"] not in _OVER,
            )
            for order in found["orders"]
        )
        positions: dict[str, Decimal] = {}
        for held in found["account"]["positions"]:
            instrument = _LISTED[held["symbol"]]
            positions[instrument.base] = Decimal(held["quantity"]).scaleb(
                -instrument.quantity_exponent
            )
        return Books(orders, positions)

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            self._admin + path, data=data, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_ASK_S) as answer:
            return json.loads(answer.read())

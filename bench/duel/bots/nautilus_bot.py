"""NautilusTrader in the duel, unmodified. It believes what its cache says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from bench.duel.bots.bot import HERE, Bot
from bench.duel.judge import Books, Order
from bench.setup import PEERS

PEER = next(peer for peer in PEERS if peer.name == "nautilus")


class NautilusBot(Bot):
    """A TradingNode with its defaults; nautilus_node.py has all that is not one."""

    name = "nautilus"
    resting = 6
    checks_open_orders = False

    @staticmethod
    def problem() -> str:
        return "" if PEER.is_installed() else "not installed: python -m bench.duel --setup"

    @staticmethod
    def version() -> str:
        return PEER.pins[0].replace("==", " ")

    def command(self) -> Sequence[str]:
        settings = {
            "url": self.stage.url,
            "ws_url": self.stage.ws_url,
            "key": self.stage.key,
            "secret": self.stage.secret,
            "strategy": self.stage.strategy,
            "checks": "on" if self.checks_open_orders else "",
        }
        return [str(PEER.interpreter), str(HERE / "nautilus_node.py"), json.dumps(settings)]

    def believed(self) -> Books:
        said = self.stage.folder / "belief.json"
        log = self.stage.folder / "decisions.log"
        decisions = len(log.read_text().splitlines()) if log.exists() else 0
        if not said.exists():
            return Books(decisions=decisions)
        found = json.loads(said.read_text())
        orders = tuple(
            Order(frozenset({item["client"], item["venue"]} - {""}), item["is_open"])
            for item in found["orders"]
        )
        positions = {base: Decimal(size) for base, size in found["positions"].items()}
        return Books(orders, positions, decisions)


class NautilusCheckingBot(NautilusBot):
    """The same with its check of orders against the venue switched on, every 10 s."""

    name = "nautilus-checks"
    checks_open_orders = True

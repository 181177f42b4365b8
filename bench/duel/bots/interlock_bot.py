"""`interlock live` in the duel. It believes what its ledger says."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version

from bench.duel.bots.bot import HERE, REPOSITORY, Bot
from bench.duel.judge import Books, Order
from interlock.model.order import TERMINAL

_OVER = frozenset(TERMINAL)
INSTRUMENTS = ("BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE", "SOLUSDT-PERP.BINANCE")


class InterlockBot(Bot):
    """The engine of this repository with a strategy of its own kind."""

    name = "interlock"
    resting = 6

    @staticmethod
    def version() -> str:
        said = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        return f"interlock {version('interlock')} {said.stdout.strip()}".strip()

    def command(self) -> Sequence[str]:
        strategy = "Trips" if self.stage.strategy == "trips" else "Resting"
        words = [sys.executable, "-c", "from interlock.cli import main; main()", "live"]
        words += [f"{HERE / 'interlock_strategy.py'}:{strategy}", "--url", self.stage.url]
        words += ["--state", "state", "--json"]
        for name in INSTRUMENTS:
            words += ["--instrument", name]
        return words

    def environment(self) -> Mapping[str, str]:
        return {
            "INTERLOCK_KEY": self.stage.key,
            "INTERLOCK_SECRET": self.stage.secret,
            "INTERLOCK_HOME": str(self.stage.folder / "home"),
        }

    def believed(self) -> Books:
        path = self.stage.folder / "state" / "ledger.sqlite"
        if not path.exists():
            return Books()
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            orders = reader.execute(
                "SELECT client_order_id, venue_order_id, status FROM orders"
            ).fetchall()
            fills = reader.execute("SELECT instrument, side, quantity FROM fills").fetchall()
        except sqlite3.OperationalError:
            # The tables are made in the first moments of the first start.
            return Books()
        finally:
            reader.close()
        positions: dict[str, Decimal] = defaultdict(Decimal)
        for instrument, side, quantity in fills:
            size = Decimal(str(quantity))
            positions[instrument.partition("USDT")[0]] += size if side == "buy" else -size
        held = tuple(
            Order(frozenset({client, venue} - {""}), status not in _OVER)
            for client, venue, status in orders
        )
        return Books(held, positions, decisions=len(held))

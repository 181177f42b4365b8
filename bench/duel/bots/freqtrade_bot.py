"""freqtrade in the duel, unmodified. It believes what its database says."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bench.duel.bots.bot import HERE, Bot
from bench.duel.judge import Books, Order
from bench.setup import Peer

PEER = Peer("freqtrade", ("freqtrade==2026.9",), python="3.11")
STRATEGIES = HERE / "freqtrade_strategy.py"
_DECIDED = re.compile(r"signal found: about create a new trade|Exit for \S+ detected")
_CREATED = re.compile(r"- Order (\d+) was created")
_OVER = ("closed", "canceled", "expired", "rejected")


class FreqtradeBot(Bot):
    """`freqtrade trade` with its defaults; settings() has all that is not one."""

    name = "freqtrade"
    resting = 3

    @staticmethod
    def problem() -> str:
        return "" if PEER.is_installed() else "not installed: python -m bench.duel --setup"

    @staticmethod
    def version() -> str:
        return PEER.pins[0].replace("==", " ")

    def prepare(self) -> None:
        # The folder is searched for strategies, so that nothing else may lie in it.
        folder = self.stage.folder / "strategies"
        folder.mkdir()
        shutil.copy(STRATEGIES, folder)
        (self.stage.folder / "config.json").write_text(json.dumps(self.settings(), indent=2))

    def command(self) -> Sequence[str]:
        strategy = "Trips" if self.stage.strategy == "trips" else "Resting"
        words = [str(PEER.interpreter.with_name("freqtrade")), "trade"]
        words += ["--config", "config.json", "--userdir", str(self.stage.folder)]
        return [*words, "--strategy-path", "strategies", "--strategy", strategy]

    def settings(self) -> dict[str, Any]:
        """Its configuration: what its own template writes, and the address of the exchange."""
        trips = self.stage.strategy == "trips"
        http, stream = self.stage.url, self.stage.ws_url + "/ws"
        # Market orders need the other side; a price of one's own is a distance from the near one.
        pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
        return {
            "max_open_trades": 1 if trips else self.resting,
            "stake_currency": "USDT",
            "stake_amount": 700,
            "tradable_balance_ratio": 0.99,
            "dry_run": False,
            "cancel_open_orders_on_exit": False,
            "trading_mode": "futures",
            "margin_mode": "isolated",
            "unfilledtimeout": {"entry": 10, "exit": 10, "exit_timeout_count": 0},
            "entry_pricing": pricing,
            "exit_pricing": pricing,
            "exchange": {
                "name": "binance",
                "key": self.stage.key,
                "secret": self.stage.secret,
                "ccxt_config": {
                    "urls": {
                        "api": {
                            "fapiPublic": http + "/fapi/v1",
                            "fapiPublicV2": http + "/fapi/v2",
                            "fapiPublicV3": http + "/fapi/v3",
                            "fapiPrivate": http + "/fapi/v1",
                            "fapiPrivateV2": http + "/fapi/v2",
                            "fapiPrivateV3": http + "/fapi/v3",
                            "sapi": http + "/sapi/v1",
                            "public": http + "/api/v3",
                            "dapiPublic": http + "/dapi/v1",
                            "ws": {"linear": stream, "future": stream},
                        }
                    }
                },
                "pair_whitelist": [
                    f"{base}/USDT:USDT" for base in (("BTC",) if trips else ("BTC", "ETH", "SOL"))
                ],
            },
            "pairlists": [{"method": "StaticPairList"}],
            "initial_state": "running",
            "force_entry_enable": False,
            "internals": {"process_throttle_secs": 5},
            "bot_name": "duel",
            "db_url": f"sqlite:///{self.stage.folder / 'trades.sqlite'}",
        }

    def believed(self) -> Books:
        log = self.log()
        decisions = len(_DECIDED.findall(log))
        path = self.stage.folder / "trades.sqlite"
        if not path.exists():
            return Books(decisions=decisions)
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = reader.execute(
                "SELECT order_id, side, ft_pair, filled, ft_is_open, status FROM orders"
            ).fetchall()
        except sqlite3.OperationalError:
            return Books(decisions=decisions)
        finally:
            reader.close()
        positions: dict[str, Decimal] = defaultdict(Decimal)
        orders = []
        for name, side, pair, filled, is_open, status in rows:
            size = Decimal(str(filled or 0))
            positions[pair.partition("/")[0]] += size if side == "buy" else -size
            orders.append(Order(frozenset({name}), bool(is_open) and status not in _OVER))
        # Rows of an entry that was canceled before any fill are removed; its log still names it.
        kept = {name for name, *_ in rows}
        orders += [
            Order(frozenset({name}), is_open=False) for name in set(_CREATED.findall(log)) - kept
        ]
        return Books(tuple(orders), positions, decisions)

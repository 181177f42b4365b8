"""The fault scripts of the duel. Times are real seconds; the exchange's clock runs at speed 1.

Each script says which of two strategies a bot runs (``trips``: buy at the market, hold, sell;
``resting``: bids 1.5 % below the price that are left alone), the rules that go to the exchange's
admin port, and how long both sides are watched from the first fault on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TRIPS, RESTING = "trips", "resting"
Rule = dict[str, Any]
_OUTAGE_S = 60
# Counts the calls about listen keys and changes nothing: whether a bot has a user stream at all.
SESSIONS = "listen key calls"
_SESSIONS: Rule = {"fault": "late_reply", "name": SESSIONS, "call": "session", "delay": "0s"}
# A market order that fills at once is four messages: new, trade (twice told), account.
_SILENT: Rule = {"fault": "lose_message", "stream": "user", "count": 4}
_UNKNOWN = "Unknown error, please check your request or try again later."
_TIMEOUT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."  # noqa: E501


@dataclass(frozen=True)
class Script:
    """One fault script; ``since`` is the title of the act from which time is counted."""

    letter: str
    title: str
    text: str
    rules: tuple[Rule, ...]
    watch_s: float
    strategy: str = TRIPS
    kills: bool = False
    later_s: float = 0.0  # time is counted from so long after the first fault
    since: str = ""


def _once(fault: str, **values: Any) -> Rule:
    return {"fault": fault, "call": "place", "count": 1, **values}


SCRIPTS = (
    Script("0", "no fault", "the control: nothing is injected", (), 60),
    Script(
        "a",
        "order POST hangs x10",
        "ten order requests are executed and answered after 60 s",
        (_once("late_reply", delay="60s") | {"count": 10},),
        130,
    ),
    Script(
        "b",
        "kill -9 in flight",
        "the first order is executed and its answer held back; the bot is killed within 0.2 s and "
        "started again with the same files 2 s later",
        (_once("late_reply", delay="10s"),),
        60,
        kills=True,
    ),
    Script(
        "c",
        "503, executed",
        f'the first order is executed and answered 503, code -1000, "{_UNKNOWN}"',
        (_once("answer", status=503, code=-1000, message=_UNKNOWN, executed=True),),
        60,
    ),
    Script(
        "d",
        "-1007, executed",
        "the first order is executed and answered 408, code -1007, execution status unknown",
        (_once("answer", status=408, code=-1007, message=_TIMEOUT, executed=True),),
        60,
    ),
    Script(
        "e",
        "502 HTML, executed",
        "the first order is executed and answered 502 with a web page",
        (_once("html_reply", status=502),),
        60,
    ),
    Script(
        "f",
        "truncated 200",
        "the first order is executed and the answer breaks off in its middle",
        (_once("truncate_reply"),),
        60,
    ),
    Script(
        "g",
        "no answer, query lag 8 s",
        "the first order is executed, its connection breaks without an answer, and queries deny it "
        "for 8 s",
        (_once("drop_reply"), _once("hide_order", delay="8s")),
        60,
    ),
    Script(
        "h",
        "outage 60 s, 6 orders",
        "six orders rest (freqtrade: three); for 60 s every request is lost and every socket "
        "closed; meanwhile sweeps fill the nearer BTC and ETH bids, at times the second too, and "
        "all SOL orders are canceled by hand; time is counted from the end of the outage",
        (
            {"fault": "lose_request", "call": "any", "for": f"{_OUTAGE_S}s"},
            {"fault": "close_stream", "for": f"{_OUTAGE_S}s"},
            {"fault": "fill_part", "instrument": "BTCUSDT-PERP.BINANCE", "ratio": 1, "at": "10s"},
            {"fault": "fill_part", "instrument": "ETHUSDT-PERP.BINANCE", "ratio": 1, "at": "15s"},
            {"fault": "manual_cancel", "instrument": "SOLUSDT-PERP.BINANCE", "at": "20s"},
        ),
        130,
        RESTING,
        later_s=_OUTAGE_S,
    ),
    Script(
        "i",
        "listenKey expires",
        "listen keys end with their event; 5 s later a sweep of the book fills the nearer BTC bid, "
        "at times the second too; time is counted from the sweep",
        (
            {"fault": "expire_listen_key"},
            {"fault": "fill_part", "instrument": "BTCUSDT-PERP.BINANCE", "ratio": 1, "at": "5s"},
        ),
        80,
        RESTING,
        since="fill_part",
    ),
    Script(
        "j",
        "half-open user stream",
        "the open user stream's socket stays open and says nothing any more, new ones work; 5 s "
        "later a sweep as in i; time is counted from the sweep; 145 s and not 10 min",
        (
            {"fault": "freeze_stream", "stream": "user"},
            {"fault": "fill_part", "instrument": "BTCUSDT-PERP.BINANCE", "ratio": 1, "at": "5s"},
        ),
        145,
        RESTING,
        since="fill_part",
    ),
    Script(
        "k",
        "503, executed, stream silent",
        "as c, and the first four messages of the user stream, which tell of that order, are lost",
        (
            _once("answer", status=503, code=-1000, message=_UNKNOWN, executed=True),
            _SILENT,
        ),
        60,
    ),
    Script(
        "l",
        "no answer, query lag, stream silent",
        "as g, and the same four messages are lost",
        (_once("drop_reply"), _once("hide_order", delay="8s"), _SILENT),
        60,
    ),
)


def opening(script: Script) -> list[Rule]:
    """What is armed before the bot starts: faults of the first orders, and the counter."""
    return list(script.rules) if script.strategy == TRIPS else [_SESSIONS]

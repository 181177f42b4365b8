"""One bot under one script: an exchange and a bot of their own, watched from the first fault on."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.duel.bots.bot import Bot, Stage
from bench.duel.exchange import Exchange
from bench.duel.judge import ZERO, Sample, compare, doubt, told, unrecorded
from bench.duel.scripts import RESTING, SESSIONS, TRIPS, Script, opening

READY_S = 90.0
BEAT_S = 0.25
RESTART_S = 2.0
# A difference that is younger than this at the end is followed until it is over or as old.
SETTLE_S = 10.0


class NotMeasured(RuntimeError):
    """A cell that says nothing; the text is why."""


@dataclass
class Watch:
    """What was seen in a cell. Times are seconds of the host's clock, as the exchange's are."""

    bot: Bot
    exchange: Exchange
    script: Script
    samples: list[Sample] = field(default_factory=list)
    ts_restarted: float = 0.0

    def look(self) -> Sample:
        """Both sides now. The bot is asked after the exchange, so that it is not behind for it."""
        venue = self.exchange.books()
        sample = compare(time.time(), venue, self.bot.believed())
        self.samples.append(sample)
        return sample

    def acts(self) -> list[dict[str, Any]]:
        """The faults that happened, without the counter of calls."""
        return [act for act in self.exchange.acts() if act["title"] != SESSIONS]

    def begun(self) -> float:
        """When the first fault (or the act from which the script counts) happened; 0 not yet."""
        wanted = self.script.since
        for act in self.acts():
            if not act["problem"] and act["fault"] == (wanted or act["fault"]):
                return float(act["ts"]) / 1e9
        return 0.0


def run(kind: type[Bot], script: Script, kept: Path | None = None) -> dict[str, Any]:
    """The cell's line: figures, or ``not_measured`` with the reason."""
    started = time.time()
    line: dict[str, Any] = {
        "bot": kind.name,
        "version": kind.version(),
        "script": script.letter,
        "date": datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M"),
    }
    folder = Path(tempfile.mkdtemp(prefix=f"duel-{kind.name}-{script.letter}-"))
    try:
        line |= _measured(kind, script, folder)
    except NotMeasured as error:
        line["not_measured"] = str(error)
    finally:
        if kept is not None:
            shutil.copytree(folder, kept / folder.name)
        shutil.rmtree(folder, ignore_errors=True)
    line["cell_seconds"] = round(time.time() - started, 1)
    return line


def _measured(kind: type[Bot], script: Script, folder: Path) -> dict[str, Any]:
    if kind.problem():
        raise NotMeasured(kind.problem())
    exchange = Exchange(folder)
    bot = kind(
        Stage(
            url=exchange.url,
            ws_url=exchange.ws_url,
            key=exchange.key,
            secret=exchange.secret,
            strategy=script.strategy,
            folder=folder,
        )
    )
    try:
        rules = opening(script)
        if rules:
            exchange.follow(rules)
        bot.prepare()
        bot.start()
        watch = Watch(bot, exchange, script)
        since = _open(watch)
        _follow(watch, since)
        return _line(watch, since)
    finally:
        bot.end()
        exchange.end()


def _open(watch: Watch) -> float:
    """Drive the bot into the fault; the moment from which time is counted."""
    script, exchange, bot = watch.script, watch.exchange, watch.bot
    if script.strategy == RESTING:
        _wait(watch, "no agreed set of resting orders", lambda: _rests(watch.look(), bot.resting))
        exchange.follow(list(script.rules))
    if not script.rules:
        _wait(watch, "no order", lambda: bool(watch.look().venue.orders))
        return watch.samples[-1].at
    what = "the fault had nothing to act on"
    if script.kills:
        # The answer is held back; what the bot does in the next moment it never does.
        _wait(watch, what, lambda: watch.begun() > 0, beat_s=0.05)
        bot.kill()
        watch.look()
        time.sleep(RESTART_S)
        watch.ts_restarted = time.time()
        bot.start()
    else:
        _wait(watch, what, lambda: bool(watch.look()) and watch.begun() > 0)
    return watch.begun() + script.later_s


def _rests(sample: Sample, count: int) -> bool:
    is_open = sum(order.is_open for order in sample.venue.orders)
    return is_open == count and not sample.differences


def _wait(watch: Watch, what: str, is_so: Callable[[], bool], beat_s: float = BEAT_S) -> None:
    limit = time.time() + READY_S
    while not is_so():
        if not watch.bot.is_alive:
            last = " ".join(watch.bot.log().split())[-200:]
            raise NotMeasured(f"{what}: the bot ended: {last}")
        if time.time() > limit:
            raise NotMeasured(f"{what} within {READY_S:g} s")
        time.sleep(beat_s)


def _follow(watch: Watch, since: float) -> None:
    """Watch to the script's end; then until a young difference is over."""
    end = since - watch.script.later_s + watch.script.watch_s
    while time.time() < end:
        watch.look()
        time.sleep(BEAT_S)
    while not (found := doubt(watch.samples, since)).is_over and found.seconds < SETTLE_S:
        watch.look()
        time.sleep(BEAT_S)


def _line(watch: Watch, since: float) -> dict[str, Any]:
    last = watch.samples[-1]
    found = doubt(watch.samples, since)
    acts = watch.acts()
    return {
        "faults": sum(not act["problem"] for act in acts),
        "problems": sorted({act["problem"] for act in acts if act["problem"]}),
        "session_calls": len(watch.exchange.acts()) - len(acts),
        "orders_at_venue": len(last.venue.orders),
        "decisions": last.believed.decisions,
        "unrecorded": unrecorded(last.venue, last.believed),
        "position": told(last.venue.exposure),
        "believed": told(last.believed.exposure),
        "most_held": str(_most(watch.samples)),
        "seconds_to_truth": round(found.seconds, 1),
        "is_over": found.is_over,
        "watched_s": round(last.at - since, 1),
        "differences": list(last.differences),
        "orders_after": _orders_after(watch, since) if watch.script.strategy == TRIPS else None,
        "bot_alive": watch.bot.is_alive,
    }


def _most(samples: list[Sample]) -> Decimal:
    """The largest position in BTC that the account had."""
    return max(abs(sample.venue.positions.get("BTC", ZERO)) for sample in samples)


def _orders_after(watch: Watch, since: float) -> float | None:
    """Seconds from the fault until one more order was at the venue; None: there was none."""
    before = [sample for sample in watch.samples if sample.at <= since + BEAT_S]
    count = len(before[-1].venue.orders) if before else 1
    for sample in watch.samples:
        if sample.at > since and len(sample.venue.orders) > max(count, 1):
            return round(sample.at - since, 1)
    return None

"""A state as one line of text, told again only when something has changed."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.ui.read_model import Status
from interlock.ui.terminal.alarms import alarms, pulse, state_word
from interlock.ui.terminal.ink import Ink
from interlock.ui.terminal.words import clock, count, is_zero

EVERY_NS = 5_000_000_000
ALIVE_NS = 60_000_000_000


class Teller:
    """Tells changes, at most every five seconds; a sign of life every minute."""

    def __init__(self, *, is_ascii: bool = False) -> None:
        self._ink = Ink(is_ascii=is_ascii)
        self._ts_looked = 0
        self._ts_told = 0
        self._last = ""
        self._ts_notice = 0

    def hear(self, status: Status) -> list[str]:
        """The lines that a state is worth, often none."""
        if 0 <= status.ts - self._ts_looked < EVERY_NS:
            return []
        self._ts_looked = status.ts
        lines = list(self._notices(status))
        said = summary(status)
        if lines or said != self._last or status.ts - self._ts_told >= ALIVE_NS:
            self._ts_told, self._last = status.ts, said
            beat = pulse(status)
            lines.append(f"{clock(status.ts)}Z {said}; {beat.word}: {beat.text}")
        return [self._ink.clean(line) for line in lines]

    def _notices(self, status: Status) -> Iterator[str]:
        newest = self._ts_notice
        for line in status.notices:
            if line.ts <= self._ts_notice:
                continue
            newest = max(newest, line.ts)
            what = " ".join(part for part in (line.subject, line.text) if part)
            yield f"{clock(line.ts)}Z {line.level} {line.name} {what}".rstrip()
        self._ts_notice = newest


def summary(status: Status) -> str:
    """What matters of a state in one line, without ages, so that equal states read equal."""
    held = [
        f"{line.quantity} {line.instrument}"
        + ("" if line.is_protected else " UNPROTECTED")
        + ("" if is_zero(line.external) else f" EXTERNAL {line.external}")
        for line in status.positions
        if not is_zero(line.quantity) or not line.is_protected
    ]
    parts = [
        f"{status.mode} {state_word(status)[0]}",
        f"equity {status.equity or 'unknown'} {status.currency}".rstrip(),
        f"position {', '.join(held) or 'flat'}",
        count(len(status.orders), "order"),
        count(status.counts.get("FillRow", len(status.fills)), "fill"),
        f"ledger {status.ledger_seq}",
    ]
    words = dict.fromkeys(alarm.word for alarm in alarms(status))
    return "; ".join([*parts, *([f"!! {', '.join(words)}"] if words else [])])

"""The parts of the screen: each a head and rows, worst or newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from interlock.ui.read_model import (
    FillLine,
    NoticeLine,
    OrderLine,
    PositionLine,
    Status,
    StreamLine,
)
from interlock.ui.terminal.ink import Column, Ink, Line, Piece, cells
from interlock.ui.terminal.words import age, clock, is_zero, venue_ending

BAR = 20
NARROW = 70
_GRAVITY = {"down": 0, "stale": 1}
_LEVELS = {"WARNING": "warn", "CRITICAL": "bad", "ERROR": "bad"}
_STATES = {
    "unknown": "UNKNOWN",
    "partially_filled": "part filled",
    "pending_cancel": "canceling",
    "pending_update": "amending",
}
_STANDING = ("accepted", "triggered", "partially_filled", "pending_update")
_RISKY = {"unknown": "alarm", "pending_cancel": "warn", "pending_update": "warn"}


# Columns of orders that are left out where they say nothing, from the right: place, and when.
_IDLE: tuple[tuple[int, Callable[[OrderLine], bool]], ...] = (
    (7, lambda line: " " not in line.kind),
    (4, lambda line: is_zero(line.filled)),
)


class Section(NamedTuple):
    """A table with a name; its first line is the head."""

    name: str
    lines: list[Line]

    def shown(self, rows: int) -> list[Line]:
        """The first rows, the head among them; the head says how many are left out."""
        total = len(self.lines) - 1
        kept = self.lines[:rows]
        if rows < 1 or not total:
            return kept
        text = f"{self.name} {total}" if rows > total else f"{self.name} {rows - 1} of {total}"
        room = sum(cells(piece.text) for piece in self.lines[0][:2])
        head = Piece(f"{text:{room}}"[:room], "title")
        return [[head, *self.lines[0][2:]], *kept[1:]]


class Sections:
    """Makes the sections of one state for one ink."""

    def __init__(self, status: Status, ink: Ink) -> None:
        self.status = status
        self.ink = ink
        self.ending = ending(status)
        self._stopped = {
            line.instrument
            for line in status.orders
            if "stop" in line.kind and "reduce" in line.kind and line.status in _STANDING
        }

    def short(self, text: str) -> str:
        """A text without the venue that the head of the screen names already."""
        return text.replace(self.ending, "") if self.ending else text

    def positions(self, width: int) -> Section:
        """What is held, and whether a stop covers it."""
        columns: tuple[Column, ...] = (
            Column("", least=8),
            Column("quantity", is_right=True),
            Column("unrealized", is_right=True),
            Column("protection"),
            Column("entry", is_right=True, drop=3),
            Column("mark", is_right=True, drop=2),
            Column("realized", is_right=True, drop=4),
            Column("external", is_right=True, drop=1),
        )
        if not any(line.external for line in self.status.positions):
            columns = columns[:-1]
        found = sorted(self.status.positions, key=_position_rank)
        rows = [self._position(line)[: len(columns)] for line in found]
        return self._section("POSITIONS", columns, rows, width)

    def _position(self, line: PositionLine) -> list[Piece]:
        is_flat = is_zero(line.quantity)
        if not line.is_protected:
            cover = Piece("UNPROTECTED", "alarm")
        elif line.is_paused:
            cover = Piece("PAUSED", "caution")
        elif is_flat:
            cover = Piece("flat", "dim")
        else:
            has_stop = line.instrument in self._stopped
            cover = Piece("stop", "good") if has_stop else Piece("no stop", "dim")
        return [
            Piece(self.short(line.instrument)),
            Piece("flat" if is_flat else line.quantity, "dim" if is_flat else ""),
            Piece(line.unrealized, _money_tone(line.unrealized)),
            cover,
            Piece(line.entry),
            Piece(line.mark, "warn" if line.mark == "unknown" else ""),
            Piece(line.realized, _money_tone(line.realized)),
            Piece(line.external, "" if is_zero(line.external) else "warn"),
        ]

    def orders(self, width: int) -> Section:
        """What rests or is on its way; those in doubt first, then the oldest."""
        columns = [
            Column("", least=8),
            Column("age", is_right=True),
            Column("side"),
            Column("quantity", is_right=True),
            Column("filled", is_right=True, drop=1),
            Column("price", is_right=True),
            Column("kind", least=8),
            Column("", drop=2),
            Column("instrument", least=12),
            Column("strategy", least=11, drop=3),
            Column("client order id", least=18, drop=4),
        ]
        found = sorted(self.status.orders, key=lambda line: line.status != "unknown")
        rows = [self._order(line) for line in found]
        # A column that has nothing to say gives its room away.
        idle = [place for place, text in _IDLE if all(text(line) for line in found)]
        for place in idle:
            del columns[place]
            for row in rows:
                del row[place]
        return self._section("ORDERS", columns, rows, width)

    def _order(self, line: OrderLine) -> list[Piece]:
        is_unknown = line.status == "unknown"
        kind, _, reduces = line.kind.partition(" ")
        return [
            Piece(_STATES.get(line.status, line.status), _RISKY.get(line.status, "")),
            Piece(age(line.age_ms), "warn" if is_unknown else ""),
            Piece(line.side),
            Piece(line.quantity),
            Piece(line.filled, "dim" if is_zero(line.filled) else ""),
            Piece(line.price),
            Piece(kind),
            Piece(reduces),
            Piece(self.short(line.instrument)),
            Piece(line.strategy),
            Piece(line.client_order_id, "dim"),
        ]

    def fills(self, width: int) -> Section:
        """The newest executions with what they cost against the price at the decision."""
        columns = (
            Column(""),
            Column("quantity", is_right=True),
            Column("price", is_right=True),
            Column("slip bps", is_right=True),
            Column("by"),
            Column("instrument", least=12),
            Column("fee", is_right=True, drop=2),
            Column("told by", drop=3),
        )
        rows = [self._fill(line) for line in reversed(self.status.fills)]
        return self._section("FILLS", columns, rows, width)

    def _fill(self, line: FillLine) -> list[Piece]:
        return [
            Piece(f"{clock(line.ts)} {line.side}"),
            Piece(line.quantity),
            Piece(line.price),
            Piece(line.slippage_bps, "loss" if line.slippage_bps.startswith("+") else ""),
            Piece("maker" if line.is_maker else "taker", "" if line.is_maker else "dim"),
            Piece(self.short(line.instrument)),
            Piece(line.fee, "dim"),
            Piece(line.source, "dim"),
        ]

    def streams(self, width: int) -> Section:
        """What we hear, and for how long it has been silent against what is allowed."""
        columns = (
            Column("", least=8),
            Column("state"),
            Column("silent", is_right=True),
            Column("budget", is_right=True),
            Column("freshness", drop=1),
        )
        bar = BAR if width >= NARROW else BAR // 2
        found = sorted(self.status.streams, key=_stream_rank)
        rows = [self._stream(line, bar) for line in found]
        return self._section("STREAMS", columns, rows, width)

    def _stream(self, line: StreamLine, bar: int) -> list[Piece]:
        share = _silence(line)
        tone = "alarm" if line.state in _GRAVITY else "good"
        # An account is silent when nothing happens to it; a market never is.
        is_market = line.name != "user"
        late = "warn" if is_market and share > 0.5 else ""
        left = self.ink.bar(1 - share, bar) if is_market and line.state == "up" else ""
        return [
            Piece(self.short(line.name)),
            Piece(line.state.upper() if line.state in _GRAVITY else line.state, tone),
            Piece(age(line.silent_ms), late),
            Piece(age(line.budget_ms) if is_market else "none", "dim"),
            Piece(left, late or "good"),
        ]

    def notices(self, width: int) -> Section:
        """What happened, newest first."""
        columns = [Column(""), Column("event", least=10), Column("what", least=10)]
        rows: list[list[Piece]] = []
        for line, times in _repeats(self.status.notices):
            tone = _LEVELS.get(line.level, "")
            what = self.short(" ".join(part for part in (line.subject, line.text) if part))
            stamp = Piece(f"{clock(line.ts)} {line.level}", tone)
            name = f"{line.name} x{times}" if times > 1 else line.name
            if width < NARROW:
                rows.append([stamp, Piece(f"{name} {what}", tone)])
            else:
                rows.append([stamp, Piece(name, tone), Piece(what)])
        shown = columns[:2] if width < NARROW else columns
        return self._section("NOTICES", shown, rows, width)

    def engine(self, width: int) -> list[Line]:
        """Rate budget, ledger, connection and lags, on as many lines as the width asks for."""
        status = self.status
        lags = f"market {status.lag_p99_ms:.1f}  step {status.step_p99_us / 1_000:.2f}  "
        lags += f"commit {status.commit_p99_ms:.1f}  send {status.send_p99_ms:.1f}"
        answers = {"closed": Piece("answers", "good"), "": Piece("unknown", "warn")}
        silent = Piece("DOES NOT ANSWER", "alarm")
        groups: list[Line] = [
            self._rate(),
            [Piece("LEDGER ", "title"), Piece(f"row {status.ledger_seq:,}")],
            [Piece("VENUE ", "title"), answers.get(status.connection, silent)],
            [Piece("LAGS ", "title"), Piece(lags), Piece(" ms p99", "dim")],
        ]
        return self._flow(groups, width)

    def _rate(self) -> Line:
        left, capacity = self.status.rate_left, self.status.rate_capacity
        if capacity <= 0:
            return [Piece("RATE ", "title"), Piece("unknown", "warn")]
        share = left / capacity
        # The lanes of queries and entries end at two fifths and one fifth of the budget.
        tone = "good" if share > 0.4 else "warn" if share > 0.2 else "bad"
        low = "" if share > 0.2 else " LOW"
        return [
            Piece("RATE ", "title"),
            Piece(self.ink.bar(share, BAR), tone),
            Piece(f" {left:,} of {capacity:,}{low}", tone if low else ""),
        ]

    def _flow(self, groups: Iterable[Line], width: int) -> list[Line]:
        """Groups one after the other, on the next line where they no longer fit."""
        lines: list[Line] = [[]]
        used = 0
        for group in groups:
            wide = self.ink.room(group)
            if lines[-1] and used + 2 + wide > width:
                lines.append([])
                used = 0
            if lines[-1]:
                lines[-1].append(Piece("  "))
                used += 2
            lines[-1] += group
            used += wide
        return [self.ink.line(line, width) for line in lines]

    def _section(
        self, name: str, columns: Sequence[Column], rows: list[list[Piece]], width: int
    ) -> Section:
        if not rows:
            return Section(
                name, [self.ink.line([Piece(name, "title"), Piece(" none", "dim")], width)]
            )
        # The head has room for the longest count that it may have to tell.
        first = columns[0]._replace(title=f"{name} {len(rows)} of {len(rows)}")
        least = max(first.least, cells(first.title)) if first.least else 0
        made = (first._replace(least=least), *columns[1:])
        return Section(name, self.ink.table(made, rows, width))


def ending(status: Status) -> str:
    """The venue that all instruments of a state end with, with its dot."""
    names = [line.instrument for line in status.positions]
    names += [line.instrument for line in status.orders]
    names += [line.instrument for line in status.fills]
    return venue_ending(names)


def _repeats(notices: Sequence[NoticeLine]) -> list[tuple[NoticeLine, int]]:
    """Newest first, with how often the same was said in a row."""
    found: list[tuple[NoticeLine, int]] = []
    for line in reversed(notices):
        if found and _said(found[-1][0]) == _said(line):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((line, 1))
    return found


def _said(line: NoticeLine) -> tuple[str, str, str, str]:
    return (line.level, line.name, line.subject, line.text)


def _position_rank(line: PositionLine) -> tuple[bool, bool, bool, bool]:
    is_external = not is_zero(line.external)
    return (line.is_protected, not is_external, is_zero(line.quantity), not line.is_paused)


def _stream_rank(line: StreamLine) -> tuple[int, bool, float]:
    return (_GRAVITY.get(line.state, 2), line.name == "user", -_silence(line))


def _silence(line: StreamLine) -> float:
    if line.silent_ms < 0 or line.budget_ms <= 0:
        return 1.0
    return min(1.0, line.silent_ms / line.budget_ms)


def _money_tone(text: str) -> str:
    if is_zero(text):
        return ""
    return "loss" if text.startswith("-") else "good"

"""The whole screen as lines of exactly its width, for any state and any size.

Sections share the height by turns, the first ones first, so that each keeps a row before one gets
all of its rows. Alarms stand above everything and never give way.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from interlock.ui.read_model import Status
from interlock.ui.terminal.alarms import Alarm, alarms, pulse, state_word
from interlock.ui.terminal.ink import GAP, Ink, Line, Piece, segments
from interlock.ui.terminal.sections import Section, Sections, ending
from interlock.ui.terminal.words import age, clock, count

# From here on there are two columns.
WIDE = 120
LEFT_LEAST = 78
LEFT_SHARE = 0.58
ALARM_ROWS = 4


class Screen:
    """A Rich renderable of a state.

    ``more`` are alarms that do not come from the engine, such as its silence for ``old_ms``, which
    every age grows by; ``footer`` stands at the bottom. ``is_whole`` shows every row, however high
    that is.
    """

    def __init__(
        self,
        status: Status,
        *,
        more: Sequence[Alarm] = (),
        footer: Sequence[str] = (),
        old_ms: int = 0,
        is_whole: bool = False,
    ) -> None:
        self.status = _aged(status, old_ms) if old_ms > 0 else status
        self.is_old = old_ms > 0
        self.more = tuple(more)
        self.footer = tuple(footer)
        self.is_whole = is_whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = 0 if self.is_whole else options.height or console.height
        for line in self.lines(options.max_width, height, is_ascii=options.ascii_only):
            yield from segments(line)
            yield Segment.line()

    def lines(self, width: int, height: int, *, is_ascii: bool) -> list[Line]:
        """At most ``height`` lines of ``width`` cells; height 0 is as many as there are."""
        ink = Ink(is_ascii=is_ascii)
        hidden = ending(self.status)
        found = [
            alarm._replace(text=alarm.text.replace(hidden, "") if hidden else alarm.text)
            for alarm in (*self.more, *alarms(self.status))
        ]
        found.sort(key=lambda alarm: alarm.tone != "alarm")
        rows = len(found) if not height else max(ALARM_ROWS, height // 5)
        top = [*self._head(ink, width), *_banner(found, ink, width, rows)]
        bottom = [ink.line([Piece(text, "dim")], width) for text in self.footer]
        room = max(0, height - len(top) - len(bottom)) if height else 10_000
        body = _body(self.status, ink, width, room)
        if height:
            blank = ink.line([], width)
            body += [blank] * (room - len(body))
            return [*top[: max(0, height - len(bottom))], *body, *bottom][:height]
        return [*top, *body, *bottom]

    def _head(self, ink: Ink, width: int) -> list[Line]:
        status = self.status
        mode = Piece(status.mode.upper(), "title" if status.mode == "live" else "warn")
        left = [
            Piece("interlock ", "title"),
            mode,
            Piece(f" {status.account} on {status.venue}"),
            Piece("  " + ", ".join(status.strategies)),
        ]
        right = [
            Piece(f"epoch {status.epoch}  up {age(status.uptime_ms)}  ", "dim"),
            Piece(f"{clock(status.ts)} UTC"),
        ]
        return [ink.spread(left, right, width), self._vitals(ink, width)]

    def _vitals(self, ink: Ink, width: int) -> Line:
        """The state, the heartbeat and the money; what matters least goes first when narrow."""
        status = self.status
        word, tone = state_word(status)
        beat = pulse(status)
        state = [
            Piece(f"WAS {word}", "caution") if self.is_old else Piece(word, tone),
            Piece("  "),
            Piece(f"{ink.pulse} {beat.word}", "warn" if self.is_old else beat.tone),
            Piece(f" {beat.text}"),
        ]
        is_known = status.equity not in ("", "unknown")
        equity = [
            Piece("equity "),
            Piece(status.equity if is_known else "unknown", "title" if is_known else "warn"),
            Piece(f" {status.currency}"),
        ]
        wallet = [Piece(f"wallet {status.wallet}  ", "dim"), *equity]
        counted = [*state, Piece(f"  {count(status.decisions, 'decision')}", "dim")]
        for one, two in ((counted, wallet), (state, wallet), (state, equity)):
            if ink.room([*one, *two]) + GAP <= width:
                return ink.spread(one, two, width)
        return ink.line(state, width)


def _aged(status: Status, ms: int) -> Status:
    """What a state says of ages, some time after it was told."""
    replace = msgspec.structs.replace
    beat = status.decision_age_ms
    return replace(
        status,
        decision_age_ms=beat + ms if beat >= 0 else beat,
        orders=tuple(replace(line, age_ms=line.age_ms + ms) for line in status.orders),
        streams=tuple(
            replace(line, silent_ms=line.silent_ms + ms) if line.silent_ms >= 0 else line
            for line in status.streams
        ),
    )


def _banner(found: Sequence[Alarm], ink: Ink, width: int, rows: int) -> list[Line]:
    """One line per alarm; when there are too many the last line names the rest."""
    shown = list(found)
    if len(shown) > rows:
        rest = shown[rows - 1 :]
        words = dict.fromkeys(alarm.word for alarm in rest)
        tone = "alarm" if any(alarm.tone == "alarm" for alarm in rest) else "caution"
        shown = [*shown[: rows - 1], Alarm("ALSO", ", ".join(words), tone)]
    return [
        ink.flooded(f" !! {alarm.word}: {alarm.text}", alarm.tone or "alarm", width)
        for alarm in shown
    ]


def _body(status: Status, ink: Ink, width: int, height: int) -> list[Line]:
    made = Sections(status, ink)
    if width < WIDE:
        engine = made.engine(width)
        sections = [
            made.positions(width),
            made.orders(width),
            made.fills(width),
            made.streams(width),
            made.notices(width),
        ]
        return _stack(sections, engine, ink, width, height)
    left = max(LEFT_LEAST, int(width * LEFT_SHARE))
    right = width - left - GAP - 1
    one = _stack([made.positions(left), made.orders(left), made.fills(left)], [], ink, left, height)
    two = _stack([made.streams(right), made.notices(right)], made.engine(right), ink, right, height)
    rows = max(len(one), len(two))
    one += [ink.line([], left)] * (rows - len(one))
    two += [ink.line([], right)] * (rows - len(two))
    rule = Piece(f" {ink.rule} ", "dim")
    return [[*first, rule, *second] for first, second in zip(one, two, strict=True)]


def _stack(
    sections: Sequence[Section], first: list[Line], ink: Ink, width: int, height: int
) -> list[Line]:
    """Sections one below the other within a height, apart by a blank line where there is room."""
    heights = _allot([len(section.lines) for section in sections], height - len(first))
    used = len(first) + sum(heights)
    gaps = len([rows for rows in heights if rows]) - (0 if first else 1)
    is_loose = used + gaps <= height
    lines = first[:height]
    for section, rows in zip(sections, heights, strict=True):
        if rows and lines and is_loose:
            lines.append(ink.line([], width))
        lines += section.shown(rows)
    return lines


def _allot(wanted: Sequence[int], height: int) -> list[int]:
    """Rows for each section: by turns, two at first so that a head never stands alone."""
    given = [0] * len(wanted)
    left = max(0, height)
    for place, most in enumerate(wanted):
        given[place] = min(most, 2, left)
        left -= given[place]
    while left:
        able = [place for place, most in enumerate(wanted) if given[place] < most]
        if not able:
            break
        for place in able[:left]:
            given[place] += 1
        left -= len(able[:left])
    return given

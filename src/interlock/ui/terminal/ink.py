"""Marks on a terminal: text made safe and cut to cells, tones, bars, tables.

Rules of this file. Width is counted in cells, not characters. What comes from outside may hold
anything, so control characters never reach the terminal. A cut is always visible. A tone only
repeats what the words say: without color nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

GAP = 2
TONES = {
    "": Style.null(),
    "title": Style(bold=True),
    "dim": Style(dim=True),
    "good": Style(color="green"),
    "loss": Style(color="red"),
    "warn": Style(color="yellow", bold=True),
    "bad": Style(color="red", bold=True),
    "caution": Style(color="yellow", bold=True, reverse=True),
    "alarm": Style(color="red", bold=True, reverse=True),
}


class Piece(NamedTuple):
    """Text in one tone."""

    text: str
    tone: str = ""


Line = list[Piece]


class Column(NamedTuple):
    """A column of a table.

    ``least`` is the width it may shrink to, 0 for never; the highest ``drop`` is left out first, 0
    never.
    """

    title: str
    is_right: bool = False
    least: int = 0
    drop: int = 0


class Ink:
    """What the terminal can show: ``is_ascii`` where its encoding has nothing else."""

    def __init__(self, *, is_ascii: bool = False) -> None:
        self.is_ascii = is_ascii
        self.cut = "~" if is_ascii else "…"
        self.pulse = "*" if is_ascii else "●"
        self.rule = "|" if is_ascii else "│"
        self._full, self._rest = "#-" if is_ascii else "█░"

    def clean(self, text: str) -> str:
        """The text without anything that a terminal would act on."""
        if not text.isprintable():
            text = "".join(
                mark if mark.isprintable() else " " if mark.isspace() else "?" for mark in text
            )
        return text.encode("ascii", "replace").decode() if self.is_ascii else text

    def fit(self, text: str, width: int) -> str:
        """The text, cut with a mark when it has more cells than ``width``."""
        text = self.clean(text)
        if cells(text) <= width:
            return text
        if width < 1:
            return ""
        return set_cell_size(text, width - 1) + self.cut

    def bar(self, share: float, width: int) -> str:
        """A bar that is full at a share of 1."""
        full = max(0, min(width, round(share * width)))
        return self._full * full + self._rest * (width - full)

    def line(self, pieces: Iterable[Piece], width: int) -> Line:
        """Pieces in exactly ``width`` cells."""
        made: Line = []
        left = width
        for piece in pieces:
            text = self.fit(piece.text, left)
            made.append(Piece(text, piece.tone))
            left -= cells(text)
            if left <= 0:
                break
        if left > 0:
            made.append(Piece(" " * left))
        return made

    def room(self, pieces: Iterable[Piece]) -> int:
        """How many cells pieces take."""
        return sum(cells(self.clean(piece.text)) for piece in pieces)

    def flooded(self, text: str, tone: str, width: int) -> Line:
        """A line that carries its tone to the end."""
        shown = self.fit(text, width)
        return [Piece(shown + " " * (width - cells(shown)), tone)]

    def spread(self, left: Sequence[Piece], right: Sequence[Piece], width: int) -> Line:
        """Pieces at both ends of a line; the right ones are left out where they do not fit."""
        used, more = self.room(left), self.room(right)
        if used + GAP + more > width:
            return self.line(left, width)
        return self.line([*left, Piece(" " * (width - used - more)), *right], width)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Piece]], width: int
    ) -> list[Line]:
        """The head and the rows, each in exactly ``width`` cells."""
        clean = [[Piece(self.clean(cell.text), cell.tone) for cell in row] for row in rows]
        natural = [
            max([cells(column.title), *(cells(row[place].text) for row in clean)])
            for place, column in enumerate(columns)
        ]
        kept, widths = _arrange(columns, natural, width)
        head = [Piece(columns[place].title, "title" if not place else "dim") for place in kept]
        return [
            self._row(
                [row[place] for place in kept] if number else head,
                [(columns[place], widths[place]) for place in kept],
                width,
            )
            for number, row in enumerate([head, *clean])
        ]

    def _row(self, row: Sequence[Piece], columns: Sequence[tuple[Column, int]], width: int) -> Line:
        pieces: Line = []
        for cell, (column, room) in zip(row, columns, strict=True):
            text = self.fit(cell.text, room)
            space = " " * (room - cells(text))
            if pieces:
                pieces.append(Piece(" " * GAP))
            if column.is_right:
                pieces += [Piece(space), Piece(text, cell.tone)]
            else:
                pieces += [Piece(text, cell.tone), Piece(space)]
        return self.line(pieces, width)


def cells(text: str) -> int:
    """How many cells a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def segments(line: Line) -> list[Segment]:
    """A line as Rich prints it."""
    return [Segment(piece.text, TONES[piece.tone]) for piece in line if piece.text]


def _arrange(
    columns: Sequence[Column], natural: Sequence[int], width: int
) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide each is."""
    kept = list(range(len(columns)))
    while True:
        widths = list(natural)
        over = sum(widths[place] for place in kept) + GAP * (len(kept) - 1) - width
        elastic = [place for place in kept if columns[place].least]
        spare = sum(max(0, widths[place] - columns[place].least) for place in elastic)
        droppable = [place for place in kept if columns[place].drop]
        if over <= spare or not droppable:
            _shrink(columns, widths, elastic, over)
            return kept, widths
        kept.remove(max(droppable, key=lambda place: columns[place].drop))


def _shrink(
    columns: Sequence[Column], widths: list[int], elastic: Sequence[int], over: int
) -> None:
    # From the widest first, so that short names stay whole.
    while over > 0:
        able = [place for place in elastic if widths[place] > columns[place].least]
        if not able:
            return
        widest = max(able, key=lambda place: widths[place])
        widths[widest] -= 1
        over -= 1

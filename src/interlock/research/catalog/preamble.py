"""What may stand before a CSV table: a byte order mark, a link, a comment, a line for Excel.

A line is passed over only where it cannot be the head of the table below it; what was passed over
is told. Nothing else is guessed: a table that begins otherwise is read as it stands.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import IO, Protocol, cast

from interlock.research.catalog.errors import ImportRefused

SEPARATORS = (",", ";", "\t")
_LINES_MOST = 20
_PEEK = 64
_COMMENTS = ("#", "http://", "https://", "www.")
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class Source(Protocol):
    """Bytes of UTF-8 text in order."""

    def readline(self) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A CSV file from the first line of its table on.

    ``head`` is that line, ``second`` the one below it, both read from ``rest`` already.
    """

    head: bytes
    second: bytes
    rest: Source
    notes: tuple[str, ...]


def open_table(content: IO[bytes]) -> OpenedTable:
    """Find the first line of the table; raises ImportRefused for text that is not UTF-8 or 16."""
    source = _as_utf8(content)
    notes: list[str] = []
    head, second = _line(source), _line(source)
    while _is_beside(head, second) and len(notes) < _LINES_MOST:
        notes.append(f"not part of the table: {_text(head)[:80]!r}")
        head, second = second, _line(source)
    return OpenedTable(head, second, source, tuple(notes))


def separator_of(line: bytes) -> str:
    """The separator that a line has most of."""
    counts = {mark: line.count(mark.encode()) for mark in SEPARATORS}
    return max(counts, key=lambda mark: counts[mark])


def _line(source: Source) -> bytes:
    """The next line that is not empty; nothing at the end."""
    line = source.readline()
    while line and not _text(line):
        line = source.readline()
    return line


def _is_beside(line: bytes, below: bytes) -> bool:
    """Whether a line cannot be the head of a table that the line below belongs to."""
    text = _text(line)
    if not below or not text:
        return False
    if text.lower().startswith("sep=") and len(text) <= len("sep=\t"):
        return True
    mark = separator_of(below)
    cells, cells_below = text.count(mark), _text(below).count(mark)
    if text.lower().startswith(_COMMENTS):
        return cells != cells_below or not cells
    is_one_cell = not any(mark in text for mark in SEPARATORS)
    return is_one_cell and cells_below > 0 and not text[0].isdigit()


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", errors="replace").strip()


def _as_utf8(content: IO[bytes]) -> Source:
    buffered = io.BufferedReader(cast(io.RawIOBase, content))
    start = buffered.peek(_PEEK)[:_PEEK]
    if start.startswith(_UTF32):
        raise ImportRefused("the text is UTF-32, which is not read; save the file as UTF-8")
    encoding = ""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(start) >= 8 and not any(start[1::2]) and all(start[::2]):
        encoding = "utf-16-le"
    elif len(start) >= 8 and not any(start[::2]) and all(start[1::2]):
        encoding = "utf-16-be"
    return _Recoded(buffered, encoding) if encoding else buffered


class _Recoded:
    """Text of another encoding as UTF-8."""

    def __init__(self, content: io.BufferedIOBase, encoding: str) -> None:
        self._text = io.TextIOWrapper(cast(IO[bytes], content), encoding=encoding, newline="")

    def readline(self) -> bytes:
        return self._text.readline().encode()

    def read(self, size: int, /) -> bytes:
        return self._text.read(size).encode()

"""Single keys from the terminal, as they are typed and without echo."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PIECE = 1024


@contextmanager
def keys(heard: Callable[[str], None]) -> Iterator[None]:
    """Give what is typed to ``heard`` until the context ends; nothing without a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = os.read(number, PIECE)
        if not data:
            # The terminal went away.
            loop.remove_reader(number)
        text = decoder.decode(data)
        if text:
            heard(text)

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)

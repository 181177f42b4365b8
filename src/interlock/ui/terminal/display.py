"""Shows states as they come: a screen on a terminal, lines of text anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from interlock.ui.read_model import Status
from interlock.ui.terminal.alarms import Alarm
from interlock.ui.terminal.plain import Teller
from interlock.ui.terminal.screen import Screen

HERTZ = 2
EVERY_S = 1 / HERTZ


def is_screen(console: Console) -> bool:
    """Whether the console can hold a screen: a terminal that can move its cursor."""
    return console.is_terminal and not console.is_dumb_terminal


class Display:
    """A context that takes states."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._teller = Teller(is_ascii=console.options.ascii_only)
        if is_screen(console):
            self._live = Live(
                console=console, screen=True, auto_refresh=False, vertical_overflow="crop"
            )

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(
        self,
        status: Status,
        *,
        more: Sequence[Alarm] = (),
        footer: Sequence[str] = (),
        old_ms: int = 0,
    ) -> None:
        """Show a state at once on a screen; elsewhere say what has changed."""
        if self._live is not None:
            self._live.update(Screen(status, more=more, footer=footer, old_ms=old_ms), refresh=True)
            return
        for line in self._teller.hear(status):
            self.tell(line)

    def tell(self, line: str) -> None:
        """A line of its own, where there is no screen."""
        if self._live is None:
            self.console.print(Text(line), soft_wrap=True)


@contextmanager
def screen(console: Console) -> Iterator[Callable[[Status], None]]:
    """A function that shows a state, until the context ends."""
    with Display(console) as display:
        yield display.show

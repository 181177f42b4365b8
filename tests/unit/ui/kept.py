"""Screens kept as text, with and without color, on a small and a wide terminal.

``python -m tests.unit.ui.kept`` writes the files of ``golden/`` anew; ``cat`` shows the ``.ansi``
ones as the terminal does, and ``git diff`` what a change of the code has changed.
"""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

from rich.console import Console

from interlock.ui.terminal import Prompt, Screen
from tests.unit.ui.states import STATES

FOLDER = Path(__file__).parent / "golden"
SIZES = ((80, 24), (140, 40))
KEPT = [
    (name, width, height, kind)
    for (name, (width, height)), kind in product(product(STATES, SIZES), ("txt", "ansi"))
]


def console(width: int, height: int, *, has_color: bool, is_ascii: bool = False) -> Console:
    """A console that writes to memory whatever the environment says."""
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if is_ascii else "utf-8", newline="\n")
    return Console(
        file=file,
        width=width,
        height=height,
        force_terminal=True,
        color_system="standard" if has_color else None,
        no_color=not has_color,
        legacy_windows=False,
        _environ={"TERM": "xterm-256color"},
    )


def written(shown: Console) -> str:
    """What a console has written so far."""
    shown.file.flush()
    assert isinstance(shown.file, io.TextIOWrapper)
    raw = shown.file.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode(shown.encoding)


def picture(name: str, width: int, height: int, kind: str) -> str:
    """A state as a terminal shows it."""
    shown = console(width, height, has_color=kind == "ansi")
    shown.print(Screen(STATES[name], footer=Prompt().footer("main")), end="")
    text = written(shown)
    return "\n".join(line.rstrip() for line in text.split("\n")) if kind == "txt" else text


def place(name: str, width: int, kind: str) -> Path:
    """The file of a picture."""
    return FOLDER / f"{name}_{width}.{kind}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for entry in KEPT:
        target = place(entry[0], entry[1], entry[3])
        target.write_text(picture(*entry), encoding="utf-8", newline="\n")
        print(target)

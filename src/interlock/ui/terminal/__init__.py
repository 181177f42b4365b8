"""The terminal view of a live engine: a screen, its keys, and plain lines where there is none."""

from interlock.ui.terminal.alarms import Alarm
from interlock.ui.terminal.display import EVERY_S, Display, is_screen, screen
from interlock.ui.terminal.prompt import LEAVE, Prompt, Wish
from interlock.ui.terminal.screen import Screen
from interlock.ui.terminal.verbs import VERBS, Verb

__all__ = [
    "EVERY_S",
    "LEAVE",
    "VERBS",
    "Alarm",
    "Display",
    "Prompt",
    "Screen",
    "Verb",
    "Wish",
    "is_screen",
    "screen",
]

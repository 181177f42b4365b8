"""Lines instead of a screen: one per change, five seconds apart, one a minute at least."""

from __future__ import annotations

import io

from rich.console import Console

from interlock.ui.read_model import Status
from interlock.ui.terminal import screen
from interlock.ui.terminal.plain import Teller, summary
from tests.unit.ui.states import SECOND, TS, busy, calm, emergency, notice


def at(seconds: int, **more: object) -> Status:
    return calm(ts=TS + seconds * SECOND, **{"notices": (), **more})


def test_a_change_is_told_once_and_not_sooner_than_after_five_seconds() -> None:
    teller = Teller()
    assert len(teller.hear(at(0))) == 1
    assert teller.hear(at(1, equity="1.00")) == []
    (line,) = teller.hear(at(5, equity="1.00"))
    assert "equity 1.00 USDT" in line
    assert teller.hear(at(10, equity="1.00")) == []
    assert teller.hear(at(15, equity="1.00", decision_age_ms=900)) == []


def test_an_engine_that_does_nothing_is_still_heard_of() -> None:
    teller = Teller()
    told = [second for second in range(0, 200, 5) if teller.hear(at(second))]
    assert told == [0, 60, 120, 180]


def test_each_notice_is_told_once() -> None:
    teller = Teller()
    first = (notice(0, "ORDER_DOUBT", "WARNING", "cut off"),)
    assert "WARNING ORDER_DOUBT" in teller.hear(at(0, notices=first))[0]
    second = (*first, notice(7, "ORDER_RESOLVED"))
    lines = teller.hear(at(10, notices=second))
    assert "ORDER_RESOLVED" in lines[0]
    assert not any("ORDER_DOUBT" in line for line in lines)


def test_what_is_wrong_is_in_the_line() -> None:
    assert summary(calm()).startswith("live TRADING; equity 100012.34 USDT; position 0.120")
    assert "!!" not in summary(calm())
    assert "!! EMERGENCY STOP, UNPROTECTED" in summary(emergency())
    for words in ("EXTERNAL -1.500", "UNPROTECTED", "UNKNOWN", "STREAM DOWN"):
        assert words in summary(busy())


def test_a_pipe_and_a_dumb_terminal_get_lines() -> None:
    for environment, is_terminal in (({}, False), ({"TERM": "dumb"}, True)):
        file = io.StringIO()
        console = Console(file=file, width=100, force_terminal=is_terminal, _environ=environment)
        with screen(console) as show:
            show(calm())
        assert file.getvalue().count("\n") == 3
        assert "\x1b" not in file.getvalue()
        assert "live TRADING" in file.getvalue()

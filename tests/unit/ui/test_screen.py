"""The screen: kept pictures, words that carry what color does, and any size."""

from __future__ import annotations

import msgspec
import pytest
from rich.text import Text

from interlock.ui.terminal import Alarm, Screen
from tests.unit.ui.kept import KEPT, console, picture, place, written
from tests.unit.ui.states import BTC, ETH, STATES, busy, calm, order, position, stream


def shown(screen: Screen, width: int = 80, height: int = 24, *, is_ascii: bool = False) -> str:
    lines = screen.lines(width, height, is_ascii=is_ascii)
    return "\n".join("".join(piece.text for piece in line) for line in lines)


@pytest.mark.capability("S2-055", "S2-057")
@pytest.mark.parametrize(("name", "width", "height", "kind"), KEPT)
def test_a_picture_is_as_it_was_kept(name: str, width: int, height: int, kind: str) -> None:
    kept = place(name, width, kind).read_text(encoding="utf-8")
    assert picture(name, width, height, kind) == kept, "python -m tests.unit.ui.kept; git diff"


@pytest.mark.parametrize("name", STATES)
def test_color_adds_nothing_that_the_words_do_not_say(name: str) -> None:
    plain = console(80, 24, has_color=False)
    plain.print(Screen(STATES[name]), end="")
    colored = console(80, 24, has_color=True)
    colored.print(Screen(STATES[name]), end="")
    assert Text.from_ansi(written(colored)).plain == Text.from_ansi(written(plain)).plain


@pytest.mark.capability("S2-054")
@pytest.mark.parametrize(
    ("age_ms", "words", "tone"),
    [
        (0, "heartbeat decided 0.0 s ago", "good"),
        (1_999, "heartbeat decided 2.0 s ago", "good"),
        (2_000, "SLOW HEARTBEAT decided 2.0 s ago", "warn"),
        (10_000, "NO HEARTBEAT last decision 10 s ago", "bad"),
        (-1, "NO HEARTBEAT no decision yet", "bad"),
    ],
)
def test_the_heartbeat_is_the_age_of_the_newest_decision(
    age_ms: int, words: str, tone: str
) -> None:
    screen = Screen(calm(decision_age_ms=age_ms))
    vitals = screen.lines(80, 24, is_ascii=False)[1]
    assert words in "".join(piece.text for piece in vitals)
    assert tone in [piece.tone for piece in vitals]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"state": "paused", "reason": "lunch"}, "!! PAUSED: lunch; no new risk"),
        ({"state": "halted"}, "!! HALTED: no new risk; entries are canceled"),
        ({"state": "emergency"}, "!! EMERGENCY STOP: NOT FLAT YET"),
        ({"state": "flat"}, "!! EMERGENCY STOP: flat"),
        ({"is_trading": False}, "!! RECOVERING"),
        ({"unknown_orders": 1}, "!! UNKNOWN: 1 order may or may not be at the venue"),
        ({"positions": (position(BTC, "1", is_protected=False),)}, "!! UNPROTECTED"),
        ({"positions": (position(BTC, "1", external="1"),)}, "!! EXTERNAL"),
        ({"positions": (position(BTC, is_paused=True),)}, "!! PAUSED: no new risk on BTCUSDT"),
        ({"streams": (stream(ETH, "stale"),)}, "!! STREAM STALE"),
        ({"streams": (stream("user", "down"),)}, "!! STREAM DOWN: user"),
        ({"connection": "open"}, "!! CONNECTION"),
        ({"silent_until_ms": 900}, "!! SILENCED: the venue asked"),
        ({"decision_age_ms": 60_000}, "!! NO HEARTBEAT"),
    ],
)
@pytest.mark.parametrize("width", [80, 140])
def test_what_is_wrong_stands_in_words_at_the_top(
    more: dict[str, object], words: str, width: int
) -> None:
    lines = shown(Screen(calm(**more)), width).splitlines()
    assert any(words in line for line in lines[2:5])


def test_nothing_is_loud_when_all_is_well() -> None:
    assert "!!" not in shown(Screen(calm()))


def test_more_alarms_than_lines_are_still_all_named() -> None:
    text = shown(Screen(busy(), more=[Alarm("ENGINE SILENT", "4 s")]))
    for word in ("ENGINE SILENT", "UNKNOWN", "UNPROTECTED", "EXTERNAL", "STREAM DOWN", "PAUSED"):
        assert word in text


def test_orders_in_doubt_come_first_and_heads_say_what_is_left_out() -> None:
    lines = shown(Screen(busy())).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("ORDERS 2 of 16"))
    assert lines[at + 1].startswith("UNKNOWN")
    whole = shown(Screen(busy(), is_whole=True), height=0)
    assert "ORDERS 16" in whole
    assert whole.count("accepted") == 12


def test_numbers_are_left_out_rather_than_cut() -> None:
    long = calm(positions=(position(BTC, "123456.789", realized="123456789.01"),))
    for width in range(60, 100):
        text = shown(Screen(long), width)
        assert "123456.789" in text
        assert "123456789.01" in text or " realized" not in text


def test_ascii_terminals_get_ascii() -> None:
    text = shown(Screen(busy()), is_ascii=True)
    assert text.isascii()
    plain = console(80, 24, has_color=False, is_ascii=True)
    plain.print(Screen(busy()), end="")
    assert written(plain).isascii()


def test_what_a_venue_sends_never_moves_the_cursor() -> None:
    evil = "\x1b[2J\x9b1;1H\r\n\tgone\u202e"
    status = calm(
        reason=evil,
        state="paused",
        orders=(order(1, kind=evil, client_order_id=evil, instrument=evil),),
        strategies=(evil,),
    )
    text = shown(Screen(status), 200)
    assert all(mark.isprintable() for mark in text.replace("\n", ""))


def test_a_state_survives_the_socket() -> None:
    data = msgspec.json.encode(busy())
    assert msgspec.json.decode(data, type=type(busy())) == busy()

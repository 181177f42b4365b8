"""Any state fits any terminal: every line has exactly its cells, and nothing a terminal acts on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from interlock.ui.read_model import (
    FillLine,
    NoticeLine,
    OrderLine,
    PositionLine,
    Status,
    StreamLine,
)
from interlock.ui.terminal import Alarm, Prompt, Screen
from interlock.ui.terminal.plain import Teller

texts = st.text(max_size=24) | st.sampled_from(["BTCUSDT-PERP.BINANCE", "0.120", "\x1b[2J", "数量"])
whole = st.integers(-(2**63), 2**63)
numbers = st.floats(allow_nan=True, allow_infinity=True)
states = st.sampled_from(["", "trading", "paused", "halted", "stopping", "emergency", "flat"])
kinds = {str: texts, int: whole, float: numbers, bool: st.booleans()}


def lines(kind: type) -> st.SearchStrategy[tuple]:
    return st.lists(st.from_type(kind), max_size=6).map(tuple)


def build(kind: type, **more: st.SearchStrategy) -> st.SearchStrategy:
    names = {"str": str, "int": int, "float": float, "bool": bool}
    fields = {
        name: kinds[names[said]] for name, said in kind.__annotations__.items() if said in names
    }
    return st.builds(kind, **{**fields, **more})


for line in (PositionLine, OrderLine, FillLine, StreamLine, NoticeLine):
    st.register_type_strategy(line, build(line))

any_status = build(
    Status,
    state=states,
    strategies=st.lists(texts, max_size=3).map(tuple),
    positions=lines(PositionLine),
    orders=lines(OrderLine),
    fills=lines(FillLine),
    streams=lines(StreamLine),
    notices=lines(NoticeLine),
    counts=st.dictionaries(texts, whole, max_size=3),
)


@settings(max_examples=150)
@given(
    status=any_status,
    width=st.integers(1, 240),
    height=st.integers(1, 70),
    is_ascii=st.booleans(),
    more=texts,
)
def test_any_state_fits(status: Status, width: int, height: int, is_ascii: bool, more: str) -> None:
    footer = Prompt().footer(status.account)
    screen = Screen(status, more=[Alarm("ENGINE GONE", more)], footer=footer)
    found = screen.lines(width, height, is_ascii=is_ascii)
    assert len(found) == height
    for line in found:
        text = "".join(piece.text for piece in line)
        assert cell_len(text) == width
        assert text.isprintable()
        assert text.isascii() or not is_ascii


@settings(max_examples=80)
@given(status=any_status)
def test_any_state_can_be_told_in_lines(status: Status) -> None:
    for line in Teller(is_ascii=True).hear(status):
        assert line.isascii()
        assert line.isprintable()


@given(typed=st.lists(st.text(max_size=8), max_size=20))
def test_no_keys_send_an_emergency_stop_without_the_name_of_the_account(typed: list[str]) -> None:
    prompt = Prompt()
    for text in typed:
        wish = prompt.hear(text.replace("main", ""), "main account")
        assert wish is None or wish.verb != "emergency-stop"

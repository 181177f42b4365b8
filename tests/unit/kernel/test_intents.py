"""What a callback may return: intents, a sequence of them, or nothing; anything else is named."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.strategy.api import StrategyError
from tests.desk import Desk, buy


class Odd:
    def __repr__(self) -> str:
        return "Odd()" * 100


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (1.5, "A returned 1.5, a float"),
        (True, "A returned True, a bool"),
        ("buy", "A returned 'buy', a str"),
        ({"side": 1}, "A returned {'side': 1}, a dict"),
        ([buy(), "sell"], "A returned 'sell', a str"),
        (((buy(),),), "a tuple"),
    ],
)
def test_what_is_no_intent_is_named_with_the_rule_and_the_remedy(value: Any, named: str) -> None:
    desk = Desk()
    desk.told.on_bar = lambda bar: value  # type: ignore[method-assign]
    desk.owner.on_bar = desk.told.on_bar
    with pytest.raises(StrategyError) as caught:
        desk.wants()
    text = str(caught.value)
    assert named in text
    assert "a callback returns intents (Place, Cancel" in text
    assert "self.market(...)" in text


def test_a_long_value_is_cut() -> None:
    desk = Desk()
    desk.owner.on_bar = lambda bar: Odd()
    with pytest.raises(StrategyError) as caught:
        desk.wants()
    assert len(str(caught.value)) < 400


def test_a_generator_and_a_single_intent_are_carried_out() -> None:
    desk = Desk()
    desk.owner.on_bar = lambda bar: (buy(ref=ref) for ref in (1, 2))
    assert len(desk.wants()) == 2
    desk.owner.on_bar = lambda bar: buy(ref=3)
    assert len(desk.wants()) == 1

"""Client order ids: their forms, their check, and one payload per id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.runtime.ids import (
    LENGTH_MAX,
    IdError,
    OrderId,
    Registry,
    Standing,
    from_cloid,
    parse,
    strategy_number,
    to_cloid,
)

PARTS = st.builds(
    OrderId,
    st.from_regex(r"\A[a-z][a-z0-9]{0,3}\Z"),
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.integers(1, 2**40 - 1),
)


@given(PARTS)
@pytest.mark.capability("S2-031")
def test_both_forms_carry_all_parts(part: OrderId) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", part.text)
    assert len(part.text) <= LENGTH_MAX
    assert parse(part.text) == part
    assert re.fullmatch(r"0x[0-9a-f]{32}", part.cloid)
    assert from_cloid(part.cloid) == part.text
    assert to_cloid(part.text) == part.cloid


@given(PARTS, st.integers(0, 35), st.sampled_from("0123456789abcdef-z"))
def test_a_changed_text_is_not_ours(part: OrderId, at: int, sign: str) -> None:
    text = part.text
    changed = text[: at % len(text)] + sign + text[at % len(text) + 1 :]
    found = parse(changed)
    # Sixteen bits of check: what still parses is another id, never this one with a slip.
    assert changed == text or found is None or found != part


@pytest.mark.parametrize(
    "text", ["", "x-cvBPrNm9abc", "web_123", "il-1-f53-1", "autoclose-1", "il-01-f53-1-0000"]
)
def test_foreign_texts_are_not_ours(text: str) -> None:
    assert parse(text) is None
    with pytest.raises(IdError):
        to_cloid(text)


@pytest.mark.parametrize(
    "parts",
    [("", 1, 1, 1), ("1a", 1, 1, 1), ("il", 0, 1, 1), ("il", 1, 1 << 16, 1), ("il", 1, 1, 0)],
)
def test_parts_that_no_id_can_hold(parts: tuple[str, int, int, int]) -> None:
    with pytest.raises(IdError):
        OrderId(*parts)


def test_foreign_cloids_are_not_ours() -> None:
    assert from_cloid("0x" + "0" * 32) is None
    assert from_cloid("0x" + "f" * 32) is None
    assert from_cloid("web") is None


def test_a_strategy_keeps_its_number() -> None:
    assert strategy_number("toy") == 0x0F53


@pytest.mark.capability("S2-072", "S2-080", "S2-110")
def test_one_id_has_one_payload() -> None:
    registry = Registry({})
    name = OrderId("il", 1, 2, 3).text
    assert registry.standing(name, b"a") is Standing.NEW
    registry.add(name, b"a", 10)
    assert registry.standing(name, b"a") is Standing.DUPLICATE
    assert registry.standing(name, b"b") is Standing.CONFLICT
    assert (len(registry), registry.duplicates) == (1, 2)
    assert list(registry.entries()) == [(name, b"a".hex(), 10)]
    assert registry.clean(20, keep_epoch=1) == 0
    assert registry.clean(20, keep_epoch=2) == 1

"""Client order ids: their forms, their check, and one payload per id."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.order import OrderSpec
from interlock.model.rows import IntentRow
from interlock.runtime.books import Books
from interlock.runtime.dispatch import payload_hash
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

SPEC = OrderSpec("BTCUSDT-PERP.TOY", 1, 1000)
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


def _intent(name: str) -> IntentRow:
    return IntentRow(
        ts_event=10,
        client_order_id=name,
        account="main",
        strategy="toy",
        spec=SPEC,
        epoch=1,
        request_id=1,
        payload_hash=payload_hash(name, SPEC),
        ts_deadline=20,
    )


@pytest.mark.capability("S2-072", "S2-080", "S2-110")
def test_one_id_has_one_payload() -> None:
    books, name = Books(), OrderId("il", 1, 2, 3).text
    assert books.standing(name, payload_hash(name, SPEC)) is Standing.NEW
    books.apply(_intent(name))
    assert books.standing(name, payload_hash(name, SPEC)) is Standing.DUPLICATE
    assert books.standing(name, payload_hash("other", SPEC)) is Standing.CONFLICT


def test_a_registry_keeps_what_was_given_out_as_bits() -> None:
    registry = Registry()
    given = [OrderId("il", 1, 2, ref).text for ref in (*range(1, 200, 2), 1 << 39)]
    for ts, name in enumerate((*given, "web_1")):
        registry.add(name, ts)
        registry.add(name, ts)
    assert len(registry) == 102
    assert all(name in registry for name in (*given, "web_1"))
    missing = [OrderId("il", *rest).text for rest in ((1, 2, 2), (1, 3, 1), (2, 2, 1))]
    assert not any(name in registry for name in (*missing, "web_2", given[0][:-1]))
    packed = msgspec.msgpack.encode(registry)
    assert len(packed) < 100
    assert msgspec.msgpack.decode(packed, type=Registry) == registry


def test_a_registry_forgets_earlier_epochs_in_time() -> None:
    registry = Registry()
    first, second = OrderId("il", 1, 2, 3).text, OrderId("il", 2, 2, 3).text
    for name in (first, second, "web_1"):
        registry.add(name, 10)
    registry.clean(10, keep_epoch=2)
    assert len(registry) == 3
    registry.clean(11, keep_epoch=2)
    assert first not in registry and "web_1" not in registry
    assert second in registry

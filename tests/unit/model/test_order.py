"""Orders: the transition table is closed, and an instruction may not contradict itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.model.order import (
    LIMIT_TYPES,
    TERMINAL,
    TRANSITIONS,
    TRIGGERED_TYPES,
    Change,
    OrderSpec,
    OrderStatus,
    OrderType,
    SpecError,
    TimeInForce,
    check_spec,
)

S = OrderStatus


def test_every_status_has_its_row() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)
    assert {S.DENIED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED} == TERMINAL


def test_unknown_is_left_on_evidence_only() -> None:
    moves = TRANSITIONS[S.UNKNOWN]
    ours = {Change.SUBMIT, Change.ASK_CANCEL, Change.ASK_UPDATE, Change.DENY, Change.DOUBT}
    assert not ours & set(moves)
    assert {Change.ACCEPT, Change.REJECT, Change.CANCEL, Change.FILL_ALL} <= set(moves)


def test_an_open_order_can_always_fill_and_end() -> None:
    for status, moves in TRANSITIONS.items():
        if moves and status is not S.INITIALIZED:
            assert {Change.FILL_PART, Change.FILL_ALL, Change.CANCEL, Change.EXPIRE} <= set(moves)
            assert moves[Change.FILL_ALL] is S.FILLED
            assert moves[Change.CANCEL] is S.CANCELED


def test_nothing_returns_to_the_beginning() -> None:
    reached = {target for moves in TRANSITIONS.values() for target in moves.values()}
    assert S.INITIALIZED not in reached
    assert {target for target in TRANSITIONS[S.INITIALIZED].values()} == {S.DENIED, S.SUBMITTED}


def spec(kind: OrderType, **changes: Any) -> OrderSpec:
    given: dict[str, Any] = {"price": 100} if kind in LIMIT_TYPES else {}
    if kind is OrderType.TRAILING_STOP:
        given["trail"] = 5
    elif kind in TRIGGERED_TYPES:
        given["trigger"] = 90
    return OrderSpec("X.Y", 1, 1, kind, **{**given, **changes})


@pytest.mark.parametrize("kind", OrderType)
@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_sound_instructions(kind: OrderType, time_in_force: TimeInForce) -> None:
    check_spec(spec(kind, time_in_force=time_in_force))


@pytest.mark.parametrize("kind", OrderType)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"side": 0}, "side 0 must be"),
        ({"time_in_force": TimeInForce.GTD}, "go together"),
        ({"expire_ts": 5}, "go together"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "post_only"),
    ],
)
def test_contradictions_of_any_type(kind: OrderType, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check_spec(msgspec.structs.replace(spec(kind), **changes))


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (OrderType.MARKET, {"price": 5}, "takes no price"),
        (OrderType.MARKET, {"trigger": 5}, "takes no trigger"),
        (OrderType.LIMIT, {"trigger": 5}, "takes no trigger"),
        (OrderType.LIMIT, {"trail": 5}, "takes no trail"),
        (OrderType.LIMIT, {"price": 0}, "needs price"),
        (OrderType.STOP_MARKET, {"trigger": 0}, "positive trigger"),
        (OrderType.STOP_LIMIT, {"post_only": True}, "post_only"),
        (OrderType.TRAILING_STOP, {"trail": 0}, "positive trail"),
        (OrderType.TRAILING_STOP, {"trigger": 5}, "takes no trigger"),
        (OrderType.MARKET, {"post_only": True}, "post_only"),
    ],
)
def test_contradictions_of_one_type(kind: OrderType, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check_spec(spec(kind, **changes))

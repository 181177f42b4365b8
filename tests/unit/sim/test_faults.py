"""Fault scripts: what is read, what is refused, and what an injector decides."""

from typing import Any

import pytest

from interlock.sim.faults import Call, Frame, Injector, ScriptError, parse

SECOND = 10**9
PLACE = Call(kind="place", account="a", instrument="BTC", endpoint="/order")


def injector(*rules: dict[str, Any], seed: int = 1) -> Injector:
    return Injector(parse({"rules": list(rules), "seed": seed}), ts_start=0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "mapping with rules"),
        ({"rules": "x"}, "must be a list"),
        ({"ruels": []}, "'ruels' is unknown"),
        ({"rules": [{"fault": "explode"}]}, "rule 1: fault 'explode' is unknown"),
        ({"rules": [{"fault": "drop_reply", "delay": "1s"}]}, "'delay' is unknown"),
        ({"rules": [{"fault": "late_reply"}]}, "needs 'delay'"),
        ({"rules": [{"fault": "late_reply", "delay": "soon"}]}, "time 'soon' must read like"),
        ({"rules": [{"fault": "drop_reply", "probability": 2}]}, "between 0 and 1"),
        ({"rules": [{"fault": "drop_reply", "call": "plce"}]}, "call 'plce' must be one of"),
        ({"rules": [{"fault": "gap", "ratio": "big"}]}, "ratio 'big' must be a number"),
        ({"rules": [{"fault": "gap", "ratio": -1}]}, "must be a change above -1"),
        ({"rules": [{"fault": "fill_part", "ratio": 2}]}, "must be above 0, at most 1"),
        ({"rules": [{"fault": "answer", "status": 503, "executed": "no"}]}, "true or false"),
        ({"rules": [{"fault": "switch_protocol", "version": "2"}]}, "algo, before-algo"),
        ({"rules": [{"fault": "liquidate", "account": 7}]}, "account 7 must be text"),
        ({"seed": "x"}, "seed 'x' must be an integer"),
    ],
)
def test_a_script_with_a_mistake_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ScriptError, match=words):
        parse(given)


def test_a_rule_fires_in_its_time_as_often_as_it_says() -> None:
    faults = injector({"fault": "drop_reply", "at": "1s", "for": "2s", "count": 2})
    replies = [faults.request(k * SECOND // 2, PLACE).reply for k in range(8)]
    assert replies == ["as is", "as is", "none", "none", "as is", "as is", "as is", "as is"]
    assert faults.counts == {"drop_reply": 2}
    assert [truth.ts for truth in faults.truth] == [SECOND, SECOND * 3 // 2]


def test_a_rule_meets_only_what_it_names() -> None:
    faults = injector({"fault": "drop_reply", "call": "place", "account": "a", "instrument": "BTC"})
    assert faults.request(0, Call(kind="query", account="a", instrument="BTC")).reply == "as is"
    assert faults.request(0, Call(kind="place", account="b", instrument="BTC")).reply == "as is"
    assert faults.request(0, PLACE).reply == "none"


def test_rules_on_one_request_add_up() -> None:
    faults = injector(
        {"fault": "accept_twice"},
        {"fault": "late_reply", "delay": "3s"},
        {"fault": "delay_request", "delay": "250ms"},
    )
    found = faults.request(0, PLACE)
    assert (found.executions, found.reply_delay_ns, found.delay_ns) == (2, 3 * SECOND, SECOND // 4)
    assert found.titles == ("accept_twice", "late_reply", "delay_request")


def test_an_answer_may_be_replaced_with_the_order_executed_or_not() -> None:
    executed = injector({"fault": "answer", "status": 503, "code": -1000, "message": "Unknown"})
    refused = injector({"fault": "answer", "status": 503, "executed": False})
    assert executed.request(0, PLACE).executions == 1
    assert refused.request(0, PLACE).executions == 0
    assert executed.request(0, PLACE).code == -1000


def test_a_throttle_executes_nothing_and_says_when_to_come_back() -> None:
    found = injector({"fault": "throttle", "status": 418, "retry_after": "2m"}).request(0, PLACE)
    assert (found.executions, found.status, found.retry_after_s) == (0, 418, 120)


def test_messages_are_lost_doubled_delayed_and_frozen() -> None:
    frame = Frame(stream="user", event="ORDER_TRADE_UPDATE")
    assert injector({"fault": "lose_message"}).frame(0, frame).delays_ns == ()
    doubled = injector({"fault": "duplicate_message", "delay": "1s"}).frame(0, frame)
    assert doubled.delays_ns == (0, SECOND)
    late = injector({"fault": "delay_message", "delay": "2s"}).frame(0, frame)
    assert late.delays_ns == (2 * SECOND,)
    frozen = {"fault": "freeze_stream", "count": 1, "for": "9s"}
    assert injector(frozen).frame(0, frame).frozen_until == 9 * SECOND
    assert injector({"fault": "close_stream", "count": 1}).frame(0, frame).closes
    other = injector({"fault": "lose_message", "stream": "market"}).frame(0, frame)
    assert other.delays_ns == (0,)


def test_verbs_of_the_venue_come_due_once_in_the_order_of_time() -> None:
    faults = injector(
        {"fault": "gap", "at": "2s", "ratio": -0.05},
        {"fault": "liquidate", "at": "1s", "account": "a"},
    )
    assert faults.next_due() == SECOND
    assert [rule.fault for rule in faults.due(SECOND)] == ["liquidate"]
    assert [rule.fault for rule in faults.due(5 * SECOND)] == ["gap"]
    assert faults.due(9 * SECOND) == []
    assert faults.next_due() is None


def test_chances_repeat_with_the_seed() -> None:
    rule = {"fault": "drop_reply", "probability": 0.3}
    one, again, other = (injector(rule, seed=seed) for seed in (5, 5, 6))
    drawn = [[faults.request(0, PLACE).reply for _ in range(200)] for faults in (one, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 35 < drawn[0].count("none") < 85


def test_maintenance_refuses_everything_while_it_lasts() -> None:
    faults = injector({"fault": "maintenance", "at": "1s", "for": "60s", "status": 502})
    assert faults.request(0, PLACE).executions == 1
    during = faults.request(2 * SECOND, PLACE)
    assert (during.executions, during.reply, during.status) == (0, "html", 502)
    assert faults.request(62 * SECOND, PLACE).executions == 1


def test_closing_and_freezing_without_a_condition_come_at_their_time() -> None:
    faults = injector({"fault": "close_stream", "at": "1s", "for": "2s"})
    assert not faults.watches_frames
    assert [rule.fault for rule in faults.due(SECOND)] == ["close_stream"]
    found = faults.lasting(2 * SECOND, "user", "binance", "a")
    assert found is not None and found[1] == 3 * SECOND
    assert faults.lasting(3 * SECOND, "user", "binance", "a") is None


def test_a_change_that_lasts_is_taken_back_once() -> None:
    faults = injector({"fault": "skew_clock", "at": "1s", "for": "2s", "offset": "-5s"})
    assert [rule.values["offset"] for rule in faults.due(SECOND)] == [-5 * SECOND]
    assert faults.over(2 * SECOND) == []
    assert [rule.fault for rule in faults.over(3 * SECOND)] == ["skew_clock"]
    assert faults.over(4 * SECOND) == []
    assert faults.clear() == []


def test_a_change_without_end_is_taken_back_by_clear() -> None:
    faults = injector({"fault": "halt"})
    assert [rule.fault for rule in faults.due(0)] == ["halt"]
    assert [rule.fault for rule in faults.clear()] == ["halt"]
    assert faults.rules == []


def test_a_verb_may_wait_for_calls() -> None:
    faults = injector({"fault": "gap", "ratio": -0.1, "after_calls": 2, "call": "place"})
    faults.request(SECOND, Call(kind="query"))
    faults.request(SECOND, PLACE)
    assert faults.due(SECOND) == []
    faults.request(2 * SECOND, PLACE)
    assert [rule.fault for rule in faults.due(2 * SECOND)] == ["gap"]


def test_a_rule_may_be_for_one_protocol() -> None:
    faults = injector({"fault": "drop_reply", "protocol": "hyperliquid"})
    assert faults.request(0, Call(kind="place", protocol="binance")).reply == "as is"
    assert faults.request(0, Call(kind="place", protocol="hyperliquid")).reply == "none"


def test_old_snapshots_are_for_questions_only() -> None:
    faults = injector({"fault": "stale_snapshot", "age": "5s"})
    assert faults.keeps_snapshots()
    assert faults.request(0, PLACE).age_ns == 0
    assert faults.request(0, Call(kind="query")).age_ns == 5 * SECOND

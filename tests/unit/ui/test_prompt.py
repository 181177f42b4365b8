"""The keys: what is asked before a verb is sent, and how it is taken back."""

from __future__ import annotations

import pytest

from interlock.runtime.stops import VERBS as ENGINE_VERBS
from interlock.ui.terminal import LEAVE, VERBS, Prompt, Wish


def typed(*pieces: str) -> tuple[Prompt, list[Wish]]:
    prompt = Prompt()
    wishes = [prompt.hear(piece, "main") for piece in pieces]
    return prompt, [wish for wish in wishes if wish is not None]


def test_every_verb_of_the_engine_is_explained() -> None:
    assert set(VERBS) == {*ENGINE_VERBS, "resume", "reconcile"}
    assert all(does for verb in VERBS.values() for _, does in verb.effects)


@pytest.mark.parametrize(
    ("key", "verb"), [("p", "pause"), ("h", "halt"), ("r", "resume"), ("s", "shutdown")]
)
def test_a_key_asks_a_reason_and_enter_sends_it(key: str, verb: str) -> None:
    assert typed(key, "news", "\r")[1] == [Wish(verb, "news")]


def test_nothing_is_sent_without_a_reason() -> None:
    prompt, wishes = typed("h", "  ", "\r")
    assert not wishes
    assert "a reason is needed" in prompt.footer("main")[0]


def test_escape_takes_back_and_arrows_do_nothing() -> None:
    prompt, wishes = typed("h", "ne", "\x1b[A", "ws", "\x1b")
    assert not wishes
    assert prompt.footer("main")[0] == "halt: taken back, nothing was sent"


def test_typing_can_be_mended() -> None:
    assert typed("p", "newz", "\x7f", "s", "\n")[1] == [Wish("pause", "news")]
    assert typed("p", "old", "\x15", "new", "\n")[1] == [Wish("pause", "new")]


def test_the_emergency_stop_asks_the_name_of_the_account_first() -> None:
    assert typed("e", "main", "\r", "fat finger", "\r")[1] == [Wish("emergency-stop", "fat finger")]
    prompt, wishes = typed("e", "other", "\r", "fat finger", "\r")
    assert not wishes
    assert typed("e", "\r", "fat", "\r")[1] == []
    assert "reason" not in typed("e")[0].footer("main")[1]


@pytest.mark.parametrize("key", ["q", "\x03", "\x04"])
def test_leaving_sends_nothing(key: str) -> None:
    assert typed(key)[1] == [Wish(LEAVE)]


def test_keys_that_mean_nothing_do_nothing() -> None:
    prompt, wishes = typed("x", "\r", "7", "\x1b")
    assert not wishes
    assert prompt.footer("main") == [
        "p pause  h halt  r resume  s shutdown  e EMERGENCY-STOP  q leave"
    ]


def test_a_q_in_a_reason_is_a_letter() -> None:
    assert typed("p", "q", "\r")[1] == [Wish("pause", "q")]

"""What may not be overlooked, worst first: each alarm is a word in capitals and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from interlock.ui.read_model import Status
from interlock.ui.terminal.words import age, count, is_zero

SLOW_MS = 2_000
GONE_MS = 10_000


class Alarm(NamedTuple):
    """A word, what it means, and how it looks."""

    word: str
    text: str
    tone: str = "alarm"


def pulse(status: Status) -> Alarm:
    """The heartbeat: how old the newest decision is. The tone is good, warn or bad."""
    shown = age(status.decision_age_ms)
    if status.decision_age_ms < 0:
        tone = "bad" if status.is_trading and status.uptime_ms > GONE_MS else "warn"
        return Alarm("NO HEARTBEAT", "no decision yet", tone)
    if status.decision_age_ms < SLOW_MS:
        return Alarm("heartbeat", f"decided {shown} ago", "good")
    if status.decision_age_ms < GONE_MS:
        return Alarm("SLOW HEARTBEAT", f"decided {shown} ago", "warn")
    return Alarm("NO HEARTBEAT", f"last decision {shown} ago", "bad")


def state_word(status: Status) -> tuple[str, str]:
    """The state in one word and its tone."""
    if not status.is_trading and status.state in ("", "starting", "started", "trading"):
        return "RECOVERING", "warn"
    word = status.state.upper() or "UNKNOWN STATE"
    tones = {"trading": "good", "started": "good", "emergency": "alarm", "flat": "alarm"}
    return word, tones.get(status.state, "caution")


def alarms(status: Status) -> list[Alarm]:
    """Everything that is not as it should be."""
    return [
        *_emergency(status),
        *_orders(status),
        *_positions(status),
        *_streams(status),
        *_state(status),
        *_pulse(status),
        *_venue(status),
        *_scopes(status),
    ]


def _because(status: Status) -> str:
    return f" ({status.reason})" if status.reason else ""


def _emergency(status: Status) -> Iterator[Alarm]:
    if status.state == "emergency":
        held = _held(status)
        left = f"still open: {held}" if held else "no position left; waiting for the venue's word"
        yield Alarm("EMERGENCY STOP", f"NOT FLAT YET, {left}{_because(status)}")
    if status.state == "flat":
        yield Alarm(
            "EMERGENCY STOP",
            f"flat, the venue said so twice; resume twice to trade again{_because(status)}",
        )


def _held(status: Status) -> str:
    return ", ".join(
        f"{line.quantity} {line.instrument}"
        for line in status.positions
        if not is_zero(line.quantity)
    )


def _orders(status: Status) -> Iterator[Alarm]:
    if status.unknown_orders:
        names = dict.fromkeys(line.instrument for line in status.orders if line.status == "unknown")
        where = f" on {', '.join(names)}" if names else ""
        yield Alarm(
            "UNKNOWN",
            f"{count(status.unknown_orders, 'order')} may or may not be at the venue; "
            f"no new risk{where} until there is evidence",
        )


def _positions(status: Status) -> Iterator[Alarm]:
    naked = [line.instrument for line in status.positions if not line.is_protected]
    if naked:
        yield Alarm("UNPROTECTED", f"no stop covers the position in {', '.join(naked)}")
    foreign = [
        f"{line.external} {line.instrument}"
        for line in status.positions
        if not is_zero(line.external)
    ]
    if foreign:
        yield Alarm("EXTERNAL", f"held by no strategy here: {', '.join(foreign)}", "caution")


def _streams(status: Status) -> Iterator[Alarm]:
    for state in ("down", "stale"):
        found = [line.name for line in status.streams if line.state == state]
        if found:
            text = "no new risk on what they tell of"
            yield Alarm(f"STREAM {state.upper()}", f"{', '.join(found)}: {text}")


def _state(status: Status) -> Iterator[Alarm]:
    texts = {
        "paused": "no new risk; orders and positions stay",
        "halted": "no new risk; entries are canceled, stops and positions stay",
        "stopping": "shutting down: entries are being canceled, stops and positions stay",
        "stopped": "the engine has ended; stops and positions stay at the venue",
    }
    if status.state in texts:
        reason = f"{status.reason}; " if status.reason else ""
        yield Alarm(status.state.upper(), reason + texts[status.state], "caution")
    elif state_word(status)[0] == "RECOVERING":
        yield Alarm(
            "RECOVERING", "comparing with the venue; nothing new is sent until it agrees", "caution"
        )


def _pulse(status: Status) -> Iterator[Alarm]:
    beat = pulse(status)
    if beat.tone == "bad":
        yield Alarm(beat.word, f"{beat.text}; the strategies hear no market")


def _venue(status: Status) -> Iterator[Alarm]:
    if status.connection not in ("", "closed"):
        text = "the venue does not answer; only cancels and exits are sent"
        word = "probing" if status.connection == "half_open" else "open"
        yield Alarm("CONNECTION", f"breaker {word}: {text}")
    if status.silent_until_ms > 0:
        left = age(status.silent_until_ms)
        yield Alarm("SILENCED", f"the venue asked to be left alone for {left} more", "caution")


def _scopes(status: Status) -> Iterator[Alarm]:
    paused = [line.instrument for line in status.positions if line.is_paused]
    if paused:
        yield Alarm("PAUSED", f"no new risk on {', '.join(paused)}", "caution")

"""The modes as a table: where events come from, which venue answers, what stands before it."""

from __future__ import annotations

import msgspec


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One mode. ``sends`` is whether requests reach a venue outside of this process."""

    name: str
    events: str
    venue: str
    gate: str
    sends: bool
    is_durable: bool
    needs_lease: bool


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            name="backtest",
            events="recorded data, in virtual time",
            venue="the in-memory exchange",
            gate="the kernel's limits",
            sends=False,
            is_durable=False,
            needs_lease=False,
        ),
        Mode(
            name="paper",
            events="live streams",
            venue="the in-memory exchange",
            gate="the kernel's limits and the last gate",
            sends=False,
            is_durable=True,
            needs_lease=True,
        ),
        Mode(
            name="shadow",
            events="live streams",
            venue="the in-memory exchange; its decisions are compared with the live ones",
            gate="the kernel's limits and the last gate",
            sends=False,
            is_durable=True,
            needs_lease=True,
        ),
        Mode(
            name="live",
            events="live streams",
            venue="the venue's adapter",
            gate="the kernel's limits and the last gate",
            sends=True,
            is_durable=True,
            needs_lease=True,
        ),
    )
}


class ModeError(ValueError):
    """A mode that does not exist, or one that may not do what is asked of it."""


def mode_of(name: str) -> Mode:
    """The mode of a name."""
    if name not in MODES:
        raise ModeError(f"mode {name!r} does not exist; there are: {', '.join(MODES)}")
    return MODES[name]

"""Verbs of a fault script that are about the venue itself, carried out on a face and its core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.units import MONEY_EXPONENT, parse_units
from interlock.sim.faults import Rule
from interlock.sim.venue.state import NEVER
from interlock.sim.venue.values import OrderTicket, Refused
from interlock.venue.host import Host


class VerbError(ValueError):
    """A verb that cannot be carried out; names the value and the remedy."""


class Verbs:
    """What an operator, or a script in his place, can do to a running exchange."""

    def __init__(self, host: Host) -> None:
        self._host = host
        face = host.face
        self._core = face.core
        self._before: list[tuple[Rule, Instrument]] = []
        self._table: Mapping[str, Callable[[int, Rule], Any]] = {
            "expire_listen_key": lambda ts, rule: face.expire_sessions(ts, rule.account),
            "skew_clock": lambda ts, rule: self._skew(rule.values["offset"]),
            "change_filters": self._change_filters,
            "change_leverage": self._change_leverage,
            "gap": self._gap,
            "liquidate": self._liquidate,
            "deleverage": self._deleverage,
            "manual_trade": self._manual_trade,
            "manual_cancel": self._manual_cancel,
            "fill_part": self._fill_part,
            "delist": lambda ts, rule: self._core.delist(ts, self._symbol(rule)),
            "halt": lambda ts, rule: self._core.halt(ts, self._symbol_or_all(rule)),
            "resume": lambda ts, rule: self._core.resume(ts, self._symbol_or_all(rule)),
            "maintenance": self._close_doors,
            "switch_protocol": lambda ts, rule: face.switch_protocol(rule.values["version"]),
            "close_stream": self._close_streams,
            "freeze_stream": self._freeze_streams,
        }
        self._undo: Mapping[str, Callable[[int, Rule], Any]] = {
            "skew_clock": lambda ts, rule: self._skew(0),
            "change_filters": self._restore_filters,
            "halt": self._table["resume"],
            "maintenance": lambda ts, rule: self._core.resume(ts),
        }

    def meets(self, rule: Rule) -> bool:
        """Whether a rule may be meant for this protocol."""
        of_another = rule.instrument and not rule.instrument.endswith(
            f".{self._host.face.name.upper()}"
        )
        return rule.protocol in ("", self._host.face.name) and not of_another

    def carry_out(self, ts: int, rule: Rule) -> None:
        """Do what a rule says, now; raises VerbError or the core's VenueError."""
        refused = self._table[rule.fault](ts, rule)
        if isinstance(refused, Refused):
            raise VerbError(f"{rule.title}: {refused.text}")
        if rule.fault in ("change_filters", "delist"):
            self._host.face.refresh()

    def take_back(self, ts: int, rule: Rule) -> None:
        """What a rule changed for a time is as before."""
        self._undo[rule.fault](ts, rule)
        if rule.fault == "change_filters":
            self._host.face.refresh()

    def _symbol(self, rule: Rule) -> str:
        symbols = self._core.symbols
        if rule.instrument in symbols:
            return rule.instrument
        if not rule.instrument and len(symbols) == 1:
            return symbols[0]
        raise VerbError(
            f"{rule.title}: instrument {rule.instrument!r} is not listed; "
            f"name one of: {', '.join(symbols)}"
        )

    def _symbol_or_all(self, rule: Rule) -> str | None:
        return self._symbol(rule) if rule.instrument else None

    def _account(self, rule: Rule) -> str:
        names = self._core.accounts
        if rule.account in names:
            return rule.account
        if not rule.account and len(names) == 1:
            return names[0]
        raise VerbError(
            f"{rule.title}: account {rule.account!r} is unknown; name one of: {', '.join(names)}"
        )

    def _skew(self, offset_ns: int) -> None:
        self._host.skew_ns = offset_ns

    def _gap(self, ts: int, rule: Rule) -> None:
        # A script states the change, -0.05 is a fall by 5 %; the core takes the factor.
        self._core.gap(ts, self._symbol(rule), 1.0 + float(rule.values["ratio"]))

    def _liquidate(self, ts: int, rule: Rule) -> Refused | None:
        return self._core.liquidate(ts, self._account(rule), self._symbol(rule))

    def _deleverage(self, ts: int, rule: Rule) -> Refused | None:
        return self._core.deleverage(ts, self._account(rule), self._symbol(rule))

    def _change_leverage(self, ts: int, rule: Rule) -> Refused | None:
        leverage = int(rule.values["leverage"])
        return self._core.set_leverage(ts, self._account(rule), self._symbol(rule), leverage)

    def _manual_trade(self, ts: int, rule: Rule) -> Any:
        symbol = self._symbol(rule)
        instrument = self._core.instrument(symbol)
        quantity = parse_units(str(rule.values["quantity"]), instrument.quantity_exponent)
        side = 1 if rule.values["side"] == "buy" else -1
        ticket = OrderTicket(symbol=symbol, side=side, quantity=quantity)
        return self._core.manual_trade(ts, self._account(rule), ticket)

    def _manual_cancel(self, ts: int, rule: Rule) -> None:
        self._core.cancel_all(ts, self._account(rule), self._symbol_or_all(rule))

    def _fill_part(self, ts: int, rule: Rule) -> Any:
        ratio = float(rule.values["ratio"])
        return self._core.fill_part(ts, self._account(rule), self._symbol(rule), ratio)

    def _change_filters(self, ts: int, rule: Rule) -> None:
        symbol = self._symbol(rule)
        held = self._core.instrument(symbol)
        self._core.change_filters(ts, symbol, _refiltered(held, rule.values))
        self._before.append((rule, held))

    def _restore_filters(self, ts: int, rule: Rule) -> None:
        for kept in [item for item in self._before if item[0] is rule]:
            self._before.remove(kept)
            self._core.change_filters(ts, kept[1].id, kept[1])

    def _close_doors(self, ts: int, rule: Rule) -> None:
        """Nothing trades and nobody is connected; requests are refused by the injector."""
        self._core.halt(ts)
        self._host.cut(1001, "maintenance")

    def _close_streams(self, ts: int, rule: Rule) -> None:
        for socket in self._host.matching(rule.stream, rule.account):
            self._host.close(socket, 1001, "closed by a fault script")

    def _freeze_streams(self, ts: int, rule: Rule) -> None:
        for socket in self._host.matching(rule.stream, rule.account):
            socket.freeze(ts + rule.lasts if rule.lasts else NEVER)


def _refiltered(held: Instrument, values: Mapping[str, Any]) -> Instrument:
    """The instrument with another tick, lot or minimum, within its units."""
    changes: dict[str, Any] = {}
    if "tick" in values:
        changes["price_rule"] = FixedTick(parse_units(str(values["tick"]), held.price_exponent))
    if "lot" in values:
        changes["lot"] = parse_units(str(values["lot"]), held.quantity_exponent)
        changes["min_quantity"] = changes["lot"]
    if "min_notional" in values:
        changes["min_notional"] = parse_units(str(values["min_notional"]), MONEY_EXPONENT)
    if not changes:
        raise VerbError("change_filters needs tick, lot or min_notional")
    return msgspec.structs.replace(held, **changes)

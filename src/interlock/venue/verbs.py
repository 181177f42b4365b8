"""Verbs of a fault script that are about the venue itself, carried out on a face and its core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.units import MONEY_EXPONENT, parse_units
from interlock.sim.faults import Rule
from interlock.sim.venue.values import OrderTicket, Refused
from interlock.venue.faces import Face


class VerbError(ValueError):
    """A verb that cannot be carried out; names the value and the remedy."""


class Verbs:
    """What an operator, or a script in his place, can do to a running exchange."""

    def __init__(self, face: Face, cut: Callable[[str], int]) -> None:
        self._face = face
        self._core = face.core
        self._cut = cut
        self._table: Mapping[str, Callable[[int, Rule], Any]] = {
            "expire_listen_key": lambda ts, rule: face.expire_sessions(ts, rule.account),
            "skew_clock": lambda ts, rule: face.skew(rule.values["offset"]),
            "change_filters": self._change_filters,
            "change_leverage": self._change_leverage,
            "gap": self._gap,
            "liquidate": self._liquidate,
            "deleverage": self._deleverage,
            "manual_trade": self._manual_trade,
            "manual_cancel": self._manual_cancel,
            "delist": lambda ts, rule: self._core.delist(ts, self._symbol(rule)),
            "protocol": lambda ts, rule: face.switch_protocol(str(rule.values["version"])),
            "resume": lambda ts, rule: self._core.resume(ts, rule.instrument or None),
        }

    def carry_out(self, ts: int, rule: Rule) -> None:
        """Do what a rule says, now."""
        refused = self._table[rule.fault](ts, rule)
        if isinstance(refused, Refused):
            raise VerbError(f"{rule.title}: {refused.text}")
        if rule.fault in ("change_filters", "delist"):
            self._face.refresh()

    def cut_streams(self) -> int:
        """Close every socket."""
        return self._cut("closed by the operator")

    def _symbol(self, rule: Rule) -> str:
        symbols = self._core.symbols
        if rule.instrument in symbols:
            return rule.instrument
        if not rule.instrument and len(symbols) == 1:
            return symbols[0]
        raise VerbError(
            f"{rule.title}: instrument {rule.instrument!r} is not listed; "
            f"there are: {', '.join(symbols)}"
        )

    def _account(self, rule: Rule) -> str:
        names = self._core.accounts
        if rule.account in names:
            return rule.account
        if not rule.account and len(names) == 1:
            return names[0]
        raise VerbError(
            f"{rule.title}: account {rule.account!r} is unknown; there are: {', '.join(names)}"
        )

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
        side = {"buy": 1, "sell": -1}.get(str(rule.values["side"]))
        if side is None:
            raise VerbError(f"{rule.title}: side {rule.values['side']!r} must be buy or sell")
        ticket = OrderTicket(symbol=symbol, side=side, quantity=quantity)
        return self._core.manual_trade(ts, self._account(rule), ticket)

    def _manual_cancel(self, ts: int, rule: Rule) -> None:
        self._core.cancel_all(ts, self._account(rule), rule.instrument or None)

    def _change_filters(self, ts: int, rule: Rule) -> None:
        symbol = self._symbol(rule)
        held = self._core.instrument(symbol)
        self._core.change_filters(ts, symbol, _refiltered(held, rule.values))


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

"""A strategy that carries out orders written as text; the language is told in ``scenario``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.model.units import parse_units
from interlock.strategy.api import Strategy

Script = Mapping[tuple[str, int], Sequence[str]]

_KEYED = frozenset(
    (
        "limit",
        "stop",
        "take",
        "trail",
        "until",
        "as",
        "oco",
        "target",
        "band",
        "quantity",
        "price",
        "trigger",
        "tag",
    )
)
_FLAGS = frozenset(["post", "reduce", "ioc", "fok"])


class Scripted(Strategy):
    """Acts on given rows of bars, quotes, trades, on timers and on the fills of named orders."""

    def __init__(self, script: Script, end_of: Mapping[int, int]) -> None:
        super().__init__()
        self.script = script
        self.end_of = end_of
        self.named: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self.heard: Counter[tuple[str, str]] = Counter()

    def on_bar(self, bar: Any) -> None:
        self._act("bar", bar)

    def on_quote(self, quote: Any) -> None:
        self._act("quote", quote)

    def on_trade(self, trade: Any) -> None:
        self._act("trade", trade)

    def on_timer(self, name: str) -> None:
        for text in self.script.get(("timer", int(name)), ()):
            self._order(text, "")

    def _act(self, kind: str, event: Any) -> None:
        row = self.heard[kind, event.instrument.id]
        self.heard[kind, event.instrument.id] += 1
        for text in self.script.get((kind, row), ()):
            head, colon, rest = text.partition(": ")
            instrument = self._listed(head) if colon else self.view.instrument("").id
            if instrument == event.instrument.id:
                self._order(rest if colon else text, instrument)

    def _listed(self, name: str) -> str:
        return next(x.id for x in self.view.instruments() if x.id.startswith(name))

    def _order(self, text: str, instrument: str) -> None:
        words, flags, options = _parse(text)
        verb, rest = words[0], words[1:]
        if verb in ("buy", "sell"):
            ref = self._trade(1 if verb == "buy" else -1, rest[0], flags, options, instrument)
            self.named[options.get("as", f"#{ref}")] = ref
        elif verb == "bracket":
            self._bracket(rest, options, instrument)
        elif verb == "target":
            band = float(options.get("band", 0))
            self.target_exposure(float(rest[0]), band=band, instrument=instrument)
        elif verb == "hold":
            self.target_quantity(float(rest[0]), instrument=instrument)
        elif verb == "close":
            self.close(instrument=instrument)
        elif verb == "timer":
            self.timer(rest[0], self.end_of[int(rest[0])])
        else:
            self._change(verb, rest[0], options, instrument)

    def _change(self, verb: str, name: str, options: Mapping[str, str], instrument: str) -> None:
        if verb == "amend":
            changes = {
                key: options[key] for key in ("quantity", "price", "trigger") if key in options
            }
            self.amend(self.named[name], **changes)
        elif name == "all":
            self.cancel_all(instrument=instrument)
        else:
            assert verb == "cancel", f"a scenario has no order {verb!r}"
            self.cancel(self.named[name])

    def _bracket(self, rest: list[str], options: Mapping[str, str], instrument: str) -> None:
        entry = self.bracket(
            1 if rest[0] == "buy" else -1,
            rest[1],
            stop=options["stop"],
            target=options.get("target"),
            entry=options.get("limit"),
            instrument=instrument,
        )
        name = options.get("as", "b")
        self.named.update({name: entry, f"{name}.stop": entry + 1, f"{name}.target": entry + 2})

    def _trade(
        self, side: int, size: str, flags: set[str], options: Mapping[str, str], instrument: str
    ) -> int:
        traded = self.view.instrument(instrument)
        price = {
            key: parse_units(options[key], traded.price_exponent)
            for key in ("limit", "stop", "take", "trail")
            if key in options
        }
        spec = OrderSpec(
            traded.id,
            side,
            parse_units(size, traded.quantity_exponent),
            _order_type(price),
            price.get("limit", 0),
            price.get("stop", 0) or price.get("take", 0),
            price.get("trail", 0),
            _lifetime(flags, options),
            "post" in flags,
            "reduce" in flags,
            self.end_of[int(options["until"])] if "until" in options else 0,
            self.groups.setdefault(options["oco"], 1000) if "oco" in options else 0,
            tag=options.get("tag", ""),
        )
        return self.place(spec)


def _lifetime(flags: set[str], options: Mapping[str, str]) -> TimeInForce:
    if "until" in options:
        return TimeInForce.GTD
    return TimeInForce(next((name for name in ("ioc", "fok") if name in flags), "gtc"))


def _order_type(price: Mapping[str, int]) -> OrderType:
    limited = "limit" in price
    if "stop" in price:
        return OrderType.STOP_LIMIT if limited else OrderType.STOP_MARKET
    if "take" in price:
        return OrderType.TAKE_PROFIT_LIMIT if limited else OrderType.TAKE_PROFIT
    if "trail" in price:
        return OrderType.TRAILING_STOP
    return OrderType.LIMIT if limited else OrderType.MARKET


def _parse(text: str) -> tuple[list[str], set[str], dict[str, str]]:
    words, flags, options = [], set(), {}
    given = iter(text.split())
    for word in given:
        if word in _KEYED and words:
            options[word] = next(given)
        elif word in _FLAGS:
            flags.add(word)
        else:
            words.append(word)
    return words, flags, options


class ProtectedScripted(Scripted):
    """The same, but an entry without a covering stop is refused."""

    protection = "required"

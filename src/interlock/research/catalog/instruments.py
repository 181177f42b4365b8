"""Instruments for imported data: from options, a file, a venue template or the catalog."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path

import msgspec

from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentError,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from interlock.model.units import UnitError, decimals_of, parse_units, to_decimal
from interlock.research.catalog.errors import ImportRefused

_HOUR = 3600 * 10**9
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "BTC", "ETH")
_RATES_PER_BPS = 100


@dataclass(frozen=True, slots=True)
class InstrumentOptions:
    """What the user said of an instrument; empty text and None mean not said."""

    tick: str = ""
    lot: str = ""
    price_exponent: int | None = None
    quantity_exponent: int | None = None
    maker_bps: str = ""
    taker_bps: str = ""
    kind: str = ""
    base: str = ""
    quote: str = ""
    calendar: str = ""
    like: str = ""
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Precision:
    """Decimals that the data needs, and the greatest common increment of it in those units."""

    price: int = 0
    quantity: int = 0
    price_increment: int = 0
    quantity_increment: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """What is usual at a venue: fees of the first tier in bps, margin, calendar."""

    kind: InstrumentKind
    maker_bps: str
    taker_bps: str
    leverage_max: int = 1
    maintenance_rate: int = 5_000
    calendar: str = "24/7"
    funding_hours: int = 0
    figures: int = 0


# First-tier fees as the venues publish them; a desk states its own with --maker-bps, --taker-bps.
TEMPLATES: dict[str, Template] = {
    "binance-usdm": Template(InstrumentKind.PERPETUAL, "2", "5", 20, funding_hours=8),
    "binance-spot": Template(InstrumentKind.SPOT, "10", "10"),
    "hyperliquid": Template(
        InstrumentKind.PERPETUAL, "1.5", "4.5", 20, 12_500, funding_hours=1, figures=5
    ),
    "perpetual": Template(InstrumentKind.PERPETUAL, "2", "6", 10, 10_000, funding_hours=8),
    "spot": Template(InstrumentKind.SPOT, "10", "20"),
    "us-equity": Template(InstrumentKind.EQUITY, "0.5", "0.5", calendar="XNYS"),
}
# Increments of the most used symbols, so that they need no --tick and --lot.
_INCREMENTS = {
    ("binance-usdm", "BTCUSDT-PERP"): ("0.1", "0.001"),
    ("binance-usdm", "ETHUSDT-PERP"): ("0.01", "0.001"),
    ("binance-spot", "BTCUSDT"): ("0.01", "0.00001"),
    ("binance-spot", "ETHUSDT"): ("0.01", "0.0001"),
    ("us-equity", "*"): ("0.01", "1"),
}
_EQUITY_VENUES = ("XNYS", "NYSE", "XNAS", "NASDAQ", "ARCA", "AMEX")


def from_options(
    instrument_id: str, options: InstrumentOptions, *, precision: Precision
) -> tuple[Instrument, tuple[str, ...]]:
    """A new instrument and notes on what was assumed; raises ImportRefused for what is missing."""
    if options.file is not None:
        instrument = from_file(options.file)
        if instrument.id != instrument_id:
            raise ImportRefused(
                f"{options.file} describes {instrument.id}, not {instrument_id}; "
                "pass the id that the file has"
            )
        return instrument, ()
    name = options.like or _usual(instrument_id, options.kind)
    template = _template(name)
    tick = options.tick or _known(name, instrument_id)[0]
    lot = options.lot or _known(name, instrument_id)[1]
    notes = [f"template {name}: kind {template.kind.value}, calendar {template.calendar}"]
    if not options.maker_bps or not options.taker_bps:
        maker, taker = (
            options.maker_bps or template.maker_bps,
            options.taker_bps or template.taker_bps,
        )
        notes.append(
            f"fees: maker {maker} bps, taker {taker} bps (state yours: --maker-bps, --taker-bps)"
        )
    try:
        return _build(instrument_id, options, template, precision, (tick, lot)), tuple(notes)
    except (UnitError, InstrumentError) as error:
        raise ImportRefused(f"instrument {instrument_id}: {error}") from error


def from_file(path: Path) -> Instrument:
    """An instrument from JSON as the catalog keeps it, or the same fields in TOML."""
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".toml":
            return msgspec.convert(tomllib.loads(content.decode()), Instrument)
        return msgspec.json.decode(content, type=Instrument)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ImportRefused(
            f"instrument file {path} cannot be used: {error}; "
            "`interlock data describe ID --json` prints one to start from"
        ) from error


def hold_to(instrument: Instrument, options: InstrumentOptions) -> None:
    """Refuse options that contradict a registered instrument."""
    said = {item.name: getattr(options, item.name) for item in fields(options)}
    stored: dict[str, object] = {
        "price_exponent": instrument.price_exponent,
        "quantity_exponent": instrument.quantity_exponent,
        "kind": instrument.kind.value,
        "base": instrument.base,
        "quote": instrument.quote,
        "calendar": instrument.calendar,
        "lot": to_decimal(instrument.quantity_text(instrument.lot)),
        "maker_bps": Decimal(instrument.maker_rate) / _RATES_PER_BPS,
        "taker_bps": Decimal(instrument.taker_rate) / _RATES_PER_BPS,
    }
    if isinstance(instrument.price_rule, FixedTick):
        stored["tick"] = to_decimal(instrument.price_text(instrument.price_rule.tick))
    for name, value in stored.items():
        asked = said[name]
        if asked in ("", None, "auto"):
            continue
        same = to_decimal(asked) == value if isinstance(value, Decimal) else asked == value
        if not same:
            flag = name.replace("_", "-")
            raise ImportRefused(
                f"{instrument.id} is registered with {flag} {value}, not {asked}; leave "
                f"--{flag} out, or run `interlock data remove {instrument.id}` and import again"
            )


def widened(
    instrument: Instrument, price_exponent: int | None, *, quantity_exponent: int | None
) -> Instrument:
    """The same instrument in finer units where larger exponents are asked for."""
    price = max(price_exponent or 0, instrument.price_exponent)
    quantity = max(quantity_exponent or 0, instrument.quantity_exponent)
    by_price = 10 ** (price - instrument.price_exponent)
    by_quantity = 10 ** (quantity - instrument.quantity_exponent)
    rule = instrument.price_rule
    return msgspec.structs.replace(
        instrument,
        price_exponent=price,
        quantity_exponent=quantity,
        price_rule=FixedTick(rule.tick * by_price) if isinstance(rule, FixedTick) else rule,
        lot=instrument.lot * by_quantity,
        min_quantity=instrument.min_quantity * by_quantity,
        max_quantity=instrument.max_quantity * by_quantity,
    )


def _build(
    instrument_id: str,
    options: InstrumentOptions,
    template: Template,
    precision: Precision,
    increments: tuple[str, str],
) -> Instrument:
    tick, lot = increments
    kind = InstrumentKind(options.kind) if options.kind else template.kind
    is_perpetual = kind is InstrumentKind.PERPETUAL
    if not tick and not template.figures:
        raise ImportRefused(
            f"instrument {instrument_id} is new and has no tick; the tick is the smallest price "
            "step an order may have: pass --tick 0.1 (or --tick auto to take it from the data)"
        )
    if not lot:
        raise ImportRefused(
            f"instrument {instrument_id} is new and has no lot; the lot is the smallest quantity "
            "step: pass --lot 0.001 (or --lot auto to take it from the data)"
        )
    price_exponent = _exponent("price", options.price_exponent, tick, precision.price)
    quantity_exponent = _exponent("quantity", options.quantity_exponent, lot, precision.quantity)
    scale = 10 ** max(0, quantity_exponent - precision.quantity)
    lot_units = (
        precision.quantity_increment * scale
        if lot == "auto"
        else parse_units(lot, quantity_exponent)
    )
    base, quote = _assets(instrument_id, options, kind)
    return Instrument(
        id=instrument_id,
        kind=kind,
        base=base,
        quote=quote,
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        price_rule=_price_rule(tick, price_exponent, quantity_exponent, template, precision),
        lot=max(1, lot_units) if lot == "auto" else lot_units,
        maker_rate=parse_units(to_decimal(options.maker_bps or template.maker_bps), 2),
        taker_rate=parse_units(to_decimal(options.taker_bps or template.taker_bps), 2),
        margin_tiers=(MarginTier(0, template.maintenance_rate, 0),),
        leverage_max=template.leverage_max if is_perpetual else 1,
        calendar=options.calendar or template.calendar,
        allow_short=is_perpetual,
        funding_interval_ns=template.funding_hours * _HOUR if is_perpetual else 0,
    )


def _price_rule(
    tick: str, exponent: int, quantity_exponent: int, template: Template, precision: Precision
) -> FixedTick | SignificantFigures:
    if not tick:
        return SignificantFigures(template.figures, max(0, 6 - quantity_exponent))
    if tick == "auto":
        return FixedTick(max(1, precision.price_increment * 10 ** (exponent - precision.price)))
    return FixedTick(parse_units(tick, exponent))


def _exponent(what: str, said: int | None, increment: str, needed: int) -> int:
    wanted = 0 if increment in ("", "auto") else decimals_of(increment)
    if said is None:
        return max(wanted, needed)
    if said < max(wanted, needed):
        raise ImportRefused(
            f"--{what}-exponent {said} is too small: the data or the increment has "
            f"{max(wanted, needed)} decimals; pass {max(wanted, needed)} or leave it out"
        )
    return said


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        raise ImportRefused(f"--like {name!r} is not known; templates are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def _usual(instrument_id: str, kind: str) -> str:
    symbol, _, venue = instrument_id.rpartition(".")
    is_perpetual = symbol.endswith("-PERP") or kind == "perpetual"
    if kind == "equity" or (not kind and venue in _EQUITY_VENUES):
        return "us-equity"
    if venue == "HYPERLIQUID" and is_perpetual:
        return "hyperliquid"
    if venue == "BINANCE":
        return "binance-usdm" if is_perpetual else "binance-spot"
    return "perpetual" if is_perpetual else "spot"


def _known(template: str, instrument_id: str) -> tuple[str, str]:
    symbol = instrument_id.rpartition(".")[0]
    return _INCREMENTS.get((template, symbol)) or _INCREMENTS.get((template, "*")) or ("", "")


def _assets(
    instrument_id: str, options: InstrumentOptions, kind: InstrumentKind
) -> tuple[str, str]:
    symbol = instrument_id.rpartition(".")[0].removesuffix("-PERP")
    if kind is InstrumentKind.EQUITY:
        return options.base or symbol, options.quote or "USD"
    quote = options.quote or next(
        (text for text in _QUOTES if symbol.endswith(text) and symbol != text), ""
    )
    if not quote and instrument_id.endswith(".HYPERLIQUID"):
        return options.base or symbol, "USDC"
    if not quote:
        raise ImportRefused(
            f"instrument {instrument_id}: the quote currency of {symbol!r} cannot be read from "
            "its name; pass --base BTC --quote USDT"
        )
    base = options.base or symbol.removesuffix(quote).rstrip("-_/")
    return base, quote

"""An instrument's rules as a person reads them: in quote and base units, basis points and hours."""

from __future__ import annotations

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.research.report import text


def rules_in_words(instrument: Instrument) -> dict[str, str]:
    """Every rule with its unit; rules that do not apply are left out."""
    quote, base = instrument.quote, instrument.base
    most = f"{instrument.quantity_text(instrument.max_quantity)} {base}"
    found = {
        "kind": f"{instrument.kind.value}{', synthetic' if instrument.synthetic else ''}",
        "tick": _tick(instrument),
        "lot": f"{instrument.quantity_text(instrument.lot)} {base}",
        "least quantity": f"{instrument.quantity_text(instrument.min_quantity)} {base}",
        "most quantity": most if instrument.max_quantity else "no limit",
        "least notional": _money(instrument.min_notional, quote),
        "maker fee": f"{instrument.maker_rate / 100:g} bps",
        "taker fee": f"{instrument.taker_rate / 100:g} bps",
        "fees taken in": instrument.fee_asset or quote,
        "calendar": instrument.calendar,
        "short sales": "yes" if instrument.is_margined or instrument.allow_short else "no",
    }
    if instrument.multiplier != 1:
        found["multiplier"] = f"{instrument.multiplier:,}"
    if instrument.is_margined:
        found["leverage"] = f"up to {instrument.leverage_max}"
        found["maintenance margin"] = _tiers(instrument)
    if instrument.funding_interval_ns:
        found["funding"] = f"every {text.duration(instrument.funding_interval_ns)}"
    if instrument.borrow_rate_daily:
        found["borrowing"] = f"{instrument.borrow_rate_daily / 100:g} bps a day"
    return found


def _tick(instrument: Instrument) -> str:
    rule = instrument.price_rule
    if isinstance(rule, FixedTick):
        return f"{instrument.price_text(rule.tick)} {instrument.quote}"
    return f"{rule.figures} significant figures, at most {rule.decimals} decimals"


def _tiers(instrument: Instrument) -> str:
    parts = [
        f"{tier.maintenance_rate / 10_000:g} %"
        + (f" up to {_money(tier.notional_max, instrument.quote)}" if tier.notional_max else "")
        + (f" less {_money(tier.amount, instrument.quote)}" if tier.amount else "")
        for tier in instrument.margin_tiers
    ]
    return "; ".join(parts)


def _money(value: int, currency: str) -> str:
    return f"{format_units(value, MONEY_EXPONENT)} {currency}"

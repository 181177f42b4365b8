"""Mark and index prices, the premium they show, and the funding that follows from it."""

from __future__ import annotations

from interlock.kernel.positions import funding_payment
from interlock.model.units import FUNDING_SCALE, div_half_even
from interlock.sim.venue.ledger import pay, tell_account
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import NEVER, VenueState
from interlock.sim.venue.values import FundingRow, MarkChange, MarkView, VenueRules

_EIGHT_HOURS_NS = 8 * 3_600 * 10**9
# The mark follows the book's distance from the index by one part in so many at each tick.
_BASIS_WEIGHT = 8


def refresh(state: VenueState, market: Market) -> None:
    """Bring mark, premium and rate up to date, and show the mark to those who watch it."""
    middle = market.middle()
    if market.pinned:
        market.mark = market.pinned
    elif not middle:
        return
    elif market.index and market.symbol in state.flows:
        market.basis += div_half_even(middle - market.index - market.basis, _BASIS_WEIGHT)
        market.mark = max(1, market.index + market.basis)
    else:
        market.index = market.mark = middle
    market.index = market.index or market.mark
    market.premium_sum += ((middle or market.mark) - market.index) * FUNDING_SCALE // market.index
    market.premium_count += 1
    market.funding_rate = _rate(state.rules, market)
    if market.conditionals:
        market.path.append((True, market.mark))
    state.events.append(
        MarkChange(
            ts=state.now,
            sequence=state.count(),
            symbol=market.symbol,
            mark=market.mark,
            index=market.index,
            funding_rate=market.funding_rate,
            next_funding_ts=market.funding_ts,
        )
    )


def _rate(rules: VenueRules, market: Market) -> int:
    """The interval's rate (1e-10): premium plus the clamped rest to the interest rate."""
    premium = market.premium_sum // max(1, market.premium_count)
    clamp = rules.funding_clamp
    rate = premium + max(-clamp, min(clamp, rules.interest_rate - premium))
    rate = max(-rules.funding_cap, min(rules.funding_cap, rate))
    interval = market.instrument.funding_interval_ns or _EIGHT_HOURS_NS
    return div_half_even(rate * interval, _EIGHT_HOURS_NS)


def next_funding(market: Market, ts: int) -> int:
    """The next whole interval after ``ts``; NEVER where none is paid."""
    interval = market.instrument.funding_interval_ns
    return (ts // interval + 1) * interval if interval else NEVER


def pay_funding(state: VenueState, market: Market) -> None:
    """Move the funding of one instant between all holders and tell those it concerns."""
    rate, mark, instrument = market.funding_rate, market.mark, market.instrument
    market.premium_sum = market.premium_count = 0
    market.fundings.append(FundingRow(symbol=market.symbol, ts=state.now, rate=rate, mark=mark))
    for account in state.accounts.values():
        for holding in account.holdings_of(market.symbol):
            amount = funding_payment(instrument, holding.quantity, mark, rate)
            if not amount:
                continue
            pay(state, account, amount, kind="funding", instrument=instrument)
            holding.position.funding += amount
            is_isolated = account.is_isolated(market.symbol)
            if is_isolated:
                holding.isolated_wallet += amount
            tell_account(
                state,
                account,
                "funding",
                holdings=(holding,) if is_isolated else (),
                changes=((instrument.quote, amount),),
                asset=instrument.quote,
            )


def mark_view(state: VenueState, market: Market) -> MarkView:
    """The prices of a symbol as they stand."""
    return MarkView(
        symbol=market.symbol,
        ts=state.now,
        mark=market.reference(),
        index=market.index or market.reference(),
        last=market.last,
        funding_rate=market.funding_rate,
        next_funding_ts=0 if market.funding_ts == NEVER else market.funding_ts,
    )

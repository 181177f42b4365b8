"""When positions are closed by force: levels, marks, and positions that share one margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from interlock.model.instrument import Instrument
from interlock.sim import margin
from interlock.sim.account import Account


class Guarded(Protocol):
    """A market whose position may be closed; ``peers`` are all markets of the venue by id."""

    ts: int
    floor: int
    ceiling: int

    @property
    def instrument(self) -> Instrument: ...
    @property
    def account(self) -> Account: ...
    @property
    def peers(self) -> Mapping[str, Guarded]: ...
    def refresh_mark(self) -> None: ...
    def liquidate(self, price: int = 0) -> None: ...


def guard(market: Guarded) -> None:
    """Find anew where positions are liquidated, after a fill or a payment on this one."""
    account = market.account
    market.floor, market.ceiling = margin.danger(account, market.instrument)
    if len(account.positions) > 1:
        refresh_marks(market)
        for peer in market.peers.values():
            peer.floor, peer.ceiling = margin.danger(account, peer.instrument)


def check(market: Guarded) -> None:
    """Close what its margin no longer carries: this position, then those that share it."""
    is_shared = margin.shares_margin(market.account)
    _close_if_due(market, market.ts)
    if is_shared:
        for peer in market.peers.values():
            if peer is not market:
                _close_if_due(peer, market.ts)


def refresh_marks(market: Guarded) -> None:
    """Bring the marks of everything that is held up to the present."""
    market.refresh_mark()
    if len(market.peers) > 1:
        for key, held in market.account.positions.items():
            if held.quantity and key != market.instrument.id:
                market.peers[key].refresh_mark()


def _close_if_due(market: Guarded, ts: int) -> None:
    """Liquidate at ``ts`` when the mark has reached the position's level."""
    account, instrument = market.account, market.instrument
    held, level = account.positions.get(instrument.id), account.liquidation_level(instrument)
    # An empty side looks like a price of zero: without a level there is nothing to reach.
    if held is None or level is None:
        return
    if margin.is_liquidated(held, level, account.marks[instrument.id]):
        market.ts = ts
        market.liquidate()

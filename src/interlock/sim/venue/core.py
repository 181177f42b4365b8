"""The exchange core as its callers see it: one venue of several accounts, without a clock.

Rules of this file. Every verb takes the venue time and first lets everything happen that was due
until then; time never runs backward. A request answers with what it made or with ``Refused``, and
then nothing has changed. What everybody has to be told is appended to ``events``, which the caller
empties. Equal calls with an equal seed give equal events. The verbs stand in three groups because
three parties call them: an account's protocol server, anybody who asks, and the operator.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from copy import copy

from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE
from interlock.sim.venue import operator, requests, settings
from interlock.sim.venue.market import Market, Trading
from interlock.sim.venue.queries import Queries
from interlock.sim.venue.schedule import advance, plan_flow, plan_funding
from interlock.sim.venue.state import NEVER, Flow, VenueError, VenueState
from interlock.sim.venue.values import (
    Amendment,
    Order,
    OrderTicket,
    Refused,
    VenueEvent,
    VenueRules,
)


class TraderVerbs:
    """What an account may ask for. An unknown account raises VenueError."""

    state: VenueState

    def place(self, ts: int, account: str, ticket: OrderTicket) -> Order | Refused:
        """Send an order; trigger types wait, all others meet the book at once."""
        advance(self.state, ts)
        return copy(requests.place(self.state, self.state.owner(account), ticket))

    def cancel(
        self,
        ts: int,
        account: str,
        symbol: str,
        *,
        order_id: int = 0,
        client_id: str = "",
        conditional: bool = False,
    ) -> Order | Refused:
        """End an open order, named by its number or else by its client id."""
        advance(self.state, ts)
        key = requests.Key(order_id, client_id, conditional)
        return copy(requests.cancel(self.state, self.state.owner(account), symbol, key))

    def amend(self, ts: int, account: str, symbol: str, change: Amendment) -> Order | Refused:
        """Change an open order; only getting smaller keeps its place in the queue."""
        advance(self.state, ts)
        return copy(requests.amend(self.state, self.state.owner(account), symbol, change))

    def cancel_all(
        self, ts: int, account: str, symbol: str | None = None, *, conditional: bool | None = None
    ) -> list[Order]:
        """End all open orders of a symbol (None: of all) and numbering (None: of both)."""
        advance(self.state, ts)
        owner = self.state.owner(account)
        ended = requests.cancel_all(self.state, owner, symbol, conditional=conditional)
        return [copy(order) for order in ended]

    def set_leverage(self, ts: int, account: str, symbol: str, leverage: int) -> Refused | None:
        """Use another leverage on a symbol."""
        advance(self.state, ts)
        return settings.change_leverage(self.state, self.state.owner(account), symbol, leverage)

    def set_margin_type(
        self, ts: int, account: str, symbol: str, *, isolated: bool
    ) -> Refused | None:
        """Isolated or cross margin for a symbol."""
        advance(self.state, ts)
        return settings.change_margin_type(self.state, self.state.owner(account), symbol, isolated)

    def set_position_mode(self, ts: int, account: str, *, hedged: bool) -> Refused | None:
        """Hedge mode (a long and a short holding per symbol) or one-way mode."""
        advance(self.state, ts)
        return settings.change_position_mode(self.state.owner(account), hedged)

    def add_margin(
        self, ts: int, account: str, symbol: str, *, amount: int, position_side: str = "both"
    ) -> Refused | None:
        """Put money aside for an isolated holding; a negative amount takes it back."""
        advance(self.state, ts)
        owner = self.state.owner(account)
        return settings.add_margin(self.state, owner, (symbol, position_side), amount)

    def dead_man(self, ts: int, account: str, symbol: str | None, due_ts: int) -> None:
        """Cancel the normal orders at ``due_ts`` unless asked again before; 0 = off."""
        advance(self.state, ts)
        requests.dead_man(self.state, self.state.owner(account), symbol, due_ts)

    def transfer(self, ts: int, account: str, asset: str, amount: int) -> Refused | None:
        """Deposit, or with a negative amount withdraw."""
        advance(self.state, ts)
        return settings.move_money(self.state, self.state.owner(account), asset, amount)


class OperatorVerbs:
    """What happens to a venue from outside; a fault script calls these."""

    state: VenueState

    def gap(self, ts: int, symbol: str, ratio: float) -> None:
        """Jump to ``ratio`` x the price without trading in between; stops fill beyond it."""
        operator.gap(self.state, self._at(ts, symbol), ratio)

    def set_mark(self, ts: int, symbol: str, price: int) -> None:
        """Hold the mark at a price; 0 lets it go."""
        operator.set_mark(self.state, self._at(ts, symbol), price)

    def liquidate(self, ts: int, account: str, symbol: str) -> Refused | None:
        """Liquidate an account's position whatever its margin."""
        market = self._at(ts, symbol)
        return operator.liquidate(self.state, self.state.owner(account), market)

    def deleverage(self, ts: int, account: str, symbol: str) -> Refused | None:
        """Close an account's position at the mark as deleveraging does."""
        market = self._at(ts, symbol)
        return operator.deleverage(self.state, self.state.owner(account), market)

    def manual_trade(self, ts: int, account: str, ticket: OrderTicket) -> Order | Refused:
        """An order placed by hand on the same account."""
        advance(self.state, ts)
        return copy(operator.manual_trade(self.state, self.state.owner(account), ticket))

    def fill_part(self, ts: int, account: str, symbol: str, ratio: float) -> Order | Refused:
        """A taker fills a share of the account's oldest resting order, and all before it."""
        market = self._at(ts, symbol)
        parts = round(ratio * RATE_SCALE)
        return copy(operator.fill_part(self.state, self.state.owner(account), market, parts))

    def fill_late(self, ts: int, account: str, symbol: str, quantity: int) -> Order | Refused:
        """The newest canceled order of an account executes after all, in part."""
        market = self._at(ts, symbol)
        return copy(operator.fill_late(self.state, self.state.owner(account), market, quantity))

    def change_filters(self, ts: int, symbol: str, instrument: Instrument) -> None:
        """Give a symbol another tick, lot, leverage or tiers; its units must stay."""
        operator.change_filters(self.state, self._at(ts, symbol), instrument)

    def delist(self, ts: int, symbol: str) -> None:
        """Cancel a symbol's orders, settle its positions at the mark, and end it."""
        operator.delist(self.state, self._at(ts, symbol))

    def halt(self, ts: int, symbol: str | None = None) -> None:
        """Stop trading of a symbol or of all; resting orders stay."""
        advance(self.state, ts)
        operator.set_trading(self.state, symbol, Trading.HALTED)

    def resume(self, ts: int, symbol: str | None = None) -> None:
        """Trade again."""
        advance(self.state, ts)
        operator.set_trading(self.state, symbol, Trading.TRADING)

    def _at(self, ts: int, symbol: str) -> Market:
        advance(self.state, ts)
        found = self.state.markets.get(symbol)
        if found is None:
            raise VenueError(f"there is no symbol {symbol!r}; list it first")
        return found


class VenueCore(TraderVerbs, Queries, OperatorVerbs):
    """One venue: markets, accounts, and the time that it is told."""

    def __init__(
        self, instruments: Sequence[Instrument], *, options: VenueRules | None = None, seed: int = 1
    ) -> None:
        self.state = VenueState(instruments, options or VenueRules(), seed)

    @property
    def events(self) -> deque[VenueEvent]:
        """What happened and has not been taken away yet, oldest first."""
        return self.state.events

    @property
    def now(self) -> int:
        """Venue time, ns; 0 before the first call."""
        return self.state.now

    @property
    def rules(self) -> VenueRules:
        """What the venue decides for all symbols."""
        return self.state.rules

    def add_account(self, name: str, balances: Mapping[str, int]) -> None:
        """Open an account with wallets in money units."""
        self.state.add_account(name, balances)

    def add_market(self, instrument: Instrument) -> None:
        """List another symbol while the venue runs."""
        market = self.state.add_market(instrument)
        if self.state.has_started:
            plan_funding(self.state, market.symbol)

    def add_flow(self, symbol: str, flow: Flow, *, ts: int) -> None:
        """Let other participants trade a symbol from ``ts`` on, in place of those before."""
        if symbol not in self.state.markets:
            raise VenueError(f"there is no symbol {symbol!r}; list it first")
        self.state.flows[symbol] = flow
        plan_flow(self.state, symbol, ts)

    def advance(self, ts: int) -> None:
        """Let everything happen that is due up to and at ``ts``, in order of time."""
        advance(self.state, ts)

    def next_due(self) -> int:
        """When something happens by itself next, ns."""
        return self.state.due[0][0] if self.state.due else NEVER

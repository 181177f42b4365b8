"""Time: everything due happens in order of time, and in order of planning at one instant."""

from __future__ import annotations

from heapq import heappop

from interlock.sim.venue import liquidation, marks
from interlock.sim.venue.conditionals import react
from interlock.sim.venue.market import Trading
from interlock.sim.venue.state import NEVER, VenueState


def start(state: VenueState, ts: int) -> None:
    """Begin the venue's rhythms at ``ts``."""
    state.now = ts
    for symbol in state.markets:
        plan_funding(state, symbol)
    state.plan(ts, _tick)


def advance(state: VenueState, ts: int) -> None:
    """Let everything happen that is due up to and at ``ts``; an earlier ``ts`` changes nothing."""
    if not state.has_started:
        state.has_started = True
        start(state, min(ts, state.due[0][0]) if state.due else ts)
    due = state.due
    while due and due[0][0] <= ts:
        when, _, action = heappop(due)
        if when > state.now:
            state.now = when
        action(state, when)
    if ts > state.now:
        state.now = ts


def plan_funding(state: VenueState, symbol: str) -> None:
    """Plan the next funding of a symbol."""
    market = state.markets[symbol]
    market.funding_ts = marks.next_funding(market, state.now)
    if market.funding_ts == NEVER:
        return

    def fund(state: VenueState, ts: int) -> None:
        if market.status is not Trading.DELISTED:
            marks.pay_funding(state, market)
            plan_funding(state, symbol)

    state.plan(market.funding_ts, fund)


def plan_flow(state: VenueState, symbol: str, ts: int) -> None:
    """Plan the next step of the other participants of a symbol."""
    market, flow = state.markets[symbol], state.flows[symbol]

    def step(state: VenueState, when: int) -> None:
        if state.flows.get(symbol) is not flow or market.status is Trading.DELISTED:
            return
        following = when + state.rules.mark_interval_ns
        if market.status is Trading.TRADING:
            following = flow.act(state, market, when)
            react(state, market)
        if following < NEVER:
            plan_flow(state, symbol, following)

    state.plan(ts, step)


def _tick(state: VenueState, ts: int) -> None:
    for market in state.markets.values():
        if market.status is Trading.TRADING:
            marks.refresh(state, market)
            react(state, market)
    liquidation.check(state)
    state.plan(ts + state.rules.mark_interval_ns, _tick)

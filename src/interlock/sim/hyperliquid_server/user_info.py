"""The questions of /info about a user, answered from the core."""

from __future__ import annotations

from collections.abc import Callable

from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE, format_units
from interlock.sim.hyperliquid_server import rows
from interlock.sim.hyperliquid_server.access import Unreadable
from interlock.sim.hyperliquid_server.market_info import MarketInfo, Question, time_of
from interlock.sim.hyperliquid_server.rows import Row, money, ms
from interlock.sim.hyperliquid_server.state import ServerState
from interlock.sim.venue.values import Fill, Order
from interlock.wire.hyperliquid.instruments import QUOTE
from interlock.wire.hyperliquid.text import shown

_FILLS_MAX, _FUNDINGS_MAX, _ORDERS_MAX = 2_000, 500, 2_000
_STAKING: Row = {
    "delegated": "0.0",
    "undelegated": "0.0",
    "totalPendingWithdrawal": "0.0",
    "nPendingWithdrawals": 0,
}
_RATE_DIGITS = len(str(RATE_SCALE)) - 1


class UserInfo:
    """Answers questions about a user; to one nobody knows as to an empty account."""

    def __init__(self, state: ServerState, market: MarketInfo) -> None:
        self._state = state
        self._market = market
        self.table: dict[str, Callable[[int, str, Question], object]] = {
            "clearinghouseState": lambda ts, user, q: self.account(ts, user),
            "spotClearinghouseState": lambda ts, user, q: self.spot(user),
            "openOrders": lambda ts, user, q: self.open_orders(user),
            "frontendOpenOrders": lambda ts, user, q: self.open_orders(user, is_long=True),
            "historicalOrders": lambda ts, user, q: self._history(user),
            "orderStatus": self._order_status,
            "userFills": lambda ts, user, q: self.fills(user)[:_FILLS_MAX],
            "userFillsByTime": self._fills_by_time,
            "userTwapSliceFills": lambda ts, user, q: [],
            "userFunding": self._user_funding,
            "userNonFundingLedgerUpdates": self._ledger,
            "userFees": lambda ts, user, q: fees(state, user),
            "userRateLimit": lambda ts, user, q: rate_limit(state, user),
            "userRole": lambda ts, user, q: state.access.role(user),
            "userAbstraction": lambda ts, user, q: state.abstractions.get(user, "default"),
            "userDexAbstraction": lambda ts, user, q: None,
            "extraAgents": lambda ts, user, q: agents(state, user),
            "subAccounts": lambda ts, user, q: self._sub_accounts(ts, user),
            "maxBuilderFee": lambda ts, user, q: max_builder_fee(state, user, q),
            "activeAssetData": lambda ts, user, q: self.asset_data(
                user, state.of_coin(q.get("coin"))
            ),
            "referral": lambda ts, user, q: referral(state, user),
            "delegatorSummary": lambda ts, user, q: _STAKING,
            "delegations": lambda ts, user, q: [],
            "userVaultEquities": lambda ts, user, q: [],
            "portfolio": lambda ts, user, q: [],
            "webData2": lambda ts, user, q: self.web_data(ts, user),
        }

    def account(self, ts: int, user: str) -> Row:
        """Positions and margin of a user."""
        account = self._state.access.account(user)
        if account is None:
            empty = {"accountValue": "0.0", "totalNtlPos": "0.0", "totalRawUsd": "0.0"}
            margin = {**empty, "totalMarginUsed": "0.0"}
            return {
                "marginSummary": margin,
                "crossMarginSummary": margin,
                "crossMaintenanceMarginUsed": "0.0",
                "withdrawable": "0.0",
                "assetPositions": [],
                "time": ms(ts),
            }
        return rows.account_state(self._state.core.account(account), self._state.universe, ts)

    def spot(self, user: str) -> Row:
        """The user's money outside of the perpetuals."""
        total = self._state.spot.get(user, 0)
        row = {"coin": QUOTE, "token": 0, "hold": "0.0", "total": money(total), "entryNtl": "0.0"}
        return {"balances": [row] if total else []}

    def open_orders(self, user: str, *, is_long: bool = False) -> list[Row]:
        """Open orders, newest first."""
        account = self._state.access.account(user)
        core, sees = self._state.core, self._state.sees
        orders = core.open_orders(account) if account is not None else []
        return [
            self._order(order, is_long=is_long)
            for order in reversed(orders)
            if sees(core.now, "open_orders", order)
        ]

    def fills(self, user: str, start: int = 0) -> list[Row]:
        """Fills at and after ``start`` ns, newest first."""
        account = self._state.access.account(user)
        found: list[Fill] = (
            self._state.core.fills_since(account, None, start) if account is not None else []
        )
        return [self.fill(user, item) for item in reversed(found)]

    def fill(self, user: str, fill: Fill) -> Row:
        """One fill of a user."""
        universe = self._state.universe
        instrument = universe.of_id(fill.symbol)
        return rows.fill_row(fill, instrument, universe.index(fill.symbol), user=user)

    def fundings(self, user: str, start: int, end: int) -> list[Row]:
        """Funding paid and received in start <= ts <= end, oldest first, in the stream's form."""
        state = self._state
        account = state.access.account(user)
        if account is None:
            return []
        found = []
        for item in state.core.payments_since(account, start):
            if item.kind != "funding" or item.ts > end:
                continue
            instrument = state.universe.of_id(item.symbol)
            paid = [row for row in state.core.fundings(item.symbol, item.ts) if row.ts == item.ts]
            found.append(
                {
                    "time": ms(item.ts),
                    "coin": instrument.base,
                    "usdc": money(item.amount),
                    "szi": self._held(account, instrument),
                    "fundingRate": rows.rate(paid[0].rate if paid else 0),
                    "nSamples": None,
                }
            )
        return found

    def asset_data(self, user: str, instrument: Instrument) -> Row:
        """Leverage of a user on a coin, and how much can be traded."""
        state = self._state
        account = state.access.account(user)
        mark = state.core.mark(instrument.id).mark
        leverage, is_isolated, available = instrument.leverage_max, False, 0
        if account is not None:
            leverage, is_isolated = state.core.leverage(account, instrument.id)
            balances = state.core.account(account).balances
            available = balances[0].available if balances else 0
        unit = instrument.notional(mark, 10**instrument.quantity_exponent) or 1
        most = available * leverage * 10**instrument.quantity_exponent // unit
        size = shown(most - most % instrument.lot, instrument.quantity_exponent)
        return {
            "user": user,
            "coin": instrument.base,
            "leverage": {"type": "isolated" if is_isolated else "cross", "value": leverage},
            "maxTradeSzs": [size, size],
            "availableToTrade": [money(available), money(available)],
            "markPx": shown(mark, instrument.price_exponent),
        }

    def web_data(self, ts: int, user: str) -> Row:
        """What the venue's own screen shows."""
        return {
            "user": user,
            "clearinghouseState": self.account(ts, user),
            "openOrders": self.open_orders(user, is_long=True),
            "spotState": self.spot(user),
            "meta": self._market.meta(),
            "assetCtxs": self._market.contexts(ts),
            "serverTime": ms(ts),
        }

    def _order(self, order: Order, *, is_long: bool = True) -> Row:
        instrument = self._state.universe.of_id(order.symbol)
        return (rows.long_order_row if is_long else rows.order_row)(order, instrument)

    def _held(self, account: str, instrument: Instrument) -> str:
        positions = self._state.core.account(account).positions
        held = sum(item.quantity for item in positions if item.symbol == instrument.id)
        return shown(held, instrument.quantity_exponent)

    def _history(self, user: str) -> list[Row]:
        account = self._state.access.account(user)
        if account is None:
            return []
        orders = self._state.core.orders_since(account, None, 0)[-_ORDERS_MAX:]
        return [rows.status_row(order, self._order(order)) for order in reversed(orders)]

    def _order_status(self, ts: int, user: str, question: Question) -> Row:
        named = question.get("oid")
        if not isinstance(named, int | str) or isinstance(named, bool):
            raise Unreadable("oid")
        account = self._state.access.account(user)
        order = self._state.find(account, named) if account is not None else None
        if order is None or not self._state.sees(ts, "order", order):
            return {"status": "unknownOid"}
        return {"status": "order", "order": rows.status_row(order, self._order(order))}

    def _fills_by_time(self, ts: int, user: str, question: Question) -> list[Row]:
        """Oldest first, so that a reader can go on from the last it got."""
        start = time_of(question, "startTime", default=None)
        end = time_of(question, "endTime", default=ts)
        found = [row for row in reversed(self.fills(user, start)) if row["time"] <= ms(end)]  # type: ignore[operator]
        return found[:_FILLS_MAX]

    def _user_funding(self, ts: int, user: str, question: Question) -> list[Row]:
        start = time_of(question, "startTime", default=0)
        end = time_of(question, "endTime", default=ts)
        found = []
        for row in self.fundings(user, start, end)[:_FUNDINGS_MAX]:
            delta = {key: value for key, value in row.items() if key != "time"}
            found.append(
                {
                    "time": row["time"],
                    "hash": rows.transaction(0),
                    "delta": {"type": "funding", **delta},
                }
            )
        return found

    def _ledger(self, ts: int, user: str, question: Question) -> list[Row]:
        """Deposits, withdrawals and liquidation fees."""
        account = self._state.access.account(user)
        start = time_of(question, "startTime", default=0)
        if account is None:
            return []
        return [
            {
                "time": ms(item.ts),
                "hash": rows.transaction(item.payment_id),
                "delta": {
                    "type": "deposit" if item.amount > 0 else "withdraw",
                    "usdc": money(abs(item.amount)),
                },
            }
            for item in self._state.core.payments_since(account, start)
            if item.kind in ("transfer", "liquidation_fee", "insurance", "adl")
        ]

    def _sub_accounts(self, ts: int, user: str) -> list[Row] | None:
        vaults = self._state.access.vaults_of(user)
        return [
            {
                "name": vault[:8],
                "subAccountUser": vault,
                "master": user,
                "clearinghouseState": self.account(ts, vault),
                "spotState": self.spot(vault),
            }
            for vault in vaults
        ] or None


def fees(state: ServerState, user: str) -> Row:
    """The fees of a user: those of the instruments."""
    instruments = state.universe.instruments
    taker = shown(instruments[0].taker_rate if instruments else 0, _RATE_DIGITS)
    maker = shown(instruments[0].maker_rate if instruments else 0, _RATE_DIGITS)
    schedule = {"cross": taker, "add": maker, "spotCross": taker, "spotAdd": maker}
    return {
        "dailyUserVlm": [],
        "feeSchedule": {
            **schedule,
            "tiers": {"vip": [], "mm": []},
            "referralDiscount": "0.0",
            "stakingDiscountTiers": [],
        },
        "userCrossRate": taker,
        "userAddRate": maker,
        "userSpotCrossRate": taker,
        "userSpotAddRate": maker,
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialReward": "0.0",
        "nextTrialAvailableTimestamp": None,
    }


def rate_limit(state: ServerState, user: str) -> Row:
    """The requests of a user, used and earned."""
    budget = state.budget(user)
    return {
        "cumVlm": money(budget.volume, 2),
        "nRequestsUsed": budget.used,
        "nRequestsCap": budget.cap(state.options.limits),
        "nRequestsSurplus": 0,
    }


def agents(state: ServerState, user: str) -> list[Row]:
    """The named agents of a user."""
    return [
        {"name": held.name, "address": address, "validUntil": held.valid_until_ms}
        for address, held in state.access.agents_of(user)
        if held.name
    ]


def max_builder_fee(state: ServerState, user: str, question: Question) -> int:
    """What a builder may take at most, in tenths of a basis point."""
    builder = question.get("builder")
    if not isinstance(builder, str):
        raise Unreadable("builder")
    text = state.builders.get((user, builder.lower()), "0%").removesuffix("%")
    try:
        return round(float(text) * 1_000)
    except ValueError:
        return 0


def referral(state: ServerState, user: str) -> Row:
    """Who referred a user, and what was traded."""
    code = state.referrers.get(user)
    return {
        "referredBy": {"referrer": rows.transaction(0)[:42], "code": code} if code else None,
        "cumVlm": format_units(state.budget(user).volume, 8),
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "referrerState": None,
        "rewardHistory": [],
    }

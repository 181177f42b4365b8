"""The public classes of live trading: thin faces that run the kernel through a session.

What a parameter promises is done, or the parameter is refused; nothing is accepted and ignored.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from interlock.adapters.system import SystemClock
from interlock.live.beside import Echo, Misaligned, Tap, Watch
from interlock.live.paper import PaperTerms, PaperVenue
from interlock.live.past import LookBack
from interlock.live.session import Session
from interlock.live.shadow import ShadowReport, ShadowTradingConfig, compare, read_record
from interlock.live.start import Entry, Plan
from interlock.live.targets import LiveTarget, look_back
from interlock.model.units import MONEY_EXPONENT, parse_units
from interlock.ports import Clock, Venue
from interlock.runtime.settings import SECOND, Settings
from interlock.strategy.api import Strategy, TargetStrategy, timeframe_ns
from interlock.ui.read_model import Status

SETTLE_S = 0.25
AnyStrategy = Strategy | TargetStrategy


@runtime_checkable
class Timed(Protocol):
    """A venue that brings the clock which it was made with."""

    clock: Clock


class ApiError(ValueError):
    """A parameter that cannot be meant; the text names it, the rule and the remedy."""


class PerShareCommission(msgspec.Struct, frozen=True):
    """A commission of ``cost`` in the quote currency for one whole base unit (share, coin)."""

    cost: Decimal


class FixedBasisPointsSlippage(msgspec.Struct, frozen=True):
    """Takers pay ``basis_points`` (1e-4 of the price) more than the touch, makers nothing more."""

    basis_points: Decimal


class PaperBroker:
    """An account on the exchange in memory, for the market that ``data_portal`` shows.

    ``starting_cash``: whole units of the quote currency; it counts at the first start of a state
    folder, later ones take over what the account held. ``commission_model``: a PerShareCommission;
    None takes the venue's fees. ``slippage_model``: a FixedBasisPointsSlippage on top of the
    spread; None adds nothing. ``order_latency_ms``: from a request to the exchange, in ms.
    ``volume_limit_pct``: the share (0.025 is 2.5 %) of every shown and traded quantity that is
    there for us; None is all of it. What an order cannot fill of that at once expires (market) or
    rests (limit). Raises ApiError.
    """

    def __init__(
        self,
        *,
        starting_cash: Decimal | int = Decimal(100_000),
        commission_model: PerShareCommission | None = None,
        slippage_model: FixedBasisPointsSlippage | None = None,
        order_latency_ms: int = 50,
        volume_limit_pct: Decimal | None = None,
    ) -> None:
        _of_kind("commission_model", commission_model, PerShareCommission)
        _of_kind("slippage_model", slippage_model, FixedBasisPointsSlippage)
        if starting_cash <= 0:
            raise ApiError(f"starting_cash {starting_cash} must be above 0")
        if order_latency_ms < 0:
            raise ApiError(f"order_latency_ms {order_latency_ms} must not be negative")
        share = Decimal(1) if volume_limit_pct is None else Decimal(volume_limit_pct)
        if not 0 < share <= 1:
            raise ApiError(f"volume_limit_pct {share} is no share: 0.025 means 2.5 %, 1 is all")
        cost = None if commission_model is None else commission_model.cost
        points = Decimal(0) if slippage_model is None else slippage_model.basis_points
        if (cost is not None and cost < 0) or points < 0:
            raise ApiError(f"commission {cost} and slippage {points} must not be negative")
        self.terms = PaperTerms(
            cash=parse_units(starting_cash, MONEY_EXPONENT),
            latency_ms=order_latency_ms,
            fee_per_unit=None if cost is None else parse_units(cost, MONEY_EXPONENT),
            slippage=parse_units(points, 2),
            share=parse_units(share, 6),
        )


class LiveTradingEngine:
    """Trades one strategy on a venue, or on paper, until it is stopped.

    ``strategy``: an instance; the engine works on copies of it. ``broker_adapter``: a PaperBroker,
    or the adapter of a venue (BinanceVenue). ``data_portal``: the adapter whose market a
    PaperBroker trades; a venue brings its own data, so beside one it must be left away or be the
    same object. ``checkpoint_interval_seconds``: time between snapshots; the ledger is written at
    once whatever this says. ``reconciliation_interval_seconds``: time between full comparisons
    with the venue; open orders are compared every 30 s at least.

    ``shadow_mode``: run the strategy a second time on the same market and the exchange in memory,
    and halt when the two decide otherwise (see ShadowTradingConfig).

    ``state_folder``: ledger, tape, snapshots and logs; start again with it to go on. ``cash``: the
    strategy's share of a venue's account in whole quote units; a PaperBroker has its own.
    ``timeframe``: bars made from trades ("5s"); empty where the adapter streams closed bars.

    ``circuit_breakers`` are not built yet; whatever is given raises ApiError.
    """

    def __init__(  # noqa: PLR0913 - names that users of other engines know
        self,
        strategy: AnyStrategy,
        broker_adapter: PaperBroker | Venue,
        *,
        data_portal: Venue | None = None,
        circuit_breakers: Any = None,
        checkpoint_interval_seconds: float = 60,
        reconciliation_interval_seconds: float = 300,
        shadow_mode: bool = False,
        shadow_config: ShadowTradingConfig | None = None,
        state_folder: Path | str = "live/main",
        cash: Decimal | int | None = None,
        currency: str = "USDT",
        timeframe: str = "",
    ) -> None:
        if circuit_breakers is not None:
            raise ApiError(
                "circuit_breakers are not built yet: no loss or drawdown would trip anything; "
                "leave them away, and use `interlock control` to pause, halt or stop"
            )
        _positive("checkpoint_interval_seconds", checkpoint_interval_seconds)
        _positive("reconciliation_interval_seconds", reconciliation_interval_seconds)
        self.shadow_config = _shadow_config(shadow_mode, shadow_config)
        self.clock = _clock_of(data_portal or broker_adapter)
        capital = _capital(broker_adapter, cash)
        venue = _venue(broker_adapter, data_portal, self.clock)
        is_paper = isinstance(broker_adapter, PaperBroker)
        step_ns = timeframe_ns(timeframe) if timeframe else 0
        plan = Plan(
            folder=Path(state_folder),
            entries=(Entry(type(strategy).__name__, _maker(strategy, step_ns), capital),),
            currency=currency,
            settings=Settings(
                mode="paper" if is_paper else "live",
                full_every_ns=round(reconciliation_interval_seconds * SECOND),
            ),
            bar_steps=(step_ns,) if step_ns else (),
            look_back=_look_back(strategy, step_ns),
            checkpoint_ns=round(checkpoint_interval_seconds * SECOND),
        )
        self._beside = _Beside(self, plan) if self.shadow_config is not None else None
        tapped = venue if self._beside is None else self._beside.tap(venue)
        self.session = Session(plan, tapped, self.clock)
        self._running: asyncio.Task[Status] | None = None

    async def run(self, seconds: float | None = None) -> Status:
        """Trade until stopped, or for some seconds; returns the last state, raises what ended it.

        The first interrupt or SIGTERM is a shutdown: entries are canceled, stops and positions
        stay. The second one leaves at once.
        """
        if self._running is not None:
            raise ApiError("this engine has run; make another one with the same state_folder")
        self._running = asyncio.create_task(self.session.run())
        timer = asyncio.create_task(self._stop_after(seconds))
        beside = None
        try:
            await self._until_ready()
            if self._beside is not None and not self._running.done():
                beside = asyncio.create_task(self._beside.run(self.session))
            return await self._running
        finally:
            timer.cancel()
            if beside is not None and self._beside is not None:
                self._beside.stop()
                await asyncio.wait([beside])

    async def shutdown(self, reason: str = "shutdown was asked for") -> None:
        """Cancel entries, leave stops and positions, write everything down; returns at the end."""
        self.session.stop("api", reason)
        if self._running is not None:
            await asyncio.wait([self._running])

    def status(self) -> Status:
        """Positions, orders, fills, streams and health as of now; raises RuntimeError before."""
        return self.session.status()

    def get_shadow_report(self) -> ShadowReport:
        """Both sides compared from their ledgers, while they run or afterwards."""
        if self.shadow_config is None:
            raise ApiError("there is no shadow to report on; start with shadow_mode=True")
        folder = self.session.plan.folder
        return compare(read_record(folder), read_record(folder / "shadow"), self.shadow_config)

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(self.session.ready.wait())
        waits = {ready} if self._running is None else {ready, self._running}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()

    async def _stop_after(self, seconds: float | None) -> None:
        if seconds is not None:
            await self.session.ready.wait()
            await asyncio.sleep(seconds)
            self.session.stop("api", f"ran for {seconds:g} s as asked")


class _Beside:
    """The shadow of an engine: a session of its own on the market that the live one hears."""

    def __init__(self, engine: LiveTradingEngine, plan: Plan) -> None:
        assert engine.shadow_config is not None
        self._echo = Echo()
        self._live: Session | None = None
        self._watch = Watch(engine.shadow_config, engine.clock, halt=self._halt)
        capital = sum(entry.capital for entry in plan.entries)
        paper = PaperVenue(self._echo, PaperTerms(cash=capital), engine.clock)
        settings = msgspec.structs.replace(
            plan.settings, mode="shadow", account=f"{plan.settings.account}-shadow"
        )
        own = msgspec.structs.replace(plan, folder=plan.folder / "shadow", settings=settings)
        self.session = Session(
            own, Tap(paper, left=self._watch.shadow), engine.clock, has_signals=False
        )

    def tap(self, venue: Venue) -> Tap:
        """The live side's venue, heard and watched."""
        return Tap(venue, left=self._watch.live, market=self._echo.hear)

    async def run(self, live: Session) -> None:
        """Follow the live side until it ends; whatever ends the shadow before halts that."""
        self._live = live
        self._echo.of(live.venue)
        running = asyncio.create_task(self.session.run())
        while not running.done():
            await asyncio.wait([running], timeout=SETTLE_S)
            self._watch.settle()
        error = running.exception()
        if error is not None:
            self._halt(Misaligned(f"the shadow ended: {type(error).__name__}: {error}"))

    def stop(self) -> None:
        """End the shadow with the live side."""
        self._live = None
        self.session.stop("shadow", "the live side has ended")

    def _halt(self, why: Misaligned) -> None:
        started = self._live.started if self._live is not None else None
        if started is not None:
            started.driver.command("halt", actor="shadow", reason=why.text)


def _maker(strategy: AnyStrategy, step_ns: int) -> Callable[[], Strategy]:
    if not isinstance(strategy, Strategy | TargetStrategy):
        raise ApiError(
            f"strategy is a {type(strategy).__name__}; give an instance of a class that inherits "
            "from interlock.Strategy or interlock.TargetStrategy"
        )

    def build() -> Strategy:
        made = copy.deepcopy(strategy)
        return made if isinstance(made, Strategy) else LiveTarget(made, step_ns=step_ns)

    return build


def _look_back(strategy: AnyStrategy, step_ns: int) -> LookBack | None:
    if not isinstance(strategy, TargetStrategy):
        return None
    return LookBack(count=look_back(strategy), step_ns=step_ns, is_made=step_ns > 0)


def _clock_of(source: Any) -> Clock:
    """One clock for the venue and the engine: the offset of the venue's is measured from it."""
    return source.clock if isinstance(source, Timed) else SystemClock()


def _venue(broker: PaperBroker | Venue, portal: Venue | None, clock: Clock) -> Venue:
    if isinstance(broker, PaperBroker):
        if portal is None:
            raise ApiError(
                "a PaperBroker needs data_portal: the adapter of the venue whose market it trades"
            )
        return PaperVenue(portal, broker.terms, clock)
    if portal is not None and portal is not broker:
        raise ApiError(
            "data_portal beside a venue's adapter would not be read: a venue brings its own data; "
            "leave it away"
        )
    return broker


def _capital(broker: PaperBroker | Venue, cash: Decimal | int | None) -> int:
    if isinstance(broker, PaperBroker):
        if cash is not None:
            raise ApiError("cash is the PaperBroker's starting_cash; leave it away")
        return broker.terms.cash
    if cash is None or cash <= 0:
        raise ApiError(
            f"cash {cash}: say how much of the venue's account the strategy may use, in whole "
            "units of its currency"
        )
    return parse_units(cash, MONEY_EXPONENT)


def _shadow_config(mode: bool, config: ShadowTradingConfig | None) -> ShadowTradingConfig | None:
    if config is not None and config.enabled is not mode:
        raise ApiError(
            f"shadow_mode={mode} contradicts shadow_config.enabled={config.enabled}; set both alike"
        )
    return (config or ShadowTradingConfig()) if mode else None


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ApiError(f"{name} {value} must be above 0")


def _of_kind(name: str, value: Any, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise ApiError(
            f"{name} is a {type(value).__name__}; there is {kind.__name__}, or None for the "
            "venue's own"
        )


__all__ = [
    "ApiError",
    "FixedBasisPointsSlippage",
    "LiveTradingEngine",
    "PaperBroker",
    "PerShareCommission",
]

"""The public live API against an exchange in this process; the pages' own code blocks run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import math
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import interlock.live
from interlock import Strategy
from interlock.adapters.storage import Database, read_rows
from interlock.adapters.system import SystemClock
from interlock.live import (
    ApiError,
    BinanceVenue,
    Endpoints,
    Feeds,
    FixedBasisPointsSlippage,
    HmacSigner,
    Keys,
    LiveTradingEngine,
    PaperBroker,
    PerShareCommission,
    ShadowReport,
    ShadowTradingConfig,
)
from interlock.live.paper import ACCOUNT
from interlock.live.start import StartError
from interlock.model.rows import CheckpointRow, IntentRow, ReconcileRow, Severity
from interlock.venue import listings
from interlock.venue.local import LocalExchange, Plan
from tests.unit.live.scripted_market import Hands, ScriptedMarket

BTC = "BTCUSDT-PERP.BINANCE"
PAGE = Path(__file__).parents[2] / "docs" / "live-api.md"
PATIENCE_S = 30.0


class Turns(Strategy):
    """Buys and sells a little in turns, for as long as the market moves."""

    def on_start(self) -> None:
        self.ready = 0
        self.turns = 0

    def on_quote(self, quote: Any) -> None:
        now = self.view.ts_event
        if now < self.ready or self.view.open_orders():
            return
        self.ready = now + 400_000_000
        self.turns += 1
        held = self.view.position_units()
        self.market(-1 if held > 0 else 1, 0.01, tag=f"turn-{self.turns % 7}")


class Desk:
    """An exchange, the adapter of one of its accounts, and a folder."""

    def __init__(self, exchange: LocalExchange, folder: Path) -> None:
        self.exchange = exchange
        self.folder = folder
        self.core = exchange.hosts["binance"].face.core  # type: ignore[attr-defined]

    def venue(self, *, has_keys: bool = True) -> BinanceVenue:
        door, held = self.exchange.doors["binance"], self.exchange.keys[0]
        keys = Keys(held.key, HmacSigner(held.secret)) if has_keys else None
        return BinanceVenue(
            Endpoints(door.url, door.url.replace("http", "ws")),
            keys,
            Feeds(instruments=(BTC,)),
            clock=SystemClock(),
        )

    def orders_at_the_venue(self) -> list[Any]:
        return list(self.core.orders_since("trader", None, 0))


def at_desk(folder: Path, story: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        plan = Plan(is_quiet=True, listed=listings.binance()[:1])
        exchange = LocalExchange(plan, SystemClock())
        await exchange.open({})
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                await story(Desk(exchange, folder))
        finally:
            await exchange.close()

    asyncio.run(main())


async def until(engine: LiveTradingEngine, fills: int) -> None:
    """Run an engine until it has so many fills, then shut it down."""
    running = asyncio.create_task(engine.run(seconds=PATIENCE_S))
    await stop_after_fills(engine, fills, running)
    await running


async def stop_after_fills(
    engine: LiveTradingEngine, fills: int, running: asyncio.Future[Any]
) -> None:
    while not running.done():
        started = engine.session.started
        if started is not None:
            # A shadow that decides otherwise halts the live side: then no more fills come.
            is_halted = started.driver.engine.verbs.state() == "halted"
            if is_halted or len(engine.session.watcher.fills) >= fills:
                await engine.shutdown("enough was seen")
                return
        await asyncio.wait([running], timeout=0.05)


def rows_of(folder: Path) -> list[Any]:
    return [row for _, row in read_rows(Database(folder / "ledger.sqlite"))]


def blocks() -> dict[str, CodeType]:
    """The marked code blocks of the page, compiled with ``await`` at the top."""
    found = re.findall(r"<!-- (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return {name: compile(text, f"{PAGE.name}:{name}", "exec", flags) for name, text in found}


async def execute(code: CodeType, names: dict[str, Any]) -> None:
    made = eval(code, names)  # noqa: S307 - the page's own text
    if inspect.iscoroutine(made):
        await made


@pytest.mark.capability("S3-017", "S3-018", "S3-019", "S3-025", "S3-026", "S3-027", "S3-028")
def test_the_paper_block_of_the_page_trades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def story(desk: Desk) -> None:
        names: dict[str, Any] = {"MyStrategy": Turns, "data_portal": desk.venue()}
        running = asyncio.create_task(execute(blocks()["paper"], names))
        while "engine" not in names and not running.done():
            await asyncio.wait([running], timeout=0.05)
        engine: LiveTradingEngine = names["engine"]
        await stop_after_fills(engine, 4, running)
        await running
        plan = engine.session.plan
        assert plan.checkpoint_ns == 60 * 10**9
        assert plan.settings.full_every_ns == 300 * 10**9
        fills = engine.session.watcher.fills
        # 0.005 USDT for a coin; 0.01 coins are 5,000 units of 1e-8.
        per_unit = 5_000 * 100
        for row in fills:
            assert row.fill.fee == row.fill.quantity * per_unit // 1_000
        assert not desk.orders_at_the_venue()

    at_desk(tmp_path, story)


@pytest.mark.capability("S3-033", "S3-034", "S3-039")
def test_paper_books_agree_to_the_unit_and_survive_a_restart(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        wallet = 0
        for _ in range(2):
            engine = LiveTradingEngine(
                strategy=Turns(),
                broker_adapter=PaperBroker(starting_cash=50_000, order_latency_ms=5),
                data_portal=desk.venue(),
                checkpoint_interval_seconds=0.5,
                state_folder=desk.folder,
            )
            await until(engine, 5)
            started = engine.session.started
            assert started is not None
            state = started.driver.engine.desk.state
            account = engine.session.venue.core.account(ACCOUNT)  # type: ignore[attr-defined]
            assert account.balances[0].wallet == state.wallet
            held = {item.symbol: item.quantity for item in account.positions if item.quantity}
            ours = {name: count for name, count in started.driver.engine.positions.items() if count}
            assert held == ours
            assert state.wallet != wallet
            wallet = state.wallet
        rows = rows_of(desk.folder)
        compared = [row for row in rows if isinstance(row, ReconcileRow)]
        assert compared
        assert all(row.severity is not Severity.CRITICAL for row in compared)
        assert sum(isinstance(row, CheckpointRow) for row in rows) >= 2
        assert not desk.orders_at_the_venue()

    at_desk(tmp_path, story)


def test_paper_trades_without_keys(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        engine = LiveTradingEngine(
            Turns(),
            PaperBroker(),
            data_portal=desk.venue(has_keys=False),
            state_folder=desk.folder,
        )
        await until(engine, 2)
        assert "no keys: assumed fees" in engine.status().venue
        (fill, *_) = engine.session.watcher.fills
        notional = fill.fill.price * fill.fill.quantity * 10**4
        assert abs(fill.fill.fee - notional * 5 // 10_000) <= 1
        assert not desk.orders_at_the_venue()

    at_desk(tmp_path, story)


@pytest.mark.capability("S3-053", "S3-059", "S3-060")
def test_the_shadow_blocks_of_the_page_run_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    async def story(desk: Desk) -> None:
        alerts: list[Any] = []
        names: dict[str, Any] = {
            "MyStrategy": Turns,
            "paper_broker": PaperBroker(),
            "data_portal": desk.venue(),
            "send_alert": lambda text, report: alerts.append((text, report)),
        }
        running = asyncio.create_task(execute(blocks()["shadow"], names))
        while "engine" not in names and not running.done():
            await asyncio.wait([running], timeout=0.05)
        await stop_after_fills(names["engine"], 8, running)
        await running
        await execute(blocks()["report"], names)
        report: ShadowReport = names["report"]
        assert report.decisions >= 4, report
        assert report.alignment_rate > 0.5, report
        assert report.execution_quality > 0.9
        assert not math.isnan(report.avg_latency_ms)
        assert "Signal alignment: " in capsys.readouterr().out
        assert bool(alerts) is (report.alignment_rate < 0.95)

    at_desk(tmp_path, story)


def test_a_real_account_trades_beside_its_shadow(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        engine = LiveTradingEngine(
            Turns(), desk.venue(), cash=1_000, shadow_mode=True, state_folder=desk.folder
        )
        await until(engine, 6)
        sent = desk.orders_at_the_venue()
        assert len(sent) >= 6
        report = engine.get_shadow_report()
        assert report.decisions >= 3
        assert report.other_direction == 0, report
        # What the shadow decided never reached the venue.
        ours = {row.client_order_id for row in rows_of(desk.folder) if isinstance(row, IntentRow)}
        assert {order.client_id for order in sent} <= ours

    at_desk(tmp_path, story)


def test_books_of_paper_are_never_those_of_a_venue(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        paper = LiveTradingEngine(
            Turns(), PaperBroker(), data_portal=desk.venue(), state_folder=desk.folder
        )
        await until(paper, 1)
        real = LiveTradingEngine(Turns(), desk.venue(), cash=1_000, state_folder=desk.folder)
        with pytest.raises(StartError, match="kept in mode 'paper', not 'live'"):
            await real.run(seconds=PATIENCE_S)
        assert not desk.orders_at_the_venue()

    at_desk(tmp_path, story)


def test_what_nothing_reads_is_refused(tmp_path: Path) -> None:
    paper = PaperBroker()
    portal: Any = ScriptedMarket(Hands())
    for fields, text in (
        ({"broker_adapter": paper}, "needs data_portal"),
        ({"broker_adapter": paper, "data_portal": portal, "cash": 5}, "starting_cash"),
        ({"broker_adapter": portal, "data_portal": object(), "cash": 5}, "brings its own data"),
        ({"broker_adapter": portal}, "how much of the venue's account"),
        (
            {"broker_adapter": paper, "data_portal": portal, "circuit_breakers": object()},
            "not built yet",
        ),
        (
            {
                "broker_adapter": paper,
                "data_portal": portal,
                "shadow_config": ShadowTradingConfig(),
            },
            "contradicts",
        ),
        (
            {"broker_adapter": paper, "data_portal": portal, "checkpoint_interval_seconds": 0},
            "must be above 0",
        ),
    ):
        with pytest.raises(ApiError, match=text):
            LiveTradingEngine(strategy=Turns(), state_folder=tmp_path, **fields)
    with pytest.raises(ApiError, match="give an instance"):
        LiveTradingEngine(Turns, paper, data_portal=portal)  # type: ignore[arg-type]


def test_a_paper_broker_refuses_what_it_cannot_do() -> None:
    wrong: list[dict[str, Any]] = [
        {"starting_cash": 0},
        {"order_latency_ms": -1},
        {"volume_limit_pct": Decimal("2.5")},
        {"commission_model": Decimal("0.005")},
        {"slippage_model": PerShareCommission(Decimal(1))},
        {"slippage_model": FixedBasisPointsSlippage(Decimal(-1))},
    ]
    for fields in wrong:
        with pytest.raises(ApiError):
            PaperBroker(**fields)


def test_every_public_name_is_there_and_the_missing_ones_say_why() -> None:
    for name in interlock.live.__all__:
        assert getattr(interlock.live, name) is not None
        assert name in dir(interlock.live)
    for name in ("CircuitBreakerManager", "DrawdownCircuitBreaker", "DailyLossCircuitBreaker"):
        with pytest.raises(ImportError, match="not built yet"):
            getattr(interlock.live, name)
    with pytest.raises(AttributeError):
        interlock.live.Nothing  # type: ignore[attr-defined]  # noqa: B018

"""`interlock incident` on paper and live runs: sealed while they trade, replayed elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from interlock.adapters.storage.queries import Reader
from interlock.adapters.system import SystemClock
from interlock.cli import main
from interlock.live import (
    BinanceVenue,
    Endpoints,
    Feeds,
    HmacSigner,
    Keys,
    LiveTradingEngine,
    PaperBroker,
)
from interlock.research.loading import load_strategy
from interlock.venue import listings
from interlock.venue.local import LocalExchange, Plan
from tests.conftest import ROOT

BTC = "BTCUSDT-PERP.BINANCE"
INTERLOCK = str(Path(sys.executable).parent / "interlock")
PATIENCE_S = 60.0
STRATEGY = '''"""Buys and sells a little in turns, with an order that rests and is withdrawn."""

from interlock import Strategy
from interlock.strategy.parameters import param


class Turns(Strategy):
    size: float = param(0.01, 0.001, 1.0)
    pause: float = param(0.3, 0.1, 10.0)

    def on_start(self):
        self.ready = 0
        self.resting = 0
        self.names = {"a", "b", "c"}

    def on_quote(self, quote):
        now = self.view.ts_event
        if now < self.ready:
            return
        self.ready = now + int(self.pause * 10**9)
        if self.view.open_orders():
            self.cancel(self.resting)
            return
        held = self.view.position_units()
        self.market(-1 if held > 0 else 1, self.size, tag="".join(sorted(self.names)))
        self.resting = self.limit(1, self.size, quote.bid * 0.99)
'''
Said = dict[str, object]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")}
    return kept | {"INTERLOCK_HOME": os.environ["INTERLOCK_HOME"]} | more


async def command(*words: str, **more: str) -> tuple[int, str, str]:
    """One command beside what runs in this process."""
    child = await asyncio.create_subprocess_exec(
        INTERLOCK,
        *words,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await child.communicate()
    return child.returncode or 0, out.decode(), err.decode()


def replay(file: Path, *words: str, seed: str = "0", code: int = 0) -> Said:
    """A replay in a process of its own, in a folder that knows nothing of the run."""
    done = subprocess.run(
        [INTERLOCK, "incident", "replay", str(file), *words, "--json"],
        cwd=file.parent,
        env=environment(PYTHONHASHSEED=seed),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    said: Said = json.loads(done.stdout)
    return said


class Stage:
    """An exchange in this process, a strategy in a file, and folders for run and files."""

    def __init__(self, exchange: LocalExchange, folder: Path) -> None:
        self.keys = exchange.keys[0]
        self.door = exchange.doors["binance"]
        self.folder = folder
        self.state = folder / "state"
        self.file = folder / "turns.py"
        self.file.write_text(STRATEGY)

    def venue(self, *, has_keys: bool) -> BinanceVenue:
        keys = Keys(self.keys.key, HmacSigner(self.keys.secret)) if has_keys else None
        return BinanceVenue(
            Endpoints(self.door.url, self.door.url.replace("http", "ws")),
            keys,
            Feeds(instruments=(BTC,)),
            clock=SystemClock(),
        )

    def engine(self, *, is_paper: bool) -> LiveTradingEngine:
        strategy = load_strategy(str(self.file)).kind()
        if is_paper:
            return LiveTradingEngine(
                strategy,
                PaperBroker(starting_cash=100_000),
                data_portal=self.venue(has_keys=False),
                state_folder=self.state,
                checkpoint_interval_seconds=0.5,
            )
        venue = self.venue(has_keys=True)
        return LiveTradingEngine(strategy, venue, cash=10_000, state_folder=self.state)

    async def capture(self, name: str, *words: str, **more: str) -> Said:
        target = self.folder / "files" / name
        code, out, err = await command(
            "incident", "capture", str(self.state), "-o", str(target), *words, "--json", **more
        )
        assert code == 0, err
        said: Said = json.loads(out)
        return said


def on_stage(folder: Path, story: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        exchange = LocalExchange(Plan(is_quiet=True, listed=listings.binance()[:1]), SystemClock())
        await exchange.open({})
        try:
            async with asyncio.timeout(3 * PATIENCE_S):
                await story(Stage(exchange, folder))
        finally:
            await exchange.close()

    asyncio.run(main())


async def until(engine: LiveTradingEngine, running: asyncio.Future[object], fills: int) -> None:
    while not running.done():
        if engine.session.started is not None and len(engine.session.watcher.fills) >= fills:
            return
        await asyncio.wait([running], timeout=0.05)


@pytest.fixture
def short() -> Iterator[Path]:
    """A socket's path is short, and pytest's folders are long."""
    with tempfile.TemporaryDirectory(prefix="il-") as folder:
        yield Path(folder)


def test_a_paper_run_is_sealed_while_it_trades_and_replayed_elsewhere(
    short: Path, tmp_path: Path
) -> None:
    async def story(stage: Stage) -> None:
        engine = stage.engine(is_paper=True)
        running = asyncio.ensure_future(engine.run(seconds=PATIENCE_S))
        await until(engine, running, 3)
        assert await stage.capture("running")
        await until(engine, running, 8)
        await engine.shutdown("enough was seen")
        await running
        late = await stage.capture("late", "--last", "1s")
        assert late["has_snapshot"]
        assert late["first"] != 1
        await stage.capture("whole", "--from-start")

    on_stage(short, story)
    elsewhere = shutil.copytree(short / "files", tmp_path / "elsewhere")
    shutil.rmtree(short / "state")
    (short / "turns.py").unlink()
    for name in ("running", "late", "whole"):
        one = replay(elsewhere / name, seed="1")
        assert one["is_reproduced"], one["first"]
        assert one["recorded"] == one["replayed"]
        assert one["counts"]["place"]["same"] > 0  # type: ignore[index]
    changed = replay(elsewhere / "whole", "--change", "size=0.02", seed="2")
    assert changed["replayed"] == one["replayed"]
    first = changed["first"]
    assert first["then"]["order"]["quantity"] * 2 == first["now"]["order"]["quantity"]  # type: ignore[index]
    change = "limits.order_notional_max=1"
    denied = replay(elsewhere / "whole", "--change", change, seed="3")
    assert "ORDER_NOTIONAL" in denied["first"]["now"]["text"]  # type: ignore[index]


def test_a_live_run_over_a_crash_is_replayed_and_no_key_is_in_the_file(short: Path) -> None:
    async def story(stage: Stage) -> None:
        for fills, is_crash in ((3, True), (3, False)):
            engine = stage.engine(is_paper=False)
            running = asyncio.ensure_future(engine.run(seconds=PATIENCE_S))
            await until(engine, running, fills)
            if is_crash:
                assert engine.session.started is not None
                engine.session.started.driver.abandon()
            else:
                await engine.shutdown("enough was seen")
            await running
        held = {"INTERLOCK_KEY": stage.keys.key, "INTERLOCK_SECRET": stage.keys.secret}
        said = await stage.capture("file", "--from-start", **held)
        assert said["epochs"] == [1, 2]
        with zipfile.ZipFile(short / "files" / "file") as file:
            for name in file.namelist():
                content = file.read(name)
                assert stage.keys.secret.encode() not in content
                assert stage.keys.key.encode() not in content
        # A key that a strategy wrote down stops the capture.
        terms = stage.state / "terms" / "00000002.json"
        terms.write_text(terms.read_text().replace("Buys and sells", stage.keys.secret))
        code, _, err = await command(
            "incident", "capture", str(stage.state), "-o", str(short / "leak"), **held
        )
        assert code == 1
        assert "a key of the environment stands in terms.json" in err
        assert stage.keys.secret not in err
        assert not (short / "leak").exists()

    on_stage(short, story)
    found = replay(short / "files" / "file", seed="5")
    assert found["is_reproduced"], found["first"]


def test_a_start_with_other_code_begins_a_file_of_its_own(short: Path) -> None:
    async def story(stage: Stage) -> None:
        for source in (STRATEGY, STRATEGY.replace("(self.names)", "(self.names, reverse=True)")):
            stage.file.write_text(source)
            engine = stage.engine(is_paper=True)
            running = asyncio.ensure_future(engine.run(seconds=PATIENCE_S))
            await until(engine, running, 3)
            await engine.shutdown("enough was seen")
            await running
        said = await stage.capture("file")
        # From the state that the second start found, or its own first one.
        assert said["has_snapshot"]
        assert said["asked"] == said["judged"]
        assert 1 < said["first"] <= said["judged"]  # type: ignore[operator]
        assert "started with other parameters" in said["lacking"][0]  # type: ignore[index]

    on_stage(short, story)
    found = replay(short / "files" / "file")
    assert found["is_reproduced"], found["first"]
    assert found["counts"]["place"]["same"] > 0  # type: ignore[index]


def test_a_market_maker_that_is_killed_is_replayed(short: Path) -> None:
    """Amendments, cancels and resting orders; sealed while it trades and after SIGKILL."""
    state = short / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.end_to_end.local_engine", str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        files = []
        for name in ("running", "killed"):
            wait_for_rows(process, state, 100 if name == "running" else 160)
            if name == "killed":
                process.kill()
                process.wait()
            files.append(short / name)
            words = ["incident", "capture", str(state), "-o", str(files[-1])]
            done = subprocess.run(
                [INTERLOCK, *words], env=environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert "the chain holds" in done.stdout
    finally:
        process.kill()
        process.communicate()
    for file in files:
        found = replay(file)
        assert found["is_reproduced"], found["first"]
        assert found["counts"]["place"]["same"] > 10  # type: ignore[index]


def wait_for_rows(process: subprocess.Popen[str], state: Path, count: int) -> None:
    """Until the engine has written so many rows; it says nothing before it ends."""
    with closing(Reader(state / "ledger.sqlite")) as reader:
        for _ in range(int(PATIENCE_S / 0.1)):
            (rows,) = next(reader.ask("SELECT MAX(seq) FROM ledger").records)
            if rows and rows >= count:
                return
            ended, _, _ = select.select([process.stdout], [], [], 0.1)
            assert not ended, "the engine ended"
    raise AssertionError(f"fewer than {count} rows")


def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    for words in (
        ("replay", str(tmp_path / "x")),
        ("show", str(tmp_path / "none")),
        ("capture", str(tmp_path), "-o", str(tmp_path / "y")),
        ("capture", str(tmp_path), "-o", str(tmp_path / "y"), "--last", "soon"),
        ("capture", str(tmp_path), "-o", str(tmp_path / "y"), "--last", "0s"),
        ("capture", str(tmp_path), "-o", str(tmp_path / "y"), "--from", "yesterday"),
    ):
        done = CliRunner().invoke(main, ["incident", *words])
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")
        assert "Traceback" not in done.output

"""What a scenario works with: an exchange, engines, waiting with a limit, the judgment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.system import SystemClock
from interlock.ports import LedgerFault
from interlock.scenarios import processes
from interlock.scenarios.audit import Kept, Verdict, judge, read_ledger
from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.exchange import Exchange, Place
from interlock.scenarios.protocols import Protocol
from interlock.sim.chance import Splitmix

# Of a process, on a machine that is busy with others; no promise.
START_S = 60.0
LOOK_S = 0.2
LEDGER = "ledger.sqlite"
# What has come true must stay true so long.
STAYS = 3


class Failed(AssertionError):
    """A scenario that did not end as it must; the text says what was met."""


class Draw:
    """Numbers from a seed: equal on every machine."""

    def __init__(self, seed: int) -> None:
        self._chance = Splitmix(seed)

    def between(self, low: float, high: float) -> float:
        """The next number in [low, high)."""
        return low + (high - low) * self._chance.share()


class Stage:
    """One run of one scenario. Everything that was started here is ended by ``close``."""

    def __init__(self, folder: Path, seed: int, protocol: Protocol) -> None:
        self.folder = folder
        self.seed = seed
        self.protocol = protocol
        self.draw = Draw(seed)
        self.clock = SystemClock()
        self.measured: dict[str, str] = {}
        self.verdict: Verdict | None = None
        self._exchange: Exchange | None = None
        self._engines: list[Engine] = []
        self._calm_since = 0

    @property
    def exchange(self) -> Exchange:
        """The exchange; open it first."""
        if self._exchange is None:
            raise RuntimeError("open the exchange before asking it")
        return self._exchange

    def id(self, base: str) -> str:
        """The instrument of a base currency on this stage's protocol."""
        return self.protocol.id(base)

    def units(self, base: str, count: float) -> int:
        """So many of the player's units of trade, in quantity units."""
        return self.protocol.units(base, count)

    def now(self) -> float:
        """Seconds of real time, for differences."""
        return self.clock.now_ns() / 1e9

    def measure(self, **values: float | str) -> None:
        """Put figures into the scenario's row."""
        for name, value in values.items():
            self.measured[name] = f"{value:.2f}" if isinstance(value, float) else str(value)

    async def open_exchange(self, *words: str) -> Exchange:
        """Start the exchange on free ports of loopback."""
        asked = ["venue", "--json", "--port", "0", "--admin-port", "0", "--quiet"]
        asked += ["--protocol", self.protocol.name, *words]
        process = await processes.start(
            "exchange",
            [*asked, "--seed", str(self.seed)],
            self.folder,
            environment={"INTERLOCK_HOME": str(self.folder / "home")},
        )
        try:
            facts = await process.ready(START_S)
        except processes.StartFault:
            await process.end()
            raise
        keys = facts["accounts"][0]
        place = Place(
            protocol=self.protocol,
            url=facts["venues"][self.protocol.name]["url"],
            admin=facts["admin"],
            key=keys["key"],
            secret=keys["secret"],
            wallet_key=keys["wallet_key"],
        )
        self._exchange = Exchange(process, place, self.clock)
        return self._exchange

    async def start_engine(self, play: Play, *, place: str = "engine") -> Engine:
        """Start an engine in a state folder and wait until it trades."""
        engine = Engine(await self.spawn(play, place=place), self.folder / place)
        self._engines.append(engine)
        await engine.process.ready(START_S)
        await self.until("the engine trades", engine.is_trading, within=START_S)
        return engine

    async def spawn(self, play: Play, *, place: str = "engine") -> processes.Process:
        """Start an engine's process and wait for nothing. Every folder shares the one ledger."""
        account = self.exchange.place
        name = f"engine-{len(self._engines) + 1}"
        return await processes.start(
            name,
            [
                *play.words(account.url, self.folder / place, self.protocol),
                "--ledger",
                str(self.folder / LEDGER),
            ],
            self.folder,
            environment={
                "INTERLOCK_HOME": str(self.folder / "home"),
                "INTERLOCK_KEY": account.key,
                "INTERLOCK_SECRET": account.secret,
                "INTERLOCK_WALLET_KEY": account.wallet_key,
            },
        )

    async def until(
        self, what: str, condition: Callable[[], Awaitable[bool]], *, within: float
    ) -> float:
        """Wait until it is so; returns the seconds it took. Raises Failed after ``within`` s."""
        start = self.now()
        while not await condition():
            if self.now() - start > within:
                raise Failed(f"not so within {within:g} s: {what}")
            await asyncio.sleep(LOOK_S)
        return self.now() - start

    async def hit(self, fault: str, *, times: int = 1, within: float = 30.0) -> None:
        """Wait until a fault has happened."""

        async def has_happened() -> bool:
            return (await self.exchange.counts()).get(fault, 0) >= times

        await self.until(f"{times} x {fault}", has_happened, within=within)

    async def look(self) -> tuple[Verdict, Kept]:
        """One comparison of the exchange with the ledger as they are now."""
        books = await self.exchange.books()
        kept = read_ledger(self.folder / LEDGER)
        return judge(books, kept), kept

    async def settle(self, engine: Engine, *, within: float = 30.0, trades: bool = True) -> Kept:
        """Wait for equal books that stay equal; measures the seconds it took. Raises Failed."""
        start = self.now()
        equal_at, calm = 0.0, 0
        while True:
            verdict, kept = await self._try_look()
            is_well = verdict is not None and not verdict.problems
            if is_well and trades:
                status = await engine.status()
                is_well = status is not None and status.is_trading and not status.unknown_orders
            calm = calm + 1 if is_well else 0
            if calm == 1:
                equal_at = self.now()
            if calm >= STAYS and verdict is not None and kept is not None:
                self._conclude(verdict, equal_at - start)
                return kept
            if self.now() - start > within:
                self._conclude(verdict, self.now() - start)
                told = "; ".join(verdict.problems[:4]) if verdict is not None else "no ledger"
                raise Failed(f"the books are not equal after {within:g} s: {told or 'not trading'}")
            await asyncio.sleep(LOOK_S)

    async def _try_look(self) -> tuple[Verdict | None, Kept | None]:
        try:
            return await self.look()
        except LedgerFault:
            # Between two commits of the writer; the next look finds it whole, or never does.
            return None, None

    def _conclude(self, verdict: Verdict | None, truth_s: float) -> None:
        if verdict is None:
            return
        check(verdict.intents > 0, "nothing was ordered: this run shows nothing")
        self.verdict = verdict
        self.measure(
            intents=verdict.intents,
            orders=verdict.at_venue,
            duplicates=verdict.duplicates,
            fills=verdict.fills,
            lost=verdict.lost_fills,
            unknown_s=verdict.unknown_s,
            truth_s=truth_s,
        )

    async def close(self) -> None:
        """End every process."""
        for engine in self._engines:
            await engine.end()
        if self._exchange is not None:
            await self._exchange.close()


def check(condition: bool, text: str) -> None:
    """Raise Failed with a text unless it is so."""
    if not condition:
        raise Failed(text)


def notices(folder: Path, name: str) -> list[dict[str, Any]]:
    """The events of a name in the engine's logs, oldest first."""
    found = []
    for file in sorted((folder / "logs").glob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            entry = msgspec.json.decode(line)
            if entry.get("event") == name:
                found.append(entry)
    return found

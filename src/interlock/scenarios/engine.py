"""The engine of a scenario: `interlock live` in a process of its own, its socket, its ledger."""

from __future__ import annotations

from pathlib import Path

import msgspec

from interlock.live.control import Ask, Client, NotRunning
from interlock.scenarios.processes import Process
from interlock.scenarios.protocols import Protocol
from interlock.ui.read_model import Status

ACTOR = "scenario"
CASH = 20_000


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine trades: a score for the player, on these instruments."""

    score: str
    beat: float = 0.5
    rounds: int = 1
    is_protected: bool = False
    bases: tuple[str, ...] = ("BTC",)
    settings: tuple[str, ...] = ()
    protocol_version: str = "algo"
    dead_man_s: int = 0

    def words(self, url: str, folder: Path, protocol: Protocol) -> list[str]:
        """The command line behind `interlock`."""
        kind = "ProtectedPlayer" if self.is_protected else "Player"
        words = ["live", f"interlock.scenarios.player:{kind}"]
        words += ["--venue", protocol.name, "--url", url]
        for base in self.bases:
            words += ["--instrument", protocol.id(base)]
        if self.dead_man_s:
            words += ["--dead-man", str(self.dead_man_s)]
        values = {"score": self.score, "beat": str(self.beat), "rounds": str(self.rounds)}
        for text in (*(f"{name}={value}" for name, value in values.items()), *self.settings):
            words += ["--set", text]
        words += ["--state", str(folder), "--cash", str(CASH), "--json"]
        return [*words, "--protocol-version", self.protocol_version]


class Engine:
    """A running engine, seen by whoever stages faults and judges."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self._client = Client(folder)

    async def status(self) -> Status | None:
        """What it shows; None when it does not answer."""
        try:
            reply = await self._client.ask(Ask(verb="status"))
        except NotRunning:
            return None
        return reply.status

    async def command(self, verb: str, *, scope: str = "", reason: str = "scenario") -> str:
        """Ask for a verb; returns what the engine says to it."""
        ask = Ask(verb=verb, actor=ACTOR, reason=reason, scope=scope)
        return (await self._client.ask(ask)).text

    async def is_trading(self) -> bool:
        """Whether the books are confirmed and strategies hear the market."""
        status = await self.status()
        return status is not None and status.is_trading

    async def kill(self) -> None:
        """SIGKILL: nothing is finished."""
        await self._client.close()
        await self.process.kill()

    async def end(self) -> None:
        """A clean shutdown, or by force when it takes too long."""
        await self._client.close()
        await self.process.end()

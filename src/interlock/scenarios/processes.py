"""Processes of a scenario: started with their output in a folder, ended by their id, always."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

_END_S = 5.0
_LINE_MOST = 1 << 22


class StartFault(RuntimeError):
    """A process that did not say it is ready; the text has what it said instead."""


class Process:
    """One program of ours in a process of its own. The first line it prints says it is ready."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.name = name
        self._process = process
        self._errors = errors

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.returncode

    @property
    def said(self) -> str:
        """The last lines of its errors."""
        text = self._errors.read_text(encoding="utf-8", errors="replace")
        return " ".join(text.split())[-600:]

    async def ready(self, seconds: float) -> dict[str, Any]:
        """Its first line. Raises StartFault when it ends or says nothing in time."""
        stdout = self._process.stdout
        if stdout is None:
            raise StartFault(f"{self.name} has no output")
        try:
            line = await asyncio.wait_for(stdout.readline(), seconds)
        except TimeoutError:
            raise StartFault(
                f"{self.name} was not ready after {seconds:g} s: {self.said}"
            ) from None
        if not line:
            await self.wait(_END_S)
            raise StartFault(f"{self.name} ended with code {self.code}: {self.said}")
        found: dict[str, Any] = msgspec.json.decode(line)
        return found

    async def wait(self, seconds: float) -> int | None:
        """Wait for its end; None when it still runs."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        return self._process.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def kill(self) -> None:
        """As a crash: at once, nothing is finished."""
        self.send(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Ask it to end, then end it."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        if await self.wait(_END_S) is None:
            await self.kill()

    def memory_kb(self) -> int:
        """Resident memory, kB, as Linux counts it."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])


async def start(
    name: str, words: Sequence[str], folder: Path, *, environment: Mapping[str, str]
) -> Process:
    """Start `interlock` with these words; its errors go to ``folder/name.err``."""
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / f"{name}.err"
    file: IO[bytes] = errors.open("ab")
    with file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from interlock.cli import main; main()",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            env=dict(environment),
            limit=_LINE_MOST,
        )
    return Process(name, process, errors)

"""What the duel needs of a bot: a process in a folder, and what it says it believes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from bench.duel.judge import Books

REPOSITORY = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
_END_S = 8.0


@dataclass(frozen=True)
class Stage:
    """Where a bot trades, with which keys and which of the two strategies; its files' folder."""

    url: str
    ws_url: str
    key: str
    secret: str
    strategy: str
    folder: Path


class Bot:
    """One bot in a process of its own; started a second time it goes on from its files."""

    name: ClassVar[str]
    resting: ClassVar[int]  # how many orders it has resting when a script asks for six

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def problem() -> str:
        """Why it cannot run here, or nothing."""
        return ""

    @staticmethod
    def version() -> str:
        """What is measured."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """Its command line."""
        raise NotImplementedError

    def believed(self) -> Books:
        """What it says of its orders and positions, from its own records."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write the files it starts with."""

    def environment(self) -> Mapping[str, str]:
        """What it gets beside the present environment."""
        return {}

    # The process.
    def start(self) -> None:
        """Start it, or start it again."""
        file: IO[bytes] = (self.stage.folder / "bot.log").open("ab")
        with file:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.stage.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Ask it to end, then kill it and what it started."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        """Everything it printed."""
        path = self.stage.folder / "bot.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

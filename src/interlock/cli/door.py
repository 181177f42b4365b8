"""The way from a command to a running engine: its folder, questions with a time limit, exit codes.

| code | meaning |
|---|---|
| 0 | done, and seen to be done |
| 1 | the engine refused; the text says why |
| 2 | the command line cannot be read |
| 3 | no engine listens, or it does not answer |
| 4 | taken, but not seen to be finished in the time given |
| 5 | emergency stop: NOT verified flat; look at the venue |
| 130 | interrupted; what the engine has taken goes on |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from interlock.live.control import NAME, Ask, Client, NotRunning, Reply
from interlock.ui.read_model import Status

REFUSED = 1
NO_ENGINE = 3
NOT_FINISHED = 4
NOT_FLAT = 5
ANSWER_S = 3.0
RUNS = Path("live")


class Unreachable(click.ClickException):
    """No engine listens, or it does not answer."""

    exit_code = NO_ENGINE


def state_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the folder of an engine."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Folder of the engine.  [default: the one below ./live]",
    )(command)


def folder_of(state: Path | None) -> Path:
    """The folder that was named, or the only one below ./live that an engine listens in."""
    if state is not None:
        return state
    found = sorted(path.parent for path in RUNS.glob(f"*/{NAME}"))
    if len(found) > 1:
        names = ", ".join(str(path) for path in found)
        raise click.UsageError(f"several engines run below ./live: {names}; choose with --state")
    return found[0] if found else RUNS / "main"


class Door:
    """Asks one engine, again and again; every failure to get an answer is Unreachable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._client = Client(folder)

    async def status(self) -> Status:
        """The present state."""
        reply = await self.ask(Ask(verb="status"))
        if reply.status is None:
            raise Unreachable(f"the engine at {self.folder} has no state to tell: {reply.text}")
        return reply.status

    async def ask(self, ask: Ask) -> Reply:
        """Send, and wait a little for the answer."""
        try:
            return await asyncio.wait_for(self._client.ask(ask), ANSWER_S)
        except NotRunning as error:
            raise Unreachable(str(error)) from error
        except TimeoutError as error:
            await self.close()
            raise Unreachable(
                f"the engine at {self.folder} has not answered for {ANSWER_S:g} s; its process "
                "may hang: look at its log, and at the venue"
            ) from error
        except (msgspec.MsgspecError, ValueError) as error:
            await self.close()
            raise Unreachable(
                f"the engine at {self.folder} answers in words of another version ({error}); use "
                "the version that runs it"
            ) from error

    async def close(self) -> None:
        """Hang up; the next question calls again."""
        await self._client.close()

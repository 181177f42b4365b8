"""The operator's door: a Unix socket in the run's folder that takes verbs and tells the state.

Only the owner of the folder may connect. One line of JSON asks, one line answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from interlock.ui.read_model import Status

NAME = "control.sock"
LINE_MOST = 1 << 20


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator sends. ``verb`` is "status" or a verb of the engine."""

    verb: str
    actor: str = ""
    reason: str = ""
    scope: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back."""

    is_taken: bool
    text: str = ""
    status: Status | None = None


class NotRunning(ConnectionError):
    """Nobody listens in this folder; the text says what to do."""


class Control:
    """Listens until it is closed."""

    def __init__(
        self, folder: Path, *, status: Callable[[], Status], command: Callable[[Ask], str]
    ) -> None:
        self.path = folder / NAME
        self._status = status
        self._command = command
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Listen. A socket that a crash left behind is replaced."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._accept, path=str(self.path), limit=LINE_MOST
        )
        self.path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, and hang up on whoever is connected."""
        if self._server is None:
            return
        self._server.close()
        self.path.unlink(missing_ok=True)
        serving = dict(self._serving)
        for writer in serving.values():
            writer.close()
        if serving:
            await asyncio.wait(serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever goes away in the middle of an answer has gone; the next one is served.
        with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            while line := await reader.readline():
                writer.write(msgspec.json.encode(self._answer(line)) + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> Reply:
        try:
            ask = msgspec.json.decode(line, type=Ask)
        except msgspec.DecodeError as error:
            return Reply(is_taken=False, text=f"send one line of JSON with a verb: {error}")
        if ask.verb == "status":
            return Reply(is_taken=True, status=self._status())
        return Reply(is_taken=True, text=self._command(ask), status=self._status())


class Client:
    """Asks a running engine, line by line, over one connection."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, ask: Ask) -> Reply:
        """Send and wait for the answer. Raises NotRunning."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_unix_connection(str(self._path), limit=LINE_MOST)
            reader, writer = self._streams
            writer.write(msgspec.json.encode(ask) + b"\n")
            await writer.drain()
            line = await reader.readline()
        except OSError as error:
            await self.close()
            raise NotRunning(
                f"no engine listens at {self._path} ({error.strerror or error}); "
                "start one with `interlock live`, or name its folder with --state"
            ) from error
        if not line:
            await self.close()
            raise NotRunning(f"the engine at {self._path} has ended")
        return msgspec.json.decode(line, type=Reply)

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

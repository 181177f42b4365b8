"""The operator's door: a Unix socket in the run's folder that takes verbs and tells the state.

Only the owner of the folder may connect. One line of JSON asks, one line answers. The system takes
paths of sockets up to about 100 bytes; where the folder's is longer, the socket is in a folder of
its own among the temporary files, and its name in the run's folder leads there.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from interlock.ui.read_model import Status

NAME = "control.sock"
LINE_MOST = 1 << 20
# The least that a system takes is 104, with the zero at its end.
_PATH_MOST = 100
_PLACE = "interlock-"


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
        _remove(self.path)
        place = self.path
        if len(os.fsencode(self.path.absolute())) > _PATH_MOST:
            # Made for this user alone, under a name that nobody can have taken.
            place = Path(tempfile.mkdtemp(prefix=_PLACE)) / NAME
            self.path.symlink_to(place)
        self._server = await asyncio.start_unix_server(
            self._accept, path=str(place), limit=LINE_MOST
        )
        place.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, and hang up on whoever is connected."""
        if self._server is None:
            return
        self._server.close()
        _remove(self.path)
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


def _remove(path: Path) -> None:
    """Take a socket away, and where its name leads elsewhere the folder that was made for it."""
    if path.is_symlink():
        place = path.readlink()
        # Somebody may have cleaned up, or put something there: that stays.
        with suppress(OSError):
            place.unlink(missing_ok=True)
            if place.parent.name.startswith(_PLACE):
                place.parent.rmdir()
    path.unlink(missing_ok=True)


class Client:
    """Asks a running engine, line by line, over one connection."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, ask: Ask) -> Reply:
        """Send and wait for the answer. Raises NotRunning."""
        try:
            if self._streams is None:
                place = self._path.readlink() if self._path.is_symlink() else self._path
                self._streams = await asyncio.open_unix_connection(str(place), limit=LINE_MOST)
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

"""The operator's door: it opens in folders of any depth, and closes without a trace."""

from __future__ import annotations

import asyncio
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from interlock.live.control import NAME, Ask, Client, Control, NotRunning
from interlock.ui.read_model import Status

STATUS = Status(ts=1, account="main", venue="BINANCE", mode="live", state="trading")


def door(folder: Path) -> Control:
    folder.mkdir(parents=True, exist_ok=True)
    return Control(folder, status=lambda: STATUS, command=lambda ask: f"heard {ask.verb}")


@pytest.mark.parametrize("depth", [0, 3])
def test_it_opens_in_a_folder_of_any_depth(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-name-of-some-length"] * depth)

    async def talk() -> Path:
        control = door(folder)
        await control.open()
        place = control.path.resolve()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        client = Client(folder)
        reply = await client.ask(Ask(verb="pause", actor="ann", reason="a test"))
        assert (reply.text, reply.status) == ("heard pause", STATUS)
        await client.close()
        await control.close()
        return place

    place = asyncio.run(talk())
    assert (place.parent != folder.resolve()) is (depth > 0)
    assert not place.exists()
    assert place.parent.exists() is (depth == 0)
    assert list(folder.iterdir()) == []


def test_what_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-name-of-some-length"] * 3)

    folder.mkdir(parents=True)
    left = Path(tempfile.mkdtemp(prefix="interlock-")) / NAME
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(left))
    (folder / NAME).symlink_to(left)

    async def open_again() -> None:
        control, client = door(folder), Client(folder)
        await control.open()
        assert not left.parent.exists()
        assert (await client.ask(Ask(verb="status"))).status == STATUS
        await client.close()
        await control.close()

    asyncio.run(open_again())
    assert list(folder.iterdir()) == []


def test_a_folder_without_an_engine_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "gone" / NAME)
    with pytest.raises(NotRunning, match="start one with `interlock live`"):
        asyncio.run(Client(tmp_path).ask(Ask(verb="status")))

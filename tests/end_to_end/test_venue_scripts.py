"""The shipped fault scripts run, and the pages about the local exchange say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from interlock.sim.faults.script import (
    _COMMON,
    CALLS,
    FAULTS,
    REQUEST_FAULTS,
    STREAM_FAULTS,
    VENUE_FAULTS,
)
from interlock.venue.scripts import read_script
from tests.end_to_end.venue_desk import Desk, at_desk

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples" / "faults").glob("*.yaml"))
PAGE = (ROOT / "docs" / "venue.md").read_text(encoding="utf-8")
BOTS = (ROOT / "docs" / "point-your-bot.md").read_text(encoding="utf-8")


def _rows(heading: str) -> dict[str, str]:
    """First and second column of the table under a heading, without the code marks."""
    part = PAGE.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", part, flags=re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize(
    ("heading", "faults"),
    [("Requests", REQUEST_FAULTS), ("Streams", STREAM_FAULTS), ("The venue", VENUE_FAULTS)],
)
def test_the_page_lists_every_fault_with_its_values(heading: str, faults: Any) -> None:
    rows = _rows(heading)
    assert list(rows) == list(faults)
    for name, values in faults.items():
        assert tuple(re.findall(r"`(\w+)`", rows[name])) == values, name


def test_the_page_lists_every_common_key_and_call() -> None:
    rows = _rows("Every rule")
    assert list(rows) == list(_COMMON)
    for call in CALLS:
        assert f"`{call}`" in PAGE


def test_the_scripts_on_the_pages_can_be_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        assert read_script(path).rules


def test_every_script_is_on_the_page_that_says_when_to_use_it() -> None:
    for path in SCRIPTS:
        assert f"examples/faults/{path.name}" in BOTS, path.name
    assert len(SCRIPTS) >= 12


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_shipped_script_runs_from_begin_to_end(path: Path) -> None:
    script = read_script(path)
    assert yaml.safe_load(path.read_text())["title"]
    # A position and an order are there in time, so that every rule can be carried out.
    last = max(rule.at + rule.lasts for rule in script.rules) + 2 * 10**9

    async def course(desk: Desk) -> None:
        clock, injector = desk.exchange.clock, desk.exchange.injector
        user = await desk.user_socket()
        for _ in range(4):
            await desk.order()
            await desk.order(price="50000")
        begin = clock.now_ns()
        for rule in script.rules:
            injector.add(rule, begin)
        for number in range(6):
            await desk.order(newClientOrderId=f"now-{number}", price="50000")
            await desk.call(
                "DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=f"now-{number}"
            )
        clock.set_speed(60.0)
        looks = 0
        while clock.now_ns() < begin + last:
            # Seldom: a fast machine that asks at every turn is banned for it.
            if looks % 50 == 0:
                await desk.call("GET", "/fapi/v3/positionRisk")
            looks += 1
            books = await desk.books()
            if not books["account"]["positions"]:
                await desk.order(recvWindow=60000)
            if not books["open"]:
                await desk.order(price="50000", recvWindow=60000)
        assert desk.exchange.pace.problems == []
        if all(rule.probability == 1 for rule in script.rules):
            assert set(injector.counts) == {rule.fault for rule in script.rules}
        await user.close()

    at_desk(course)


def test_every_fault_has_a_shipped_script_or_a_test() -> None:
    shipped = {rule.fault for path in SCRIPTS for rule in read_script(path).rules}
    folder = Path(__file__).parent
    tested = "".join(path.read_text() for path in folder.glob("test_venue_*.py"))
    for fault in FAULTS:
        assert fault in shipped or f'"{fault}"' in tested, fault
    assert msgspec.json.encode(sorted(shipped))

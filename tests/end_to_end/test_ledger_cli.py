"""The ledger's commands, as a person at a terminal uses them."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from interlock.adapters.storage import open_ledger
from interlock.cli import main
from tests.ledger_rows import BTC, every_kind


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with open_ledger(path) as opened:
        opened.append(every_kind())
        opened.commit()
    return path


def _run(ledger: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["ledger", *words, "--ledger", str(ledger)])


def _good(ledger: Path, *words: str) -> str:
    done = _run(ledger, *words)
    assert done.exit_code == 0, done.output
    return done.output


def test_verify_says_how_many_rows_are_as_they_were_written(ledger: Path) -> None:
    assert "19 rows verified, 1 to 19" in _good(ledger, "verify")
    assert "5 rows verified, 15 to 19" in _good(ledger, "verify", "--tail", "5")
    said = json.loads(_good(ledger, "verify", "--json"))
    assert (said["rows"], said["problem"]) == (19, None)
    assert _run(ledger, "verify", "--anchor", f"19:{said['digest']}").exit_code == 0
    assert _run(ledger, "verify", "--anchor", f"18:{said['digest']}").exit_code == 1
    assert _run(ledger, "verify", "--anchor", "18").exit_code == 2


def test_verify_names_the_first_bad_row_and_the_way_on(ledger: Path) -> None:
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TRIGGER ledger_refuses_update")
        connection.execute("UPDATE ledger SET ts = 1 WHERE seq = 7")
    connection.close()
    done = _run(ledger, "verify")
    assert done.exit_code == 1
    assert "row 7 does not match its digest" in done.output
    assert "restore the newest backup" in done.output
    assert "row 7" in json.loads(_run(ledger, "verify", "--json").stdout)["problem"]


@pytest.mark.capability("S3-228", "S3-229", "S3-230")
def test_query_answers_the_questions_of_an_audit(ledger: Path) -> None:
    orders = _good(ledger, "query", "SELECT * FROM orders WHERE date = '2024-01-15'", "--json")
    assert json.loads(orders)["client_order_id"] == "e1-1"
    trips = _good(ledger, "query", "SELECT * FROM circuit_breaker_events WHERE event_type = 'TRIP'")
    assert "daily_loss" in trips
    assert "1 records" in trips
    reports = "SELECT * FROM reconciliation_reports WHERE severity = 'CRITICAL'"
    assert json.loads(_good(ledger, "query", reports, "--json"))["difference_count"] == 1


def test_query_refuses_what_is_no_question(ledger: Path) -> None:
    for sql in ("DELETE FROM ledger", "SELECT * FROM nowhere", "gibberish"):
        done = _run(ledger, "query", sql)
        assert done.exit_code == 1
        assert "a query may only read" in done.output


@pytest.mark.capability("S2-037", "S2-080")
def test_the_registry_of_client_order_ids_has_one_entry_per_line(
    ledger: Path, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "coid_registry.json"
    _good(ledger, "export", "--what", "registry", "--output", str(path))
    registry = json.loads(path.read_text())
    assert list(registry) == ["e1-1"]
    assert registry["e1-1"]["status"] == "filled"
    assert registry["e1-1"]["instrument"] == BTC
    assert len(path.read_text().splitlines()) == len(registry)
    line = json.loads(_good(ledger, "export", "--what", "registry", "--format", "jsonl"))
    assert line == {"client_order_id": "e1-1", **registry["e1-1"]}


def test_an_empty_registry_is_an_empty_object(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger.db").close()
    assert json.loads(_good(tmp_path / "ledger.db", "export", "--what", "registry")) == {}


def test_export_writes_rows_and_views(ledger: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in _good(ledger, "export").splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 20))
    assert lines[4]["kind"] == "intent"
    assert [
        json.loads(line)["seq"]
        for line in _good(ledger, "export", "--after", "17").split("\n")
        if line
    ] == [18, 19]
    path = tmp_path / "fills.csv"
    _good(ledger, "export", "--what", "fills", "--format", "csv", "--output", str(path))
    (fill,) = csv.DictReader(path.read_text().splitlines())
    assert (fill["instrument"], float(fill["price"])) == (BTC, 42000.0)
    rows = list(csv.DictReader(_good(ledger, "export", "--format", "csv").splitlines()))
    assert json.loads(rows[4]["row"])["client_order_id"] == "e1-1"
    assert _run(ledger, "export", "--what", "nothing").exit_code == 1
    assert _run(ledger, "export", "--format", "json").exit_code == 2


def test_views_are_listed_with_their_columns(ledger: Path) -> None:
    said = _good(ledger, "views")
    for name in ("orders", "fills", "circuit_breaker_events", "reconciliation_reports", "audit"):
        assert name in said


def test_a_ledger_goes_down_and_up_and_is_copied(ledger: Path, tmp_path: Path) -> None:
    assert "19 rows verified" in _good(ledger, "backup", str(tmp_path / "copy.db"))
    assert "* 3" in _good(ledger, "migrate", "--show")
    assert "down to 2" in _good(ledger, "migrate", "--to", "2")
    assert "interlock ledger migrate" in _run(ledger, "rebuild").output
    assert "up to 3" in _good(ledger, "migrate")
    assert "nothing to do" in _good(ledger, "migrate")
    assert "made again from 19 rows" in _good(ledger, "rebuild")


def test_a_missing_ledger_is_named_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for words in (["verify"], ["views"], ["migrate"], ["rebuild"], ["query", "SELECT 1"]):
        done = _run(path, *words)
        assert done.exit_code == 1
        assert "ledger.db" in done.output
    assert not path.exists()

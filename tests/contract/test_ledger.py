"""The contract of the ledger, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from interlock.adapters.storage import Database, SqlLeases, SqlLedger, open_ledger, prepare, verify
from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.storage.migrations import NEWEST, migrate, version
from interlock.adapters.storage.rebuild import rebuild
from interlock.adapters.storage.schema import projections
from interlock.adapters.storage.verification import check_anchor
from interlock.model import rows
from interlock.model.order import Change, OrderStatus
from interlock.ports import LedgerFault, StaleLease
from tests import ledger_rows

HOUR = 3_600 * ledger_rows.SECOND


def _session(count: int) -> list[rows.AnyRow]:
    """Orders of which every second one fills."""
    found: list[rows.AnyRow] = [
        rows.InstrumentRow(ts_event=ledger_rows.NOON, instrument=ledger_rows.INSTRUMENT)
    ]
    for number in range(count):
        order = ledger_rows.intent(number, ledger_rows.NOON + number * ledger_rows.SECOND)
        found += [order, ledger_rows.moved(order, Change.SUBMIT, after=OrderStatus.SUBMITTED)]
        if number % 2:
            found += [
                ledger_rows.filled(order, trade_id=number),
                ledger_rows.moved(order, Change.FILL_ALL, after=OrderStatus.FILLED),
            ]
    return found


def _projected(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the projections hold."""
    with database.engine.connect() as connection:
        return {
            name: sorted(tuple(record) for record in connection.execute(table.select()))
            for name, table in projections.tables.items()
        }


def _all(connection: Connection, text: str) -> list[dict[str, object]]:
    return [dict(record) for record in connection.exec_driver_sql(text).mappings()]


def test_rows_come_back_in_order_after_a_commit(store: str) -> None:
    written = ledger_rows.every_kind()
    with open_ledger(store) as ledger:
        assert ledger.last() == 0
        assert ledger.append(written[:5]) == 5
        assert ledger.append(written[5:]) == len(written)
        assert list(ledger.read()) == []
        assert ledger.commit() == len(written)
        assert list(ledger.read()) == list(enumerate(written, start=1))
    with open_ledger(store) as ledger:
        assert ledger.last() == len(written)
        assert list(ledger.read(after=7)) == list(enumerate(written, start=1))[7:]


def test_what_was_not_committed_is_gone(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.commit()
        ledger.append([ledger_rows.intent(2)])
    with open_ledger(store) as ledger:
        assert ledger.last() == 1


class _Interrupted(list[rows.AnyRow]):
    """Rows during whose reading another thread begins and ends a commit."""

    def __init__(self, content: list[rows.AnyRow], ledger: SqlLedger) -> None:
        super().__init__(content)
        self._ledger = ledger

    def __iter__(self) -> Iterator[rows.AnyRow]:
        thread = threading.Thread(target=self._ledger.commit)
        thread.start()
        thread.join()
        return super().__iter__()


def test_a_commit_in_the_middle_of_an_append_loses_no_row(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        assert ledger.append(_Interrupted([ledger_rows.intent(2)], ledger)) == 2
        assert ledger.commit() == 2


def test_one_thread_appends_while_another_commits(store: str) -> None:
    count = 300
    with open_ledger(store) as ledger:
        done = threading.Event()

        def commit() -> None:
            while not done.is_set():
                ledger.commit()

        writer = threading.Thread(target=commit)
        writer.start()
        for number in range(count):
            assert ledger.append([ledger_rows.intent(number)]) == number + 1
        done.set()
        writer.join()
        assert ledger.commit() == count
        assert [seq for seq, _ in ledger.read()] == list(range(1, count + 1))


def test_the_chain_is_the_same_in_every_database(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
        found = verify(ledger.database)
    assert found.problem is None
    # Digests are for ever: this one changes only when old ledgers no longer verify.
    assert found.digest == "5c2c9b64e310368c766c04f65b7897b9781168a2dafe798b58e56ee19d2f40bc"


def test_a_second_intent_under_an_id_is_refused_and_nothing_of_its_commit_stays(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.commit()
        ledger.append([ledger_rows.intent(2), ledger_rows.intent(1)])
        with pytest.raises(LedgerFault, match="one intent per client order id"):
            ledger.commit()
        with pytest.raises(LedgerFault, match="one intent per client order id"):
            ledger.append([ledger_rows.intent(3)])
    with open_ledger(store) as ledger:
        assert ledger.last() == 1


def test_a_fill_counts_once_but_both_sides_of_a_trade_with_oneself_count(store: str) -> None:
    fill = ledger_rows.filled(ledger_rows.intent(1))
    other = rows.FillRow(
        ts_event=fill.ts_event,
        fill=type(fill.fill)(**{**_fields(fill.fill), "side": -1}),
        client_order_id="e1-2",
        strategy="trend",
        account=fill.account,
        position_after=0,
    )
    with open_ledger(store) as ledger:
        ledger.append([fill, other])
        ledger.commit()
        ledger.append([fill])
        with pytest.raises(LedgerFault, match="every fill once"):
            ledger.commit()


def _fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}  # type: ignore[attr-defined]


def test_a_ledger_is_read_as_of_one_moment_while_it_grows(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1), ledger_rows.intent(2)])
        ledger.commit()
        found = read_stored(ledger.database)
        assert next(found).seq == 1
        ledger.append([ledger_rows.intent(3)])
        ledger.commit()
        assert [stored.seq for stored in found] == [2]
        assert [stored.seq for stored in read_stored(ledger.database)] == [1, 2, 3]


def test_two_writers_cannot_both_go_on(store: str) -> None:
    with open_ledger(store) as first, open_ledger(store) as second:
        first.append([ledger_rows.intent(1)])
        first.commit()
        second.append([ledger_rows.intent(2)])
        with pytest.raises(LedgerFault, match="written by somebody else after row 0"):
            second.commit()
        assert [row.key for _, row in first.read()] == ["e1-1"]


def test_a_stale_epoch_writes_nothing(store: str) -> None:
    leases = SqlLeases(store)
    old = leases.acquire("main", "one", ts=0, ttl_ns=HOUR)
    assert old is not None
    with open_ledger(store, leases=[old]) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.commit()
        new = leases.acquire("main", "two", ts=HOUR, ttl_ns=HOUR)
        assert new is not None
        ledger.append([ledger_rows.intent(2)])
        with pytest.raises(StaleLease, match="holds epoch 1, the ledger knows 2"):
            ledger.commit()
    with pytest.raises(StaleLease):
        open_ledger(store, leases=[old])
    with open_ledger(store, leases=[new]) as ledger:
        assert ledger.last() == 1
        ledger.append([ledger_rows.intent(2, epoch=2)])
        assert ledger.commit() == 2


@pytest.mark.capability("S3-220", "S3-228")
def test_orders_and_fills_are_found_by_date(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(_session(4))
        ledger.commit()
        with ledger.database.engine.connect() as connection:
            orders = _all(connection, "SELECT * FROM orders WHERE date = '2024-01-15' ORDER BY seq")
            fills = _all(connection, "SELECT * FROM fills WHERE date = '2024-01-15' ORDER BY seq")
            none = _all(connection, "SELECT * FROM orders WHERE date = '2024-01-16'")
    assert [order["status"] for order in orders] == ["submitted", "filled"] * 2
    assert [fill["client_order_id"] for fill in fills] == ["e1-1", "e1-3"]
    assert none == []
    order = orders[1]
    assert order["time"] == "2024-01-15T12:00:01.000000000Z"
    assert (order["side"], order["type"]) == ("buy", "limit")
    values = ("quantity", "filled", "price", "average_price", "fee")
    assert [float(str(order[name])) for name in values] == [0.005, 0.005, 42000.0, 42000.0, 0.084]


@pytest.mark.parametrize("batches", [1, 3])
def test_an_execution_alone_fills_its_order_in_the_view(store: str, batches: int) -> None:
    first, second = ledger_rows.intent(1), ledger_rows.intent(2)
    over = ledger_rows.moved(second, Change.CANCEL, after=OrderStatus.CANCELED)
    written = [first, ledger_rows.filled(first, trade_id=1), second, over]
    written.append(ledger_rows.filled(second, trade_id=2))
    with open_ledger(store) as ledger:
        for start in range(0, len(written), len(written) // batches):
            ledger.append(written[start : start + len(written) // batches])
            ledger.commit()
        with ledger.database.engine.connect() as connection:
            orders = _all(connection, "SELECT * FROM orders ORDER BY seq")
    assert [order["status"] for order in orders] == ["filled", "canceled"]
    assert [order["filled_units"] for order in orders] == [first.spec.quantity] * 2
    assert [order["venue_order_id"] for order in orders] == ["77", "77"]


@pytest.mark.capability("S3-221", "S3-229", "S3-222", "S3-230", "S3-223", "S3-224")
def test_the_audit_questions_have_answers(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
        with ledger.database.engine.connect() as connection:
            trips = _all(
                connection, "SELECT * FROM circuit_breaker_events WHERE event_type = 'TRIP'"
            )
            reports = _all(
                connection, "SELECT * FROM reconciliation_reports WHERE severity = 'CRITICAL'"
            )
            causes = _all(connection, "SELECT cause, ours, venue FROM reconciliation_differences")
            audit = _all(connection, "SELECT kind, name, actor, outcome FROM audit ORDER BY seq")
    assert [(trip["breaker"], trip["value"], trip["limit_value"]) for trip in trips] == [
        ("daily_loss", 31, 30)
    ]
    assert [(report["scope"], report["difference_count"]) for report in reports] == [("full", 1)]
    assert causes == [{"cause": "manual_trade", "ours": "5", "venue": "7"}]
    kinds = {record["kind"] for record in audit}
    assert {"order", "fill", "breaker", "reconcile", "checkpoint", "command"} <= kinds
    assert {"kind": "command", "name": "pause", "actor": "kim", "outcome": "accepted"} in audit


def test_projections_follow_from_the_rows(store: str) -> None:
    with open_ledger(store) as ledger:
        batch = [*_session(7), *ledger_rows.every_kind()[5:]]
        # Cut into commits of every size, so that an order's rows lie in one and in several.
        while batch:
            size = len(batch) % 5 + 1
            ledger.append(batch[:size])
            ledger.commit()
            batch = batch[size:]
        before = _projected(ledger.database)
        assert rebuild(ledger.database) == ledger.last()
        assert _projected(ledger.database) == before
    assert all(before.values())


def test_every_version_goes_down_and_up_again_with_data(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
    database = prepare(store)
    before, digest = _projected(database), verify(database).digest
    for target in (NEWEST - 1, 1):
        migrate(database, target)
        assert version(database) == target
        assert verify(database).digest == digest
        with pytest.raises(LedgerFault, match="interlock ledger migrate"):
            open_ledger(store)
        migrate(database)
        assert version(database) == NEWEST
        assert _projected(database) == before
    with pytest.raises(LedgerFault, match="holds 19 rows"):
        migrate(database, 0)
    with open_ledger(store) as ledger:
        assert ledger.last() == len(ledger_rows.every_kind())


def test_an_empty_ledger_goes_down_to_nothing(store: str) -> None:
    database = prepare(store)
    assert len(migrate(database, 0)) == NEWEST
    assert version(database) == 0
    with pytest.raises(LedgerFault, match="holds no ledger"):
        open_ledger(store, create=False)


def test_a_later_version_is_refused(store: str) -> None:
    database = prepare(store)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (99, 'of tomorrow')")
    with pytest.raises(LedgerFault, match="start the newer program"):
        open_ledger(store)


def _edit(database: Database, *statements: str) -> None:
    """What a person with a database tool and bad intent could do."""
    migrate(database, NEWEST - 1)
    with database.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    migrate(database)


def test_the_database_refuses_to_change_a_row(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
    database = prepare(store)
    for statement in ("UPDATE ledger SET ts = 1", "DELETE FROM ledger WHERE seq = 19"):
        with (
            pytest.raises(LedgerFault, match="append-only"),
            database.faults("was edited"),
            database.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("edit", "first_bad", "what"),
    [
        ("UPDATE ledger SET ts = ts + 1 WHERE seq = 9", 9, "was changed"),
        ("UPDATE ledger SET key = 'other' WHERE seq = 5", 5, "was changed"),
        ("DELETE FROM ledger WHERE seq = 7", 7, "is missing"),
        ("DELETE FROM ledger WHERE seq > 17", 18, "is missing; the ledger ends at 19"),
    ],
)
def test_an_edited_ledger_is_not_opened(store: str, edit: str, first_bad: int, what: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
    database = prepare(store)
    migrate(database, 1)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(edit)
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (2, 'x'), (3, 'y')")
    found = verify(database)
    assert found.problem is not None
    assert found.last == first_bad - 1
    assert f"row {first_bad} " in str(found.problem)
    assert what in str(found.problem)
    assert "restore the newest backup" in str(found.problem)
    with pytest.raises(LedgerFault, match="do not trade on it"):
        open_ledger(store)


def test_a_noted_digest_tells_a_rewritten_ledger(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
        digest = ledger.digest_at(12)
        assert digest is not None
        assert check_anchor(ledger.database, 12, digest) is None
        assert "another digest" in str(check_anchor(ledger.database, 11, digest))
        assert "is missing" in str(check_anchor(ledger.database, 20, digest))

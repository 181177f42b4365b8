"""Rows staged before their commit: the same ledger, with whatever goes wrong left to the commit."""

from __future__ import annotations

from contextlib import closing

import pytest

from interlock.adapters.storage import SqlLeases, open_ledger, prepare, verify
from interlock.ports import LedgerFault, StaleLease
from tests import ledger_rows

HOUR = 3_600 * ledger_rows.SECOND


def test_a_staged_ledger_is_the_same_ledger(store: str) -> None:
    with open_ledger(store) as ledger:
        for row in ledger_rows.every_kind():
            ledger.append([row])
            ledger.stage()
            ledger.commit()
        found = verify(ledger.database)
    assert found.problem is None
    assert found.digest == "5c2c9b64e310368c766c04f65b7897b9781168a2dafe798b58e56ee19d2f40bc"


def test_nothing_staged_is_seen_before_its_commit(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.stage()
        assert (ledger.last(), list(ledger.read())) == (0, [])
        ledger.commit()
        assert [seq for seq, _ in ledger.read()] == [1]


def test_what_was_staged_and_not_committed_is_gone(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.stage()
    with open_ledger(store) as ledger:
        assert ledger.last() == 0
        ledger.append([ledger_rows.intent(1)])
        assert ledger.commit() == 1


def test_rows_that_come_after_the_stage_are_in_this_commit_or_the_next(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.stage()
        ledger.append([ledger_rows.intent(2)])
        ledger.stage()
        assert ledger.commit() >= 1
        assert ledger.commit() == 2
        assert [seq for seq, _ in ledger.read()] == [1, 2]


def test_another_writer_makes_the_commit_wait_and_not_the_stage(store: str) -> None:
    with open_ledger(store) as ledger, closing(prepare(store).connect()) as other:
        other.cursor().execute(ledger.database.begin)
        ledger.append([ledger_rows.intent(1)])
        # Would raise after the five seconds that a commit waits.
        ledger.stage()
        other.cursor().execute("ROLLBACK")
        assert ledger.commit() == 1


def test_a_stale_epoch_is_said_by_the_commit(store: str) -> None:
    leases = SqlLeases(prepare(store))
    old = leases.acquire("main", "one", ts=0, ttl_ns=HOUR)
    assert old is not None
    with open_ledger(store, leases=[old]) as ledger:
        assert leases.acquire("main", "two", ts=HOUR, ttl_ns=HOUR) is not None
        ledger.append([ledger_rows.intent(1)])
        ledger.stage()
        with pytest.raises(StaleLease, match="holds epoch 1, the ledger knows 2"):
            ledger.commit()
        assert list(ledger.read()) == []


def test_a_broken_rule_is_said_by_the_commit_and_nothing_of_it_stays(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append([ledger_rows.intent(1)])
        ledger.stage()
        ledger.commit()
        ledger.append([ledger_rows.intent(2), ledger_rows.intent(1)])
        ledger.stage()
        with pytest.raises(LedgerFault, match="one intent per client order id"):
            ledger.commit()
        with pytest.raises(LedgerFault, match="one intent per client order id"):
            ledger.append([ledger_rows.intent(3)])
        assert [seq for seq, _ in ledger.read()] == [1]


def test_a_renewal_is_seen_by_everybody_at_once(store: str) -> None:
    leases = SqlLeases(prepare(store))
    lease = leases.acquire("main", "one", ts=0, ttl_ns=HOUR)
    assert lease is not None
    renewed = leases.renew(lease, ts=HOUR, ttl_ns=HOUR)
    assert renewed is not None and renewed.ts_expires == 2 * HOUR
    others = SqlLeases(prepare(store))
    assert others.current("main") == renewed
    assert others.acquire("main", "two", ts=HOUR, ttl_ns=HOUR) is None


def test_a_tidied_log_begins_anew(store: str) -> None:
    with open_ledger(store) as ledger:
        if ledger.database.path is None:
            ledger.tidy()
            return
        log = ledger.database.path.with_name(ledger.database.path.name + "-wal")
        sizes = []
        for part in range(4):
            for number in range(50):
                ledger.append([ledger_rows.intent(50 * part + number)])
                ledger.stage()
                ledger.commit()
            sizes.append(log.stat().st_size)
            ledger.tidy()
        # Without it every part adds what the first one did.
        assert sizes[-1] < 2 * sizes[0]

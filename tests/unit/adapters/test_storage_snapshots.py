"""Snapshots: whole or passed over, and never those of another ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.storage import FolderSnapshots, open_ledger
from interlock.ports import LedgerFault
from tests.ledger_rows import intent


def test_the_newest_comes_back_and_the_oldest_go(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(tmp_path / "new", keep=3)
    assert snapshots.latest() is None
    for seq in (1, 20, 300, 4_000, 50_000):
        snapshots.save(seq, b"state %d" % seq)
    assert snapshots.latest() == (50_000, b"state 50000")
    assert len(list((tmp_path / "new").iterdir())) == 3


@pytest.mark.parametrize("position", [0, 9, 20, 60, -1])
def test_a_damaged_one_is_passed_over_and_told(tmp_path: Path, position: int) -> None:
    snapshots = FolderSnapshots(tmp_path)
    for seq in (1, 2):
        snapshots.save(seq, b"state" * 40)
    newest = max(tmp_path.iterdir())
    data = bytearray(newest.read_bytes())
    data[position] ^= 0xFF
    newest.write_bytes(data)
    assert snapshots.latest() == (1, b"state" * 40)
    assert snapshots.findings == [f"{newest} is damaged; the one before it is used"]
    newest.write_bytes(data[:30])
    assert snapshots.latest() == (1, b"state" * 40)
    assert "too short" in snapshots.findings[0]


def test_it_belongs_to_its_ledger(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "one.db") as ledger:
        ledger.append([intent(1), intent(2)])
        ledger.commit()
        snapshots = FolderSnapshots(tmp_path / "states", anchor=ledger.digest_at)
        with pytest.raises(LedgerFault, match="row 3 is not durable"):
            snapshots.save(3, b"too early")
        snapshots.save(2, b"state")
        assert snapshots.latest() == (2, b"state")
    with open_ledger(tmp_path / "other.db") as other:
        strangers = FolderSnapshots(tmp_path / "states", anchor=other.digest_at)
        with pytest.raises(LedgerFault, match="the ledger ends before it: rows were lost"):
            strangers.latest()
        other.append([intent(3), intent(4)])
        other.commit()
        with pytest.raises(LedgerFault, match="the ledger has another row there"):
            strangers.latest()


def test_one_to_keep_is_no_way_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep at least 2"):
        FolderSnapshots(tmp_path, keep=1)

"""Files on a full disk: the error names the file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from interlock.adapters.system import append_durably, naming, write_atomically

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")


def test_appending_to_a_full_disk_names_the_file(tmp_path: Path) -> None:
    journal = tmp_path / "trials.jsonl"
    journal.symlink_to(FULL)
    with pytest.raises(OSError, match="trials.jsonl") as caught:
        append_durably(journal, b"line\n")
    assert caught.value.errno == errno.ENOSPC


def test_writing_to_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / f".table.json.{os.getpid()}.partial").symlink_to(FULL)
    with pytest.raises(OSError, match="table.json") as caught:
        write_atomically(tmp_path / "table.json", b"content")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_has_a_file_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"), naming(tmp_path / "other"):
        (tmp_path / "missing").read_bytes()

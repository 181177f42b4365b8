"""An import that is killed at any change of the disk leaves the old rows or the new ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.research.catalog import Catalog
from tests.end_to_end.kill_import import FINE, bars, change

ROOT = Path(__file__).resolve().parents[2]
NEW = {"replace": (10, 200.5), "append": (20, 100.125)}
POINTS_MOST = 30


def killed(before: Path, mode: str) -> Iterator[Catalog]:
    """The catalogs that the killed imports leave, the first kill first; the last one lived."""
    for point in range(1, POINTS_MOST):
        root = before.with_name(f"{mode}-{point}")
        shutil.copytree(before, root)
        command = [sys.executable, "-m", "tests.end_to_end.kill_import"]
        ended = subprocess.run(
            [*command, str(root), mode, str(point)], cwd=ROOT, capture_output=True, text=True
        )
        yield Catalog(root)
        if ended.returncode == 0:
            assert int(ended.stdout) == point - 1
            return
        assert ended.returncode == -9, ended.stderr
    pytest.fail(f"more than {POINTS_MOST} changes of the disk")


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_kill_at_any_change_leaves_the_old_rows_or_the_new_ones(
    tmp_path: Path, mode: str
) -> None:
    before = tmp_path / "before"
    Catalog(before).put(bars(FINE, 100.125), origin="old")
    seen = []
    for catalog in killed(before, mode):
        loaded = catalog.bars(FINE.id, "1m")
        seen.append((len(loaded), float(loaded.prices("open")[0])))
        assert catalog.verify(FINE.id, "bars-1m").rows == len(loaded)
        assert catalog.names(FINE.id) == ["bars-1m"]
        # The same command again ends as if nothing had happened, and nothing is left over.
        if seen[-1] != NEW[mode]:
            change(catalog, mode)
        elif mode == "append":
            catalog.put(bars(FINE, 1.0, first=20), origin="newer")
        else:
            change(catalog, mode)
        entry = catalog.verify(FINE.id, "bars-1m")
        assert sorted(path.name for path in (catalog.root / FINE.id).iterdir()) == [
            ".lock", entry.file, "bars-1m.json", "instrument.json",
        ]  # fmt: skip
    switched = seen.index(NEW[mode])
    assert set(seen[:switched]) == {(10, 100.125)}
    assert set(seen[switched:]) == {NEW[mode]}
    assert switched >= 4 and len(seen) > switched + 1

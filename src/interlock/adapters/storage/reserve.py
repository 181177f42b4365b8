"""Space set aside beside a ledger: an engine on a full disk can still write its last rows."""

from __future__ import annotations

from pathlib import Path

from interlock.adapters.system import free_bytes

# Enough for some ten thousand rows: the way down, not a way on.
SIZE = 16 * 1024 * 1024


class Reserve:
    """A file of real blocks. Releasing it gives them back to the disk, once."""

    def __init__(self, ledger: Path, size: int = SIZE) -> None:
        self._path = ledger.with_name(ledger.name + ".reserve")
        self._size = size
        self._hold()

    def release(self) -> bool:
        """Give the space back; False when there was none to give."""
        if not self._path.exists():
            return False
        self._path.unlink()
        return True

    def _hold(self) -> None:
        """Set the space aside where there is plenty; a full disk is the next commit's to report."""
        if self._path.exists() or free_bytes(self._path.parent) < 4 * self._size:
            return
        try:
            with self._path.open("wb") as file:
                # Written, not only allocated: some file systems give no blocks before.
                for _ in range(self._size // len(_BLOCK)):
                    file.write(_BLOCK)
        except OSError:
            self._path.unlink(missing_ok=True)


_BLOCK = bytes(1024 * 1024)

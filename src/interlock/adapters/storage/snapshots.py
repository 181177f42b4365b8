"""Snapshots: states in files, one per snapshot, whole or not there, tied to the ledger's chain."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from struct import Struct
from struct import error as StructError

from interlock.adapters.system import write_atomically
from interlock.ports import LedgerFault

_MAGIC = b"ILSNAP1\n"
# Magic, sequence, the ledger's digest after that row, the digest of all that follows it.
_header = Struct(">8sq32s32s")
_PATTERN = "snapshot-*.state"
_UNTIED = bytes(32)


class FolderSnapshots:
    """The last few states in a folder. A damaged one is passed over for the one before it.

    ``anchor`` gives the ledger's digest after a row; with it a snapshot that does not belong to the
    ledger, or lies beyond its end, is a LedgerFault: one of the two is not the engine's.
    ``findings`` names what ``latest`` passed over.
    """

    def __init__(
        self, folder: Path, *, keep: int = 5, anchor: Callable[[int], bytes | None] | None = None
    ) -> None:
        if keep < 2:
            raise ValueError(f"keep {keep} leaves nothing to fall back to; keep at least 2")
        self._folder = folder
        self._keep = keep
        self._anchor = anchor
        self.findings: list[str] = []

    def save(self, seq: int, state: bytes) -> None:
        """Keep the state that includes the ledger up to ``seq``; the oldest ones go."""
        digest = _UNTIED if self._anchor is None else self._anchor(seq)
        if digest is None:
            raise LedgerFault(f"row {seq} is not durable; commit it before the snapshot")
        self._folder.mkdir(parents=True, exist_ok=True)
        checksum = sha256(seq.to_bytes(8, "big") + digest + state).digest()
        content = _header.pack(_MAGIC, seq, digest, checksum) + state
        write_atomically(self._folder / f"snapshot-{seq:016d}.state", content)
        for path in self._paths()[self._keep :]:
            path.unlink(missing_ok=True)

    def latest(self, *, upto: int | None = None) -> tuple[int, bytes] | None:
        """The newest state that is whole, with its sequence; None when there is none.

        With ``upto`` the newest that includes no row after it.
        """
        self.findings = []
        for path in self._paths():
            if upto is not None and _seq(path) > upto:
                continue
            found = self._read(path)
            if found is not None:
                return found
        return None

    def sequences(self) -> list[int]:
        """Up to which rows there are states, the newest first, whole or not."""
        return [_seq(path) for path in self._paths()]

    def _paths(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob(_PATTERN), reverse=True)

    def _read(self, path: Path) -> tuple[int, bytes] | None:
        content = path.read_bytes()
        try:
            magic, seq, digest, checksum = _header.unpack_from(content)
        except StructError:
            self.findings.append(f"{path} is too short for a snapshot; the one before it is used")
            return None
        state = content[_header.size :]
        wanted = sha256(seq.to_bytes(8, "big", signed=True) + digest + state).digest()
        if magic != _MAGIC or checksum != wanted:
            self.findings.append(f"{path} is damaged; the one before it is used")
            return None
        self._check_anchor(path, seq, digest)
        return seq, state

    def _check_anchor(self, path: Path, seq: int, digest: bytes) -> None:
        if self._anchor is None or digest == _UNTIED:
            return
        found = self._anchor(seq)
        if found == digest:
            return
        what = "ends before it" if found is None else "has another row there"
        raise LedgerFault(
            f"{path} includes row {seq}, but the ledger {what}: rows were lost, or this is another "
            "ledger. Restore the ledger that belongs to it; if this one is the backup you want, "
            f"move the snapshots after its end out of {path.parent} first (docs/ledger.md, Restore)"
        )


def _seq(path: Path) -> int:
    return int(path.stem.partition("-")[2])

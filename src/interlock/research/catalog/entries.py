"""One stored entry: a Parquet file of integer columns and the sidecar that vouches for it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from interlock.model.instrument import Instrument
from interlock.research.catalog.errors import EntryCorrupt, NotFound
from interlock.research.catalog.files import FileLayer, write_together
from interlock.research.catalog.table import PRICES, QUANTITIES, Table, digest_of
from interlock.strategy.columns import Integers

_ROW_GROUP = 262_144


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where data came from and what was done to it on request, for the sidecar."""

    origin: str
    imported_by: str = "interlock"
    synthetic: bool = False
    rounded: int = 0
    collapsed: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a sidecar says of its Parquet file; times in ns UTC, ``last`` is the last row's ts."""

    instrument: str
    name: str
    kind: str
    step_ns: int
    rows: int
    first: int
    last: int
    digest: str
    file_digest: str
    price_exponent: int
    quantity_exponent: int
    origin: str
    synthetic: bool
    imported_by: str
    rounded: int = 0
    collapsed: int = 0

    def provenance_with(self, added: Provenance, collapsed: int) -> Provenance:
        """The provenance of this entry joined with added rows."""
        origins = dict.fromkeys((self.origin, added.origin))
        return msgspec.structs.replace(
            added,
            origin="; ".join(origins),
            synthetic=self.synthetic or added.synthetic,
            rounded=self.rounded + added.rounded,
            collapsed=self.collapsed + added.collapsed + collapsed,
        )


class Trusted:
    """Remembers which files matched their sidecar, so that each is hashed once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int, int]] = set()

    def verify(self, folder: Path, entry: Entry) -> None:
        """Compare the Parquet bytes with the sidecar; raises EntryCorrupt."""
        path = folder / f"{entry.name}.parquet"
        state = path.stat()
        key = (f"{path}:{entry.file_digest}", state.st_size, state.st_mtime_ns)
        if key not in self._seen:
            verify_file(folder, entry)
            self._seen.add(key)

    def forget(self) -> None:
        """Hash every file again."""
        self._seen.clear()


def write_entry(layer: FileLayer, folder: Path, *, table: Table, provenance: Provenance) -> Entry:
    """Store the table and its sidecar so that a reader sees both or trusts neither."""
    frame = pl.DataFrame({name: pl.Series(array) for name, array in table.arrays.items()})
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", row_group_size=_ROW_GROUP)
    content = buffer.getbuffer()
    times = table.arrays["ts"]
    entry = Entry(
        instrument=table.instrument.id,
        name=table.name,
        kind=table.kind,
        step_ns=table.step_ns,
        rows=len(table),
        first=int(times[0]),
        last=int(times[-1]),
        digest=digest_of(table),
        file_digest=hashlib.sha256(content).hexdigest(),
        price_exponent=table.instrument.price_exponent,
        quantity_exponent=table.instrument.quantity_exponent,
        **msgspec.structs.asdict(provenance),
    )
    sidecar = msgspec.json.format(msgspec.json.encode(entry), indent=2) + b"\n"
    write_together(
        layer,
        [
            (folder / f"{entry.name}.parquet", content),
            (folder / f"{entry.name}.json", memoryview(sidecar)),
        ],
    )
    return entry


def read_entry(folder: Path, name: str) -> Entry:
    """The sidecar of an entry; raises NotFound or EntryCorrupt."""
    sidecar, data = folder / f"{name}.json", folder / f"{name}.parquet"
    if not sidecar.exists():
        if data.exists():
            raise EntryCorrupt(_unfinished(data, "has no sidecar"))
        raise NotFound(
            f"{folder.name} has no {name}; `interlock data list` shows what there is, "
            "`interlock data import` adds files"
        )
    if not data.exists():
        raise EntryCorrupt(_unfinished(data, "is gone while its sidecar is there"))
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=Entry)
    except (msgspec.DecodeError, OSError) as error:
        raise EntryCorrupt(_unfinished(sidecar, f"cannot be read ({error})")) from error


def entry_names(folder: Path) -> list[str]:
    """Names of the entries of an instrument folder, unfinished ones included."""
    stems = {p.stem for p in folder.glob("*.parquet")} | {p.stem for p in folder.glob("*.json")}
    return sorted(stems - {"instrument"})


def verify_file(folder: Path, entry: Entry) -> None:
    """Compare the Parquet bytes with the sidecar; raises EntryCorrupt."""
    path = folder / f"{entry.name}.parquet"
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != entry.file_digest:
        raise EntryCorrupt(
            _unfinished(path, f"has sha256 {found[:12]}, its sidecar {entry.file_digest[:12]}")
        )


def read_table(folder: Path, entry: Entry, *, instrument: Instrument) -> Table:
    """All rows of an entry in the units that it was written with."""
    path = folder / f"{entry.name}.parquet"
    try:
        # One column at a time: the peak is the columns and the reading of one of them.
        arrays = {
            name: pl.read_parquet(path, columns=[name]).get_column(name).to_numpy()
            for name in pl.read_parquet_schema(path)
        }
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EntryCorrupt(_unfinished(path, f"cannot be read ({error})")) from error
    return Table(instrument, entry.kind, arrays, entry.step_ns)


def in_units_of(instrument: Instrument, table: Table, *, entry: Entry) -> Table:
    """The table in the instrument's units, which may be finer than those on disk (exact)."""
    scales = {
        PRICES: instrument.price_exponent - entry.price_exponent,
        QUANTITIES: instrument.quantity_exponent - entry.quantity_exponent,
    }
    if min(scales.values()) < 0:
        raise EntryCorrupt(
            f"{entry.instrument} {entry.name} is stored in units of 1e-{entry.price_exponent} "
            f"(price) and 1e-{entry.quantity_exponent} (quantity), finer than the instrument's; "
            f"raise its exponents again or remove the entry and import it"
        )
    arrays = dict(table.arrays)
    for names, shift in scales.items():
        for name in names if shift else ():
            if name in arrays:
                arrays[name] = _scaled(arrays[name], shift, f"{entry.instrument} {entry.name}")
    return Table(instrument, table.kind, arrays, table.step_ns)


def _scaled(values: Integers, shift: int, where: str) -> Integers:
    factor = 10**shift
    if int(np.abs(values).max(initial=0)) * factor >= 2**63:
        raise EntryCorrupt(
            f"{where}: values do not fit 64 bits in units finer by 10^{shift}; lower the exponents "
            "of the instrument and import the finer data with --round"
        )
    scaled: Integers = values * factor
    return scaled


def _unfinished(path: Path, what: str) -> str:
    return (
        f"{path} {what}: an import was interrupted or the file was changed; "
        f"remove it with `interlock data remove {path.parent.name} {path.stem}` and import again"
    )

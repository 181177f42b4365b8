"""One stored entry: a Parquet file of integer columns and the sidecar that vouches for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from interlock.model.instrument import Instrument
from interlock.research.catalog.errors import EntryCorrupt, NotFound
from interlock.research.catalog.files import placed
from interlock.research.catalog.table import PRICES, QUANTITIES, Table
from interlock.strategy.columns import Integers


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
    # The file that this vouches for; entries of before it had versions have one of their name.
    file: str = ""

    @property
    def data_file(self) -> str:
        """Name of the Parquet file in the instrument's folder."""
        return self.file or f"{self.name}.parquet"

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
        path = folder / entry.data_file
        try:
            state = path.stat()
        except FileNotFoundError:
            raise EntryCorrupt(_gone(folder, entry.name)) from None
        key = (f"{path}:{entry.file_digest}", state.st_size, state.st_mtime_ns)
        if key not in self._seen:
            verify_file(folder, entry)
            self._seen.add(key)

    def forget(self) -> None:
        """Hash every file again."""
        self._seen.clear()


def read_entry(folder: Path, name: str) -> Entry:
    """The sidecar of an entry whose file is there; raises NotFound or EntryCorrupt."""
    while True:
        before = placed(sidecar_of(folder, name))
        entry = _sidecar(folder, name)
        if (folder / entry.data_file).exists():
            return entry
        # Replaced between the two looks, or gone.
        if placed(sidecar_of(folder, name)) == before:
            raise EntryCorrupt(_gone(folder, name))


def sidecar_of(folder: Path, name: str) -> Path:
    """Where an entry's sidecar is; renaming a new one there is what replaces an entry."""
    return folder / f"{name}.json"


def _sidecar(folder: Path, name: str) -> Entry:
    path = sidecar_of(folder, name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except FileNotFoundError:
        data = data_files(folder, name)
        if data:
            raise EntryCorrupt(_unfinished(data[0], "has no sidecar", name)) from None
        raise NotFound(
            f"{folder.name} has no {name}; `interlock data list` shows what there is, "
            "`interlock data import` adds files"
        ) from None
    except (msgspec.DecodeError, OSError) as error:
        raise EntryCorrupt(_unfinished(path, f"cannot be read ({error})", name)) from error


def entry_names(folder: Path) -> list[str]:
    """Names of the entries of an instrument folder, unfinished ones included."""
    found = (*folder.glob("*.parquet"), *folder.glob("*.json"))
    return sorted({path.name.partition(".")[0] for path in found} - {"instrument"})


def data_files(folder: Path, name: str) -> list[Path]:
    """The Parquet files of an entry, those that its sidecar does not vouch for included."""
    found = (*folder.glob(f"{name}.parquet"), *folder.glob(f"{name}.*.parquet"))
    return sorted(path for path in found if not path.name.startswith("."))


def verify_file(folder: Path, entry: Entry) -> None:
    """Compare the Parquet bytes with the sidecar; raises EntryCorrupt."""
    path = folder / entry.data_file
    try:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        raise EntryCorrupt(_gone(folder, entry.name)) from None
    if found != entry.file_digest:
        what = f"has sha256 {found[:12]}, its sidecar {entry.file_digest[:12]}"
        raise EntryCorrupt(_unfinished(path, what, entry.name))


def read_table(folder: Path, entry: Entry, *, instrument: Instrument) -> Table:
    """All rows of an entry in the units that it was written with."""
    path = folder / entry.data_file
    try:
        # One column at a time: the peak is the columns and the reading of one of them.
        arrays = {
            name: pl.read_parquet(path, columns=[name]).get_column(name).to_numpy()
            for name in pl.read_parquet_schema(path)
        }
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EntryCorrupt(_unfinished(path, f"cannot be read ({error})", entry.name)) from error
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


def _gone(folder: Path, name: str) -> str:
    return _unfinished(sidecar_of(folder, name), "names a file that is gone", name)


def _unfinished(path: Path, what: str, name: str) -> str:
    return (
        f"{path} {what}: an import was interrupted or the file was changed; "
        f"remove it with `interlock data remove {path.parent.name} {name}` and import again"
    )

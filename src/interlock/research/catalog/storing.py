"""Storing an entry so that a crash at any instant leaves the old rows or the new ones.

New rows go into a file of their own, named by its content, beside the file of the old ones. The
sidecar names the file that counts: renaming a new sidecar over the old one is the moment at which
the entry changes, and the only one. The old file is removed after it; what a crash leaves of either
is removed by the next import of the entry.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import polars as pl

from interlock.model.instrument import Instrument
from interlock.research.catalog.entries import Entry, Provenance, data_files, read_entry, sidecar_of
from interlock.research.catalog.errors import CatalogError
from interlock.research.catalog.files import FileLayer, draft_of, write_whole
from interlock.research.catalog.instruments import widened
from interlock.research.catalog.registry import write_instrument
from interlock.research.catalog.table import Table, digest_of

_ROW_GROUP = 262_144


def store(layer: FileLayer, folder: Path, *, table: Table, provenance: Provenance) -> Entry:
    """Let the table be the rows of its entry, and its instrument the one of the folder.

    The caller holds the folder and has checked the units. Raises CatalogError with the old rows
    in place.
    """
    entry = _stage(layer, folder, table=table, provenance=provenance)
    with ExitStack() as failed:
        failed.callback(_unstage, layer, folder, entry)
        write_instrument(layer, folder, instrument=_readable_by_both(folder, table))
        _switch(layer, folder, entry)
        failed.pop_all()
    # What cannot be removed is in nobody's way, and the next import tries again.
    with suppress(OSError):
        sweep_up(layer, folder, name=table.name, keep=entry.file)
    write_instrument(layer, folder, instrument=table.instrument)
    return entry


def sweep_up(layer: FileLayer, folder: Path, *, name: str, keep: str) -> None:
    """Remove the files of an entry but ``keep``: those of its past, and those that a crash left."""
    drafts = (*folder.glob(f".{name}.*.draft"), draft_of(sidecar_of(folder, name)))
    for path in (*data_files(folder, name), *drafts):
        if path.name != keep:
            layer.remove(path)


def _stage(layer: FileLayer, folder: Path, *, table: Table, provenance: Provenance) -> Entry:
    """Write the rows into a file that nothing refers to yet; returns the sidecar to switch to."""
    frame = pl.DataFrame({name: pl.Series(array) for name, array in table.arrays.items()})
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", row_group_size=_ROW_GROUP)
    content = buffer.getbuffer()
    file_digest = hashlib.sha256(content).hexdigest()
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
        file_digest=file_digest,
        price_exponent=table.instrument.price_exponent,
        quantity_exponent=table.instrument.quantity_exponent,
        file=f"{table.name}.{file_digest[:16]}.parquet",
        **msgspec.structs.asdict(provenance),
    )
    write_whole(layer, folder / entry.file, content)
    return entry


def _switch(layer: FileLayer, folder: Path, entry: Entry) -> None:
    """Let the staged rows be those of the entry; a reader sees the old ones until then."""
    sidecar = msgspec.json.format(msgspec.json.encode(entry), indent=2) + b"\n"
    write_whole(layer, sidecar_of(folder, entry.name), memoryview(sidecar))


def _unstage(layer: FileLayer, folder: Path, entry: Entry) -> None:
    # A switch that fails while it waits for the disk has renamed its sidecar already.
    with suppress(CatalogError):
        if read_entry(folder, entry.name).file == entry.file:
            return
    layer.remove(folder / entry.file)


def _readable_by_both(folder: Path, table: Table) -> Instrument:
    """The table's instrument, in finer units where the rows that it replaces need them."""
    try:
        stored = read_entry(folder, table.name)
    except CatalogError:
        return table.instrument
    return widened(
        table.instrument, stored.price_exponent, quantity_exponent=stored.quantity_exponent
    )

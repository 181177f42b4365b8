"""Instruments on disk: one folder each, its instrument.json, and units that never coarsen."""

from __future__ import annotations

from pathlib import Path

import msgspec

from interlock.model.instrument import Instrument, InstrumentError
from interlock.research.catalog.entries import entry_names, read_entry
from interlock.research.catalog.errors import CatalogError, EntryCorrupt, ImportRefused, NotFound
from interlock.research.catalog.files import FileLayer, write_whole

_FORBIDDEN = frozenset('/\\:*?"<>|') | {chr(code) for code in range(32)}
_FILE = "instrument.json"


def folder_of(root: Path, instrument_id: str) -> Path:
    """The folder of an instrument; an id that would leave the root is refused."""
    bad = _FORBIDDEN & set(instrument_id)
    if not instrument_id or bad or instrument_id.startswith(".") or len(instrument_id) > 120:
        raise CatalogError(
            f"instrument id {instrument_id!r} cannot name a folder; use letters, digits, "
            "'-', '_' and '.', such as BTCUSDT-PERP.BINANCE"
        )
    return root / instrument_id


def instrument_file(root: Path, instrument_id: str) -> Path:
    """Where an instrument is stored."""
    return folder_of(root, instrument_id) / _FILE


def registered(root: Path) -> list[str]:
    """Ids of all instruments, ordered."""
    return sorted(path.parent.name for path in root.glob(f"*/{_FILE}"))


def is_registered(root: Path, instrument_id: str) -> bool:
    """Whether the root holds the instrument."""
    return instrument_file(root, instrument_id).exists()


def read_instrument(root: Path, instrument_id: str) -> Instrument:
    """One instrument; raises NotFound naming those that exist."""
    path = instrument_file(root, instrument_id)
    if not path.exists():
        raise NotFound(
            f"instrument {instrument_id} is not in {root}; there are: "
            f"{', '.join(registered(root)) or 'none'}; add one with `interlock data import`"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=Instrument)
    except (msgspec.DecodeError, InstrumentError, OSError) as error:
        raise EntryCorrupt(
            f"{path} cannot be read: {error}; repair it or import with --instrument-file"
        ) from error


def check_units(folder: Path, instrument: Instrument, *, rewriting: str = "") -> None:
    """Refuse units that are coarser than those of a stored entry, ``rewriting`` excepted."""
    for name in entry_names(folder):
        if name == rewriting:
            continue
        entry = read_entry(folder, name)
        if (
            instrument.price_exponent < entry.price_exponent
            or instrument.quantity_exponent < entry.quantity_exponent
        ):
            raise ImportRefused(
                f"{instrument.id} {name} is stored with price exponent {entry.price_exponent} "
                f"and quantity exponent {entry.quantity_exponent}; smaller ones "
                f"({instrument.price_exponent}, {instrument.quantity_exponent}) would round "
                f"it: remove it first (`interlock data remove {instrument.id} {name}`)"
            )


def write_instrument(layer: FileLayer, folder: Path, *, instrument: Instrument) -> None:
    """Store an instrument, unless that is what is stored; its units have been checked."""
    content = msgspec.json.format(msgspec.json.encode(instrument), indent=2) + b"\n"
    path = folder / _FILE
    if not path.exists() or path.read_bytes() != content:
        write_whole(layer, path, memoryview(content))

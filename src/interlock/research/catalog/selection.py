"""What a run reads: named entries of the catalog, gathered into one dataset with its digest."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from interlock.research.catalog.entries import Entry
from interlock.research.catalog.errors import NotFound
from interlock.research.catalog.table import digest_of, table_of
from interlock.strategy.columns import Columns, Dataset

_GROUP = {"mark": "marks"}


@dataclass(frozen=True, slots=True)
class Selection:
    """One instrument and one of its entries; an empty name means every entry it has."""

    instrument: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Selection:
        """``ID``, ``ID:1m``, ``ID:bars-1m``, ``ID:quotes``: a bare step means its bars."""
        instrument, _, name = text.partition(":")
        return cls(instrument, f"bars-{name}" if name[:1].isdigit() else name)


class Source(Protocol):
    """The part of a catalog that a dataset is built from."""

    def entries(self, instrument_id: str | None = None) -> tuple[Entry, ...]: ...

    def describe(self, instrument_id: str, name: str) -> Entry: ...

    def read(
        self, instrument_id: str, name: str, *, start: int | None = None, end: int | None = None
    ) -> Columns: ...


def dataset_of(
    source: Source,
    selections: Sequence[Selection | str],
    *,
    start: int | None,
    end: int | None,
    name: str,
) -> Dataset:
    """Read every selected entry once, in the order of instrument and entry name."""
    entries = _chosen(source, selections)
    parts = [source.read(entry.instrument, entry.name, start=start, end=end) for entry in entries]
    groups: defaultdict[str, list[Columns]] = defaultdict(list)
    for part in parts:
        groups[_GROUP.get(part.kind, part.kind)].append(part)
    values: dict[str, Any] = {kind: tuple(found) for kind, found in groups.items()}
    return Dataset(
        name=name or ", ".join(f"{entry.instrument}:{entry.name}" for entry in entries),
        digest=content_digest(parts),
        synthetic=any(
            entry.synthetic or part.instrument.synthetic
            for entry, part in zip(entries, parts, strict=True)
        ),
        **values,
    )


def content_digest(parts: Sequence[Columns]) -> str:
    """sha256 over the instrument JSON and the column bytes of the parts, whatever their order."""
    lines = [
        msgspec.json.encode(part.instrument) + b" " + digest_of(table_of(part)).encode()
        for part in parts
    ]
    return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()


def _chosen(source: Source, selections: Sequence[Selection | str]) -> list[Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for selection in selections:
        chosen = Selection.parse(selection) if isinstance(selection, str) else selection
        if chosen.name:
            entries = [source.describe(chosen.instrument, chosen.name)]
        else:
            entries = list(source.entries(chosen.instrument))
        if not entries:
            raise NotFound(
                f"{chosen.instrument} has no data; import some with `interlock data import`"
            )
        found.update({(entry.instrument, entry.name): entry for entry in entries})
    if not found:
        raise NotFound("nothing was selected; name an instrument such as BTCUSDT-PERP.BINANCE:1m")
    return [found[key] for key in sorted(found)]

"""An incident file: a zip of members, each named with its SHA-256 in a manifest.

What is in it: the ledger's rows with the chain that ties them, the market that the kernel heard,
the snapshot before them, and the terms of the start. The chain is checked again when a file is
opened, so that a row cannot be changed without changing the digest of the last one, which
`interlock ledger verify` prints for the run itself.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interlock.adapters.system import write_atomically
from interlock.adapters.tape.events import Decoder, Encoder, Stream, structs
from interlock.live.terms import Terms, TermsError, decode_terms
from interlock.model.chain import link
from interlock.model.rows import LedgerRow, StoredRow
from interlock.runtime.values import Command, LeaseChanged, Tick

FORMAT = "interlock incident"
VERSION = 1
MANIFEST, ROWS, TAPE, SNAPSHOT, TERMS = (
    "manifest.json",
    "rows.msgpack",
    "tape.msgpack",
    "snapshot.bin",
    "terms.json",
)
KNOWN = structs((Tick, Command, LeaseChanged))
_MEMBER_MOST = 1 << 31


class IncidentError(ValueError):
    """A file, a folder or a change that cannot be used; says why and what helps."""


class Sealed(msgspec.Struct, frozen=True):
    """A member of the file: its size in bytes and its SHA-256."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds. Times are ns UTC, ``first`` to ``last`` are the ledger's sequences.

    The state before ``first`` is that of the snapshot of row ``first - 1``, or a fresh one when
    ``first`` is 1. ``before`` and ``after`` are the chain's digests around the rows. Rows before
    ``judged`` were decided under other terms and only rebuild the state. ``lacking`` says what the
    tape or the snapshots had lost.
    """

    format: str
    version: int
    written_by: str
    account: str
    mode: str
    first: int
    last: int
    judged: int
    asked: int
    ts_first: int
    ts_last: int
    before: str
    after: str
    market: int
    has_snapshot: bool
    is_whole: bool
    epochs: tuple[int, ...]
    lacking: tuple[str, ...]
    members: dict[str, Sealed] = {}


class Row(NamedTuple):
    """A ledger row with the epoch that its chain covers."""

    stored: StoredRow
    epoch: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An opened file. ``tape`` are market events with the row each came after."""

    manifest: Manifest
    terms: Terms
    rows: Sequence[StoredRow]
    tape: Sequence[tuple[int, Any]]
    snapshot: bytes | None
    seal: str


class _RowDump(msgspec.Struct, array_like=True):
    seq: int
    ts: int
    kind: str
    key: str
    epoch: int
    body: bytes
    digest: bytes


class _TapeDump(msgspec.Struct, array_like=True):
    """Streams once, then events as the row each came after, its stream's number, its values."""

    streams: list[Stream]
    events: list[tuple[int, int, list[Any]]]


_pack = msgspec.msgpack.Encoder(order="deterministic").encode


def pack_rows(rows: Sequence[Row]) -> bytes:
    """The rows as a member."""
    return _pack(
        [
            _RowDump(
                found.stored.seq,
                found.stored.row.ts_event,
                found.stored.row.kind,
                found.stored.row.key,
                found.epoch,
                found.stored.row.body,
                found.stored.digest,
            )
            for found in rows
        ]
    )


def pack_tape(tape: Sequence[tuple[int, Any]]) -> bytes:
    """The market as a member."""
    encoder, numbers = Encoder(KNOWN), dict[Stream, int]()
    events = []
    for seq, event in tape:
        stream, values = encoder.encode(event)
        number = numbers.setdefault(stream, len(numbers))
        events.append((seq, number, values))
    return _pack(_TapeDump(list(numbers), events))


def write_incident(path: Path, manifest: Manifest, members: dict[str, bytes]) -> str:
    """Write the file whole or not at all; returns its seal, the SHA-256 of the manifest."""
    sealed = {
        name: Sealed(len(content), hashlib.sha256(content).hexdigest())
        for name, content in sorted(members.items())
    }
    manifest = msgspec.structs.replace(manifest, members=sealed)
    head = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in ((MANIFEST, head), *sorted(members.items())):
            # A fixed date: the same window gives the same file.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    return hashlib.sha256(head).hexdigest()


def open_incident(path: Path) -> Incident:
    """Read and check a file; raises IncidentError for what is none, damaged or tampered with."""
    members, head = _members(path)
    manifest = _manifest(path, head)
    _check_members(path, manifest, members)
    try:
        terms = decode_terms(members[TERMS], f"{path}: {TERMS}")
        rows = _rows(path, manifest, members[ROWS])
        tape = list(_tape(members[TAPE]))
    except (TermsError, msgspec.DecodeError, ValueError, LookupError) as error:
        if isinstance(error, IncidentError):
            raise
        raise IncidentError(f"{path} cannot be read: {error}; capture it again") from error
    return Incident(
        manifest=manifest,
        terms=terms,
        rows=rows,
        tape=tape,
        snapshot=members.get(SNAPSHOT),
        seal=hashlib.sha256(head).hexdigest(),
    )


def _members(path: Path) -> tuple[dict[str, bytes], bytes]:
    try:
        with zipfile.ZipFile(path) as file:
            if sum(info.file_size for info in file.infolist()) > _MEMBER_MOST:
                raise IncidentError(f"{path} unpacks to more than {_MEMBER_MOST} bytes; not read")
            names = file.namelist()
            if len(set(names)) != len(names):
                raise IncidentError(f"{path} was tampered with: a member is there twice")
            members = {name: file.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise IncidentError(
            f"{path} is no incident file or is damaged ({error}); copy or capture it again"
        ) from error
    except OSError as error:
        raise IncidentError(f"{path} cannot be read: {error.strerror or error}") from error
    head = members.pop(MANIFEST, None)
    if head is None:
        raise IncidentError(
            f"{path} is no incident file: it has no {MANIFEST}; `interlock incident capture` "
            "writes one"
        )
    return members, head


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


def _manifest(path: Path, head: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(head, type=_Head)
        if found.format != FORMAT:
            raise IncidentError(f"{path} is no incident file: its format is {found.format!r}")
        if found.version != VERSION:
            raise IncidentError(
                f"{path} has version {found.version} of the format, this program reads {VERSION}; "
                "use the version of interlock that wrote it"
            )
        return msgspec.json.decode(head, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IncidentError(f"{path}: {MANIFEST} is damaged: {error}") from error


def _check_members(path: Path, manifest: Manifest, members: dict[str, bytes]) -> None:
    for name, sealed in manifest.members.items():
        content = members.get(name)
        if content is None:
            raise IncidentError(f"{path} was tampered with: {name} is missing")
        if hashlib.sha256(content).hexdigest() != sealed.sha256:
            raise IncidentError(
                f"{path} was tampered with or is damaged: {name} does not match its SHA-256; "
                "do not use it, ask for the file again"
            )
    for name in sorted(members.keys() - manifest.members.keys()):
        raise IncidentError(f"{path} was tampered with: {name} is not in the manifest")
    wanted = {ROWS, TAPE, TERMS} | ({SNAPSHOT} if manifest.has_snapshot else set())
    for name in sorted(wanted - members.keys()):
        raise IncidentError(f"{path} was tampered with: the manifest lacks {name}")


def _rows(path: Path, manifest: Manifest, content: bytes) -> list[StoredRow]:
    """The rows, each checked against the chain."""
    before, wanted = bytes.fromhex(manifest.before), manifest.first
    rows = []
    for found in msgspec.msgpack.decode(content, type=list[_RowDump]):
        row = LedgerRow(ts_event=found.ts, kind=found.kind, key=found.key, body=found.body)
        if found.seq != wanted or link(before, found.seq, row, epoch=found.epoch) != found.digest:
            raise IncidentError(
                f"{path} was tampered with: row {wanted} does not follow from the rows before it"
            )
        rows.append(StoredRow(seq=found.seq, digest=found.digest, row=row))
        before, wanted = found.digest, wanted + 1
    if wanted != manifest.last + 1 or before.hex() != manifest.after:
        raise IncidentError(f"{path} was tampered with: it does not end at row {manifest.last}")
    return rows


def _tape(content: bytes) -> Iterator[tuple[int, Any]]:
    found = msgspec.msgpack.decode(content, type=_TapeDump)
    decoder = Decoder(KNOWN)
    for seq, number, values in found.events:
        yield seq, decoder.decode(found.streams[number], values)

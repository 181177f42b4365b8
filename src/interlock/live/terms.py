"""The terms of a run: what it was started with, one file per start, so that it can be replayed.

A file names what neither ledger nor tape holds: strategies with their source and parameters,
limits, settings, the rules of the instruments, and the versions of the programs. Keys are not
among them. It is written once and never changed; the lease's epoch is its name.
"""

from __future__ import annotations

import hashlib
import math
import platform
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import msgspec

import interlock
from interlock.adapters.system import write_atomically
from interlock.live.targets import LiveTarget
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.runtime.recovery import Member, Setup
from interlock.runtime.settings import Settings

FOLDER = "terms"
VERSION = 1
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


class MemberTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of a run. ``capital`` is in money units, ``step_ns`` the bars of a target in ns.

    ``source`` is the text of the module that defines ``kind``; empty where there is no file.
    ``reference`` is how a person would name it. An infinite parameter is its text.
    """

    name: str
    capital: int
    reference: str
    module: str
    kind: str
    parameters: dict[str, bool | int | float | str] = {}
    source: str = ""
    source_sha256: str = ""
    is_target: bool = False
    step_ns: int = 0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one start was given. ``versions`` are those of the programs, by name."""

    version: int
    epoch: int
    ts: int
    currency: str
    limits: Limits
    settings: Settings
    instruments: tuple[Instrument, ...]
    members: tuple[MemberTerms, ...]
    versions: dict[str, str]


class TermsError(ValueError):
    """A state folder without the terms of a start; says why and what helps."""


def terms_of(setup: Setup, epoch: int, ts: int) -> Terms:
    """The terms of a setup that starts under a lease's epoch."""
    return Terms(
        version=VERSION,
        epoch=epoch,
        ts=ts,
        currency=setup.currency,
        limits=setup.limits,
        settings=setup.settings,
        instruments=tuple(setup.instruments),
        members=tuple(_member(member) for member in setup.members),
        versions=dict(versions()),
    )


def write_terms(folder: Path, terms: Terms) -> Path:
    """Write a start's terms below the state folder; raises OSError."""
    path = _path(folder, terms.epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(terms), indent=1) + b"\n")
    return path


def read_terms(folder: Path, epoch: int) -> Terms:
    """The terms of the start with this epoch. Raises TermsError."""
    path = _path(folder, epoch)
    try:
        return decode_terms(path.read_bytes(), str(path))
    except OSError as error:
        raise TermsError(
            f"{path} cannot be read ({error.strerror or error}): the terms of the start with epoch "
            f"{epoch} are not known. Runs of a version before this file was written cannot be "
            "replayed; start the engine once more, what it does from then on can"
        ) from error


def newest_terms(folder: Path) -> Terms | None:
    """The terms of the last start in a state folder; None where there are none to read."""
    for path in sorted((folder / FOLDER).glob("*.json"), reverse=True):
        try:
            return decode_terms(path.read_bytes(), str(path))
        except (TermsError, OSError):
            continue
    return None


def changed(before: Terms, setup: Setup) -> list[str]:
    """What a start gives strategies otherwise than the last one did, a line for each."""
    known = {member.name: member for member in before.members}
    found = []
    for member in map(_member, setup.members):
        old = known.get(member.name)
        if old is None:
            continue
        if old.step_ns != member.step_ns:
            found.append(f"{member.name}: bars of {old.step_ns} ns, now {member.step_ns} ns")
        for name, value in member.parameters.items():
            kept = old.parameters.get(name, value)
            if kept != value:
                found.append(f"{member.name}: {name}={kept}, now {name}={value}")
    return found


def decode_terms(content: bytes, where: str) -> Terms:
    """Terms from their bytes; raises TermsError naming ``where``."""
    try:
        found = msgspec.json.decode(content, type=Terms)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TermsError(f"{where} is damaged: {error}; restore it from a copy") from error
    if found.version != VERSION:
        raise TermsError(
            f"{where} has version {found.version}, this program reads {VERSION}; use the version "
            f"that wrote it ({found.versions.get('interlock', 'unknown')})"
        )
    return found


def versions() -> Mapping[str, str]:
    """Python, this package and what it depends on, by name."""
    found = {"python": platform.python_version(), "interlock": interlock.__version__}
    try:
        wanted = metadata.requires("interlock") or []
    except metadata.PackageNotFoundError:
        return found
    for requirement in wanted:
        match = _REQUIREMENT.match(requirement)
        if match is None or "extra ==" in requirement:
            continue
        try:
            found[match.group()] = metadata.version(match.group())
        except metadata.PackageNotFoundError:
            continue
    return found


def _path(folder: Path, epoch: int) -> Path:
    return folder / FOLDER / f"{epoch:08d}.json"


def _member(member: Member) -> MemberTerms:
    strategy = member.strategy
    subject = strategy.subject if isinstance(strategy, LiveTarget) else strategy
    kind = type(subject)
    source, digest = _source(kind)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    place = Path(file).name if file and "." not in kind.__module__ else kind.__module__
    return MemberTerms(
        name=member.name,
        capital=member.capital,
        reference=f"{place}:{kind.__qualname__}",
        module=kind.__module__,
        kind=kind.__qualname__,
        parameters={name: _plain(value) for name, value in subject.parameter_values().items()},
        source=source,
        source_sha256=digest,
        is_target=isinstance(strategy, LiveTarget),
        step_ns=strategy.step_ns if isinstance(strategy, LiveTarget) else 0,
    )


def _plain(value: bool | int | float | str) -> bool | int | float | str:
    """A value as JSON can hold it: an infinite one as its text."""
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _source(kind: type) -> tuple[str, str]:
    """The text of the file that defines a class with its SHA-256; empty where there is none."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if not file or not file.endswith(".py"):
        return "", ""
    try:
        content = Path(file).read_bytes()
        return content.decode("utf-8-sig"), hashlib.sha256(content).hexdigest()
    except (OSError, UnicodeDecodeError):
        # Without its text a run trades as well; a replay then asks for --strategy.
        return "", ""

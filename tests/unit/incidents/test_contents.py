"""The file of an incident: whole, checked, refused when a byte of it was touched."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from interlock.incidents.capture import Window, capture
from interlock.incidents.contents import (
    MANIFEST,
    ROWS,
    SNAPSHOT,
    TAPE,
    TERMS,
    Incident,
    IncidentError,
    open_incident,
)
from interlock.incidents.running import replay
from tests.incident_run import play
from tests.toy_players import SECOND

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    play(made, seed=7)
    return made


@pytest.fixture(scope="module")
def sealed(folder: Path) -> Path:
    path = folder / "from-snapshot.incident"
    capture(folder, path, Window(span=40 * SECOND))
    return path


def rewritten(path: Path, target: Path, change: Callable[[Members], None]) -> Path:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target


def resealed(members: Members, name: str, content: bytes) -> None:
    """A forger's work: the member, and its line in the manifest."""
    members[name] = content
    manifest = json.loads(members[MANIFEST])
    digest = hashlib.sha256(content).hexdigest()
    manifest["members"][name] = {"size": len(content), "sha256": digest}
    members[MANIFEST] = json.dumps(manifest).encode()


def test_a_file_holds_what_a_replay_needs_and_opens_as_it_was_written(sealed: Path) -> None:
    found = open_incident(sealed)
    manifest = found.manifest
    assert set(manifest.members) == {ROWS, TAPE, SNAPSHOT, TERMS}
    assert [row.seq for row in found.rows] == list(range(manifest.first, manifest.last + 1))
    assert manifest.first > 1
    assert found.snapshot is not None
    assert len(found.tape) == manifest.market > 0
    assert found.terms.members[0].parameters["size"] == 2.0
    assert "class Dips" in found.terms.members[0].source
    assert found.terms.versions["msgspec"]


def test_the_same_window_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    seals = {capture(folder, path, Window()).seal for path in files}
    assert len(seals) == 1
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", [ROWS, TAPE, SNAPSHOT, TERMS])
def test_a_changed_byte_of_any_member_is_found(sealed: Path, tmp_path: Path, name: str) -> None:
    def change(members: Members) -> None:
        content = bytearray(members[name])
        content[len(content) // 2] ^= 1
        members[name] = bytes(content)

    with pytest.raises(IncidentError, match=f"{name} does not match its SHA-256"):
        open_incident(rewritten(sealed, tmp_path / "x", change))


def test_a_row_that_is_changed_with_its_digest_breaks_the_chain(
    sealed: Path, tmp_path: Path
) -> None:
    def change(members: Members) -> None:
        rows = msgspec.msgpack.decode(members[ROWS])
        rows[3][1] += 1
        resealed(members, ROWS, msgspec.msgpack.encode(rows))

    first = open_incident(sealed).manifest.first
    with pytest.raises(IncidentError, match=f"row {first + 3} does not follow"):
        open_incident(rewritten(sealed, tmp_path / "x", change))


def test_a_row_that_is_cut_off_is_missed(sealed: Path, tmp_path: Path) -> None:
    def change(members: Members) -> None:
        rows = msgspec.msgpack.decode(members[ROWS])
        resealed(members, ROWS, msgspec.msgpack.encode(rows[:-1]))

    with pytest.raises(IncidentError, match="does not end at row"):
        open_incident(rewritten(sealed, tmp_path / "x", change))


def test_members_are_those_of_the_manifest(sealed: Path, tmp_path: Path) -> None:
    def add(members: Members) -> None:
        members["more.py"] = b"print()"

    def drop(members: Members) -> None:
        del members[TAPE]

    with pytest.raises(IncidentError, match=r"more\.py is not in the manifest"):
        open_incident(rewritten(sealed, tmp_path / "x", add))
    with pytest.raises(IncidentError, match=f"{TAPE} is missing"):
        open_incident(rewritten(sealed, tmp_path / "y", drop))


def test_another_version_or_another_kind_of_file_is_refused(sealed: Path, tmp_path: Path) -> None:
    def later(members: Members) -> None:
        manifest = json.loads(members[MANIFEST])
        members[MANIFEST] = json.dumps(manifest | {"version": 2}).encode()

    with pytest.raises(IncidentError, match="has version 2 of the format, this program reads 1"):
        open_incident(rewritten(sealed, tmp_path / "x", later))
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(IncidentError, match="is no incident file or is damaged"):
        open_incident(text)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("a", b"b")
    with pytest.raises(IncidentError, match="it has no manifest"):
        open_incident(tmp_path / "other.zip")
    with pytest.raises(IncidentError, match="cannot be read: No such file"):
        open_incident(tmp_path / "nothing")


def test_a_byte_that_turned_anywhere_in_the_file_is_refused(sealed: Path, tmp_path: Path) -> None:
    """Not by a person who packs it again: the archive itself, in its data or its own tables."""
    whole, path = sealed.read_bytes(), tmp_path / "turned.incident"
    for place in range(0, len(whole), max(1, len(whole) // 300)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 0x5A,)) + whole[place + 1 :])
        try:
            assert open_incident(path).seal == open_incident(sealed).seal
        except IncidentError as error:
            assert str(path) in str(error)


def test_half_a_file_is_refused(sealed: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.write_bytes(sealed.read_bytes()[: sealed.stat().st_size // 2])
    with pytest.raises(IncidentError, match="damaged"):
        open_incident(half)


@pytest.mark.parametrize(
    ("window", "starts_at_one"),
    [
        (Window(), True),
        (Window(span=40 * SECOND), False),
        (Window(span=40 * SECOND, is_whole=True), True),
    ],
)
def test_every_window_replays_to_the_recorded_digest(
    folder: Path, tmp_path: Path, window: Window, starts_at_one: bool
) -> None:
    path = tmp_path / "x"
    manifest = capture(folder, path, window).manifest
    assert (manifest.first == 1) is starts_at_one
    verdict = replay(open_incident(path))
    assert verdict.is_reproduced
    assert verdict.counts["place"].then > 0


def test_a_window_ends_where_it_is_asked_to(folder: Path, tmp_path: Path) -> None:
    whole = open_incident(capture(folder, tmp_path / "whole", Window()).path)
    for row in whole.rows[15:-1:9]:
        found = capture(folder, tmp_path / "x", Window(ts_to=row.row.ts_event))
        assert row.seq <= found.manifest.last < whole.manifest.last
        assert replay(open_incident(found.path)).is_reproduced


def test_an_empty_window_and_a_strange_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IncidentError, match="has no row in that window"):
        capture(folder, tmp_path / "x", Window(ts_from=1, ts_to=2))
    with pytest.raises(IncidentError, match="is no state folder"):
        capture(tmp_path, tmp_path / "x", Window())
    assert not (tmp_path / "x").exists()


def test_a_key_of_the_environment_is_never_written(folder: Path, tmp_path: Path) -> None:
    found: Incident = open_incident(capture(folder, tmp_path / "x", Window()).path)
    planted = "class Dips(Strategy)"
    assert planted in found.terms.members[0].source
    with pytest.raises(IncidentError, match=r"a key of the environment stands in terms\.json"):
        capture(folder, tmp_path / "y", Window(), secrets=["not-in-any-file", planted])
    assert not (tmp_path / "y").exists()

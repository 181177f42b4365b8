"""The rules of the house hold for every file of this checkout."""

from __future__ import annotations

from pathlib import Path

from tests.tidy import checker

ROOT_FILES = 12
FOLDER_DEPTH = 3
TEXT_SUFFIXES = {"", ".py", ".md", ".toml", ".lock", ".sh", ".txt", ".tsv", ".cfg", ".ini", ".yml"}


def report(findings: list[checker.Finding]) -> str:
    return "\n" + "\n".join(map(str, findings))


def test_every_source_is_tidy() -> None:
    findings = [finding for source in checker.sources() for finding in checker.check(source)]
    assert not findings, report(findings)


def test_escapes_stay_within_their_budget() -> None:
    escapes = checker.escapes_in_library(checker.sources())
    assert len(escapes) <= checker.ESCAPE_BUDGET, "\n".join(escapes)


def test_no_file_names_a_package_index() -> None:
    findings = []
    for path in checker.project_files():
        if path.suffix in TEXT_SUFFIXES:
            name = path.relative_to(checker.ROOT).as_posix()
            findings += checker.index_hosts(name, path.read_text(encoding="utf-8"))
    assert not findings, report(findings)


def test_the_root_stays_small() -> None:
    files = [path for path in checker.project_files() if path.parent == checker.ROOT]
    assert len(files) <= ROOT_FILES, sorted(path.name for path in files)


def test_folders_stay_shallow() -> None:
    package = Path("src", "interlock")
    deep = [
        source.path
        for source in checker.sources()
        if source.in_library
        and len(Path(source.path).relative_to(package).parts) - 1 > FOLDER_DEPTH
    ]
    assert not deep, f"more than {FOLDER_DEPTH} folders below {package}: {deep}"

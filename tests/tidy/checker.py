"""Runs every tidy rule over sources and takes the `tidy-ok` escapes into account."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.tidy import order, purity, sizes
from tests.tidy.source import Finding, Source

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "tools", "bench", "examples")
RULES = sizes.RULES + order.RULES + purity.RULES
# How many lines of the library may carry an escape. Raise it only together with its reason.
ESCAPE_BUDGET = 10

# Hosts of package indexes, in two pieces so that this file is not found by its own rule.
_INDEX_HOSTS = tuple(
    first + second
    for first, second in (
        ("py", "pi.org"),
        ("pypi.", "python.org"),
        ("files.python", "hosted.org"),
        ("conda.", "anaconda.org"),
        ("jfrog", ".io"),
        ("devpi", "."),
    )
)


def check(source: Source) -> list[Finding]:
    """Return the findings of one file, without those that its escapes excuse."""
    findings = [finding for rule in RULES for finding in rule(source)]
    used = {finding.line for finding in findings}
    kept = [finding for finding in findings if finding.line not in source.escapes]
    kept += [
        source.finding(line, "unused-escape", "nothing to excuse on this line; remove tidy-ok")
        for line in source.escapes
        if line not in used
    ]
    return sorted(kept)


def index_hosts(path: str, text: str) -> list[Finding]:
    """Return one finding per line that names a package index; the index is the user's choice."""
    return [
        Finding(path, number, "index-host", f"{host} names a package index; leave it to pip")
        for number, line in enumerate(text.splitlines(), start=1)
        for host in _INDEX_HOSTS
        if host in line.lower()
    ]


def sources(root: Path = ROOT) -> Iterator[Source]:
    """Yield every Python file that belongs to the project."""
    for path in project_files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".py" and name.split("/")[0] in FOLDERS:
            yield Source(name, path.read_text(encoding="utf-8"))


def project_files(root: Path = ROOT) -> list[Path]:
    """Return the files that git tracks or would track, or all of them outside a checkout."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return sorted(path for line in set(listed.splitlines()) if (path := root / line).is_file())


def escapes_in_library(files: Iterable[Source]) -> list[str]:
    """Return the place and reason of every escape below `src`."""
    return [
        f"{source.path}:{line}: {reason}"
        for source in files
        if source.in_library
        for line, reason in source.escapes.items()
    ]

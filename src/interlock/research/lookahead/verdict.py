"""What a check found: one outcome for each test, with the place, the time and the remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from interlock.research.catalog import iso

Status = Literal["passed", "failed", "warning", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault: what (a column or "orders"), on which row, when (ns UTC), and what to do."""

    subject: str
    text: str
    remedy: str
    row: int | None = None
    ts: int | None = None
    line: str = ""

    @property
    def time(self) -> str:
        """When, in ISO UTC; empty where no time belongs to it."""
        return "" if self.ts is None else iso(self.ts)

    def sentence(self) -> str:
        """The fault with its place, and the remedy."""
        place = [f"column {self.subject}" if self.row is not None else self.subject]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.ts is not None:
            place.append(self.time)
        if self.line:
            place.append(self.line)
        return f"{', '.join(place)}: {self.text}. {self.remedy}."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One test: its status, how much was tried, and what it found."""

    test: str
    status: Status
    tried: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All tests of one strategy on one dataset."""

    strategy: str
    data: str
    synthetic: bool
    rows: int
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    @property
    def caught(self) -> bool:
        """Whether a test failed."""
        return any(item.status == "failed" for item in self.outcomes)

    @property
    def warned(self) -> bool:
        """Whether a test ended with a warning."""
        return any(item.status == "warning" for item in self.outcomes)

    def outcome(self, test: str) -> Outcome:
        """The outcome of one test by its name; KeyError when it is none."""
        found = {item.test: item for item in self.outcomes}
        return found[test]

    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the tests."""
        return tuple(found for item in self.outcomes for found in item.findings)

    def as_json(self) -> dict[str, Any]:
        """Plain values for programs."""
        made = asdict(self)
        for outcome, raw in zip(self.outcomes, made["outcomes"], strict=True):
            for finding, fields in zip(outcome.findings, raw["findings"], strict=True):
                fields["time"] = finding.time
        return {**made, "caught": self.caught}


def judged(test: str, tried: str, failed: list[Finding], warned: list[Finding]) -> Outcome:
    """The outcome that the findings of a test make."""
    status: Status = "failed" if failed else "warning" if warned else "passed"
    return Outcome(test=test, status=status, tried=tried, findings=(*failed, *warned))

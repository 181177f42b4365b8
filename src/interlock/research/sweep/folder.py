"""The folder of a sweep: a journal that grows line by line, then a table and a DONE mark.

A line that an interruption cut off is dropped on resuming; the trials before it are kept, so that
the resumed sweep ends with the same table. Without DONE the folder is not complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from interlock.adapters.system import exclusive_lock, naming, write_atomically
from interlock.research.sweep.space import SweepError
from interlock.research.sweep.trial import METRICS, Trial

JOURNAL, TABLE, SUMMARY, DONE, DEFINITION = (
    "trials.jsonl",
    "trials.parquet",
    "sweep.json",
    "DONE",
    "definition.json",
)
_DECODER = msgspec.json.Decoder(Trial)
_ENCODER = msgspec.json.Encoder()


class SweepFolder:
    """One sweep on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_done(self) -> bool:
        """Whether the sweep came to its end."""
        return (self.path / DONE).is_file()

    def begin(self, definition: Mapping[str, Any]) -> None:
        """Make the folder, or check that what it holds is of the same sweep."""
        content = msgspec.json.format(_ENCODER.encode(definition), indent=2)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise SweepError(f"{self.path} is a file; name a folder for the sweep") from None
        known = self.path / DEFINITION
        if not known.is_file():
            write_atomically(known, content)
        elif known.read_bytes() != content:
            raise SweepError(
                f"{self.path} holds another sweep: its strategy, data, options or grid differ; "
                "choose another folder, or delete it to start again"
            )

    def lock(self) -> Any:
        """Hold the folder against a second process."""
        return exclusive_lock(self.path / "lock")

    def recorded(self) -> dict[int, Trial]:
        """The trials of the journal by number; a cut last line is taken off the file."""
        journal = self.path / JOURNAL
        if not journal.is_file():
            return {}
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) != len(content):
            write_atomically(journal, whole)
        found: dict[int, Trial] = {}
        for line in whole.splitlines():
            try:
                trial = _DECODER.decode(line)
            except msgspec.DecodeError:
                raise SweepError(
                    f"{journal} has a line that is no trial: {line[:80]!r}; delete the folder "
                    "and run the sweep again"
                ) from None
            found[trial.number] = trial
        return found

    def count(self) -> int:
        """How many trials the journal holds, without touching it."""
        journal = self.path / JOURNAL
        return journal.read_bytes().count(b"\n") if journal.is_file() else 0

    def append(self, trial: Trial) -> None:
        """Add a trial to the journal; it survives the end of this process."""
        journal = self.path / JOURNAL
        with naming(journal), journal.open("ab") as file:
            file.write(_ENCODER.encode(trial) + b"\n")

    def finish(self, trials: Sequence[Trial], summary: Mapping[str, Any], page: str) -> None:
        """Write table, summary and report, and DONE last."""
        frame = trials_frame(trials)
        partial = self.path / f".{TABLE}.partial"
        try:
            frame.write_parquet(partial, compression="zstd")
            partial.replace(self.path / TABLE)
        finally:
            partial.unlink(missing_ok=True)
        text = msgspec.json.format(_ENCODER.encode(summary), indent=2)
        write_atomically(self.path / SUMMARY, text)
        write_atomically(self.path / "report.html", page.encode())
        write_atomically(self.path / DONE, b"")

    def summary(self) -> dict[str, Any]:
        """What ``finish`` was given."""
        found: dict[str, Any] = msgspec.json.decode((self.path / SUMMARY).read_bytes())
        return found


def trials_frame(trials: Sequence[Trial]) -> pl.DataFrame:
    """One row for each trial: number, state, path, parameters, metrics, digest, reason."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.parameters))
    columns: dict[str, Any] = {
        "number": pl.Series([trial.number for trial in trials], dtype=pl.Int64),
        "state": pl.Series([trial.state for trial in trials], dtype=pl.String),
        "path": pl.Series([trial.path for trial in trials], dtype=pl.String),
    }
    for name in names:
        # A parameter may be called like a metric; the metric keeps the plain name.
        key = f"parameter_{name}" if name in METRICS or name in columns else name
        columns[key] = pl.Series([trial.parameters.get(name) for trial in trials], strict=False)
    for name in METRICS:
        values = [trial.metrics.get(name) for trial in trials]
        columns[name] = pl.Series(values, dtype=pl.Float64)
    columns["digest"] = pl.Series([trial.digest for trial in trials], dtype=pl.String)
    columns["reason"] = pl.Series([trial.reason for trial in trials], dtype=pl.String)
    return pl.DataFrame(columns)

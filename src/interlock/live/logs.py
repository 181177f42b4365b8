"""Logs as JSON lines, greppable by event name: one file per day of the account, one per session."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import structlog

from interlock.runtime.values import Notice


class JsonLines:
    """Writes every fact and notice of a run to ``logs/`` and ``sessions/<timestamp>/``."""

    def __init__(self, folder: Path, *, ts: int) -> None:
        stamp = _moment(ts)
        self.session = folder / "sessions" / stamp.strftime("%Y%m%d_%H%M%S")
        logs = folder / "logs"
        for made in (self.session, logs):
            made.mkdir(parents=True, exist_ok=True)
        places = (logs / f"bot_log_{stamp:%Y%m%d}.jsonl", self.session / "events.jsonl")
        self._files: list[BinaryIO] = [place.open("ab") for place in places]
        self._loggers = [
            structlog.wrap_logger(
                structlog.BytesLogger(file),
                processors=[structlog.processors.JSONRenderer(serializer=_encode)],
                wrapper_class=structlog.BoundLogger,
            )
            for file in self._files
        ]
        self.dropped = 0

    def hear(self, fact: Any) -> None:
        """Write one line. A full disk loses lines, which are counted, and never stops trading."""
        name, fields = _described(fact)
        for logger in self._loggers:
            try:
                logger.info(name, **fields)
            except OSError:
                self.dropped += 1

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _described(fact: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(fact, Notice):
        fields = {key: getattr(fact, key) for key in fact.__struct_fields__}
        return type(fact).__name__, {"level": "INFO", **fields}
    fields = {"level": fact.level, "ts": fact.ts_event, "time": _iso(fact.ts_event), **fact.fields}
    if fact.subject:
        fields["subject"] = fact.subject
    if fact.text:
        fields["text"] = fact.text
    return fact.name, fields


def _encode(content: Any, **options: Any) -> bytes:
    return msgspec.json.encode(content)


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // 10**6 / 1_000, UTC)


def _iso(ts: int) -> str:
    return _moment(ts).isoformat(timespec="milliseconds").replace("+00:00", "Z")

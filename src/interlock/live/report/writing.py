"""Write the report of a session that is over, whatever ended it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interlock.adapters.storage import prepare, read_rows
from interlock.adapters.system import write_atomically
from interlock.live.report.page import Comparison, Ended, render
from interlock.live.report.tally import tally_of
from interlock.live.session import Session

NAME = "report.html"


def ended_of(
    session: Session, *, comparison: Sequence[Comparison] = (), synthetic: bool = False
) -> Ended | None:
    """What a session did, read back from its ledger; None when it never began to trade."""
    started = session.started
    if started is None:
        return None
    driver = started.driver
    database = prepare(session.plan.where, create=False)
    slots = driver.engine.desk.state.instruments.values()
    tally = tally_of(
        read_rows(database, started.recovered.seq), [slot.instrument for slot in slots]
    )
    status = session.status()
    return Ended(
        status=status,
        tally=tally,
        record=session.record,
        lags=driver.lags,
        ts_started=session.ts_started,
        first_seq=started.recovered.seq,
        reason=status.reason,
        fault="" if driver.fault is None else str(driver.fault),
        comparison=tuple(comparison),
        synthetic=synthetic,
    )


def write(session: Session, ended: Ended) -> Path | None:
    """The page beside the session's events."""
    if session.folder is None:
        return None
    path = session.folder / NAME
    write_atomically(path, render(ended).encode())
    return path

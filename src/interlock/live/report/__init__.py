"""The report of one session: what the ledger and the session's events tell, on one page."""

from interlock.live.report.aftermath import Left, begin, write_left
from interlock.live.report.page import Comparison, Ended, render, summary_lines
from interlock.live.report.writing import ended_of, write

__all__ = [
    "Comparison",
    "Ended",
    "Left",
    "begin",
    "ended_of",
    "render",
    "summary_lines",
    "write",
    "write_left",
]

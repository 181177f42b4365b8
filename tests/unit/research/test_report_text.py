"""Words and numbers of a report."""

from __future__ import annotations

import pytest

from interlock.research.report import text


@pytest.mark.parametrize(
    ("name", "words"),
    [("FundingPaid", "Funding paid"), ("ambiguous_bars", "Ambiguous bars"), ("fills", "Fills")],
)
def test_a_counter_reads_as_words(name: str, words: str) -> None:
    assert text.counter(name) == words


def test_nothing_has_no_sign() -> None:
    assert (text.number(-0.0), text.money(-0.0, "USDT")) == ("0.00", "0.00\u00a0USDT")
    assert text.percent(-0.0) == "0.00\u00a0%"

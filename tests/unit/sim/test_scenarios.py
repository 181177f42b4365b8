"""The tables of ``tests/scenarios``: what a trader may expect of orders, venue and books."""

from __future__ import annotations

import pytest

from tests.cases import Case, every


@pytest.mark.parametrize("case", every(), ids=lambda case: case.name.replace(" ", "_"))
def test_scenario(case: Case) -> None:
    case.check()

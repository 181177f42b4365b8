"""Write docs/answers.md from the tables that judge answers; ``python -m tools.answers``."""

from __future__ import annotations

from pathlib import Path

from interlock.wire.binance import verdicts
from interlock.wire.hyperliquid import errors

PAGE = Path(__file__).resolve().parents[1] / "docs" / "answers.md"

_HEAD = """\
# Answers: what each one proves

Every answer of a venue is judged by Interlock's own tables, never by a client library's error
classes. There are four verdicts:

| verdict | when | a new order becomes |
|---|---|---|
| accepted | a readable statement about this very order, with the venue's id | accepted |
| rejected | the venue states that this very attempt had no effect | rejected |
| unknown | everything else | unknown: no new risk on its instrument until evidence settles it |
| not sent | no byte left this machine | rejected |

Unknown is the default: a time-out, a dropped or empty or truncated answer, a page of HTML, an
order without an id, a status of 5xx, a code that is not listed below. An order is never sent
again; what follows is in [orders.md](orders.md#unknown). For a cancel or an amendment a refusal
is no proof that the order is gone, so the order is asked about.

This page is written from the tables in the code (`python -m tools.answers`); a test holds it to
them.
"""

_BINANCE = """
## Binance USD-M futures

By the code of a readable error body. A rejection counts with a status of 4xx only: with 2xx or
5xx the venue contradicts itself. "amend: unknown" means that the code says nothing about an
amendment.

"""

_HYPERLIQUID = """
## Hyperliquid

By how the error text begins, in a well-formed answer with status 200: the venue has no codes. A
text counts as a rejection only where no earlier copy of the same bytes can have been executed.
Status 422 (the action did not read) is a rejection; 429 is a rejection with a pause; every other
status is unknown, and so is a batch of the wrong length.

"""

_REST = """
## Other venues

Through the ccxt adapter with a classifier of its own around it: status, body and ccxt's error class
must agree that the venue refused the order. A class alone proves nothing, because the same one is
raised for a refusal and for a page of HTML; an answer without the venue's id is no order.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + _BINANCE + verdicts.table() + _HYPERLIQUID + errors.table() + _REST


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")

"""Cash against the venue's wallets: payments booked once, the rest a difference with a size."""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.kernel.restore import BASIS
from interlock.model.rows import Difference, PaymentRow, Severity
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.model.venue import Payment
from interlock.runtime.desk import Desk

HISTORY = 4096
# Lines of an income history that executions tell already.
IN_FILLS = frozenset({"realized", "realized_pnl", "commission", "adl"})


class Suspect(msgspec.Struct):
    """A wallet that differs: since when, by how much, and in how many snapshots."""

    ts: int
    difference: int
    count: int = 1


class Cash:
    """The wallets of the account, by asset."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.suspects: dict[str, Suspect] = {}
        # When the newest question about payments left that was answered.
        self.ts_told = 0
        # Venue time of the newest payment that was told before the account was opened.
        self.ts_before = 0
        self._log: deque[tuple[int, int]] = deque(maxlen=HISTORY)

    def moved(self) -> None:
        """The wallet may have changed: remember what it held when."""
        wallet = self.desk.state.wallet
        if not self._log or self._log[-1][1] != wallet:
            self._log.append((self.desk.ts, wallet))

    def take(self, payment: Payment) -> bool:
        """Book a payment unless it was booked, or is told by an execution; True when it was."""
        books = self.desk.books
        is_old = payment.ts_venue < books.ts_opened or not books.ts_opened
        self.ts_before = max(self.ts_before, payment.ts_venue * is_old)
        if payment.payment_id in books.payments or is_old or payment.kind.lower() in IN_FILLS:
            return False
        self._book(payment)
        self.desk.tell("PAYMENT", payment.instrument or payment.asset, payment.kind)
        return True

    def _book(self, payment: Payment) -> None:
        row = PaymentRow(ts_event=self.desk.ts, payment=payment, account=self.desk.settings.account)
        self.desk.apply(row)

    def open(self, shown: dict[str, int]) -> None:
        """The first look at an account: its wallets are what we begin with."""
        for asset, wallet in sorted(shown.items()):
            missing = wallet - self._ours(asset)
            if missing:
                self._adjust(asset, missing, "opening")

    def move_basis(self, instrument: str, amount: int) -> None:
        """An open position cost more by an amount than its price comes to; the wallet takes it.

        What the wallet really holds is booked after this.
        """
        quote = self.desk.state.instruments[instrument].instrument.quote
        self._adjust(quote, amount, BASIS, instrument=instrument)

    def compare(self, shown: dict[str, int], asked: int, *, is_quiet: bool) -> list[Difference]:
        """Differences that stay; ``is_quiet`` says that positions agree and lack no execution."""
        found = []
        for asset in sorted({self.desk.state.currency, *self.desk.state.balances}):
            venue, ours = shown.get(asset, 0), self._ours(asset)
            if venue == ours or venue in self._held_since(asset, asked):
                self.suspects.pop(asset, None)
                continue
            difference = self._differs(asset, venue - ours, asked, is_quiet)
            if difference is not None:
                found.append(difference)
        return found

    def _differs(self, asset: str, missing: int, asked: int, is_quiet: bool) -> Difference | None:
        settings = self.desk.settings
        suspect = self.suspects.get(asset)
        if suspect is None or suspect.difference != missing:
            self.suspects[asset] = Suspect(self.desk.ts, missing)
            return None
        if asked > suspect.ts + settings.query_lag_ns:
            suspect.count += 1
        # Nobody has seen the payments since: a funding may be on its way.
        is_open = self.ts_told <= suspect.ts + settings.query_lag_ns
        if suspect.count <= settings.confirmations or not is_quiet or is_open:
            return None
        del self.suspects[asset]
        is_small = abs(missing) <= settings.cash_tolerance
        cause = "cash_rounding" if is_small else "cash_unexplained"
        ours, disordered = self._ours(asset), self._disordered(asset)
        if disordered:
            is_small, cause = True, BASIS
        self._adjust(asset, missing, cause, instrument=disordered)
        return Difference(
            subject="balance",
            cause=cause,
            severity=Severity.INFO if is_small else Severity.WARNING,
            ours=f"{format_units(ours, MONEY_EXPONENT)} {asset}",
            venue=f"{format_units(ours + missing, MONEY_EXPONENT)} {asset}",
            action="booked as an adjustment",
        )

    def _disordered(self, asset: str) -> str:
        """An open position whose executions came to us in another order than they happened.

        Each order of executions releases the cost in its own parts; the equity is the same.
        """
        slots = self.desk.state.instruments
        for name in self.desk.books.disordered:
            if slots[name].net.quantity and slots[name].instrument.quote == asset:
                return name
        return ""

    def _adjust(self, asset: str, amount: int, cause: str, *, instrument: str = "") -> None:
        self._book(
            Payment(
                kind=cause,
                instrument=instrument,
                asset=asset,
                amount=amount,
                payment_id=f"{cause}-{self.desk.ledger_seq + 1}",
                ts_venue=self.desk.ts,
            )
        )

    def _ours(self, asset: str) -> int:
        state = self.desk.state
        return state.wallet if asset == state.currency else state.balances.get(asset, 0)

    def _held_since(self, asset: str, asked: int) -> set[int]:
        if asset != self.desk.state.currency or asset in self.suspects:
            return set()
        start = asked - self.desk.settings.query_lag_ns
        held = set()
        for ts, wallet in reversed(self._log):
            held.add(wallet)
            if ts < start:
                break
        return held

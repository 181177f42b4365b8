"""What the live core may be told: times, margins, limits and policies, each with its unit."""

from __future__ import annotations

from typing import Literal

import msgspec

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
# How far ahead of the venue's our clock may have been when something was written down.
CLOCK_MOST_NS = 60 * MINUTE
HOUR = 60 * MINUTE

ForeignPolicy = Literal["adopt", "ignore", "alarm"]
DeadManScope = Literal["instrument", "account"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ns. The defaults are for a venue that answers in tens of milliseconds."""

    account: str = "main"
    tag: str = "il"
    mode: str = "live"
    config_version: str = ""
    # Orders and trades of others on the account. alarm: into the external bucket, their instrument
    # paused; ignore: into the bucket and no more; adopt: a strategy's from then on.
    foreign_orders: ForeignPolicy = "alarm"
    # The strategy that adopts; the first one when this is empty.
    adopt_into: str = ""
    # How long the venue may still accept an attempt, and how long an answer is waited for.
    attempt_ns: int = 3 * SECOND
    answer_ns: int = 5 * SECOND
    query_answer_ns: int = 2 * SECOND
    # The parts of the negative-proof time beside the deadline.
    clock_error_ns: int = 1 * SECOND
    query_lag_ns: int = 5 * SECOND
    # Queries about an order in doubt: first, growth by doubling, ceiling.
    query_first_ns: int = 200 * MS
    query_most_ns: int = 5 * SECOND
    # How long the stream may take to tell a fill that an order's state already counts.
    fill_grace_ns: int = 500 * MS
    late_fill_ns: int = 24 * HOUR
    # How long an execution without a name keeps an order from being proved absent.
    nameless_ns: int = 1 * MINUTE
    # How long an order that is over stays whole in memory; a late word about it still finds it.
    whole_ns: int = 1 * MINUTE
    fills_overlap_ns: int = 10 * SECOND
    fills_page: int = 1000
    # The reconciler.
    orders_every_ns: int = 30 * SECOND
    full_every_ns: int = 300 * SECOND
    doubtful_every_ns: int = 5 * SECOND
    reconnects_apart_ns: int = 2 * SECOND
    confirmations: int = 2
    cash_tolerance: int = 1_000_000
    # The fence.
    lease_margin_ns: int = 500 * MS
    attempt_least_ns: int = 100 * MS
    # Freshness of streams.
    market_silence_ns: int = 10 * SECOND
    user_silence_ns: int = 30 * SECOND
    book_tolerance_bps: int = 20
    # How far a price may be from the venue's mark before new risk waits for the mark to follow.
    outlier_bps: int = 300
    # Protection.
    repair_ns: int = 3 * SECOND
    cross_after_ns: int = 2 * SECOND
    market_after_ns: int = 4 * SECOND
    stop_distance_bps: int = 200
    cross_bps: int = 50
    # Stop verbs.
    flat_again_ns: int = 1 * SECOND
    flat_shout_ns: int = 30 * SECOND
    # The venue's dead man's switch: its delay (0: not used), and what one switch covers.
    dead_man_ns: int = 0
    dead_man_scope: DeadManScope = "instrument"
    dead_man_keeps_stops: bool = False
    # Order flow.
    symbol_locks: bool = True
    entry_ttl_ns: int = 0
    ttl_from_first_fill: bool = True
    rounds_max: int = 64

    @property
    def proof_ns(self) -> int:
        """How long after its deadline an attempt may still show: clock error and query lag."""
        return self.clock_error_ns + self.query_lag_ns

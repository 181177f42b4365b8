"""The kinds of faults that the world knows: from where to where each is drawn, and what it tries.

``RATE`` kinds strike a share of the occasions (parts of a million); ``COUNT`` kinds happen so many
times per half hour. The ranges are those of the fault model; each kind is left out of every second
plan, so that few faults are met alone too.
"""

from __future__ import annotations

import msgspec

RATE, COUNT = "rate", "count"


class Kind(msgspec.Struct, frozen=True):
    """One kind: the rows of the fault catalogue it stands for, and how often it may strike."""

    name: str
    area: str
    rows: tuple[str, ...]
    unit: str
    low: int
    high: int
    text: str


# One line each: name, area, rows of the catalogue, unit, from, to (parts of a million, or times in
# half an hour); below it what it does.
_TABLE = """
request_lost | request | F01 F02 F10 | rate | 0 | 100000
    a request never arrives; its sender waits until its time is over
request_late | request | F02 | rate | 0 | 200000
    a request arrives 0.1 to 10 s late
names_lost | request | F10 | count | 0 | 2
    no address is found for 1 to 60 s: nothing leaves
partition | network | F05 F41 F43 | count | 0 | 3
    nothing passes either way for 1 to 60 s; sockets look alive
answer_lost | answer | F01 F09 | rate | 0 | 100000
    the connection breaks after the venue has carried the request out
answer_late | answer | F02 F28 | rate | 0 | 100000
    an answer comes 0.1 to 12 s late
answer_truncated | answer | F07 | rate | 0 | 100000
    a success breaks off in the middle of its body
answer_empty | answer | F08 | rate | 0 | 100000
    a success without a body, or with {}
answer_html | answer | F05 F08 | rate | 0 | 100000
    a page of HTML under status 200, 502 or 504
unknown_503 | venue | F03 | rate | 0 | 50000
    503 Unknown error; carried out every second time
unknown_1007 | venue | F04 | rate | 0 | 50000
    -1007 or -1006; carried out every second time
busy_1008 | venue | F06 | rate | 0 | 50000
    -1008 Service Unavailable, not carried out
throttled | venue | F14 F15 | rate | 0 | 50000
    429 or 418 with Retry-After, not carried out
maintenance | venue | F05 F71 | count | 0 | 2
    the whole venue answers 503 and closes its sockets for 10 s to 3 min
key_refused | venue | F72 | count | 0 | 1
    every signed call answers -2015 for 1 to 40 s
skew | venue | F13 | count | 0 | 2
    the venue's clock steps by 0.1 to 5 s
query_lag | query | F02 F11 | rate | 0 | 200000
    a query does not see what happened in the last 0 to 5 s
stale_snapshot | query | F45 | rate | 0 | 200000
    a query answers what it answered up to 5 s ago
history_down | query | F05 F34 | count | 0 | 3
    questions about executions are answered with 503 for 10 s to 2 min
order_hidden | query | F02 F11 | rate | 0 | 200000
    the query of one order does not know an order for 10 to 45 s, other queries do
cancel_race | venue | F30 F32 | rate | 0 | 300000
    an order trades just before its cancel, whose answer leaves that out; the trade is told late
message_lost | stream | F34 | rate | 0 | 100000
    a message of the user stream is lost
message_twice | stream | F27 F35 | rate | 0 | 100000
    a message of the user stream comes twice
message_late | stream | F28 F29 F30 F32 | rate | 0 | 100000
    a message comes 0.1 to 10 s late, after younger ones
stream_silent | stream | F41 | count | 0 | 5
    a socket goes silent for 10 s to 5 min and looks alive
stream_closed | stream | F43 F44 | count | 0 | 5
    every socket is closed, and every second time none opens for 1 to 60 s
odd_message | stream | F54 | rate | 0 | 20000
    an event of a kind that nobody knows comes before a message of the user stream
listen_key_expired | stream | F42 | count | 0 | 2
    the listen key expires before its time
quote_lost | data | F46 F49 | rate | 0 | 10000
    a quote is lost
quote_wrong | data | F47 F48 F50 | rate | 0 | 10000
    a touch is crossed, zero, or 0.5 to 2 times the price
price_gap | data | F38 F48 | count | 0 | 2
    the price jumps by 1 to 6 percent
liquidation | account | F61 | count | 0 | 2
    the position is liquidated
deleveraging | account | F62 | count | 0 | 3
    the position is closed by auto-deleveraging
manual_trade | account | F63 F114 | count | 0 | 2
    somebody trades on the same account by hand
manual_cancel | account | F64 | count | 0 | 3
    somebody cancels our orders by hand, stops too
trade_untold | account | F63 | count | 0 | 2
    somebody trades by hand and nothing ever tells of the execution; the position shows it
late_fill | account | F32 | count | 0 | 4
    an order of ours executes in part after the venue said that it is canceled
transfer | account | F65 | count | 0 | 2
    money is paid in or out
filter_change | account | F56 | count | 0 | 1
    the tick becomes five times coarser
leverage_change | account | F57 | count | 0 | 2
    somebody changes the leverage by hand
symbol_halt | account | F67 | count | 0 | 2
    a symbol stops trading for 5 to 60 s
kill | process | F73 F82 | count | 0 | 12
    the process dies between two instructions of any kind
kill_at_write | process | F73 F28 | rate | 0 | 8000
    the process dies just before, while or after rows become durable
kill_after_snapshot | process | F73 F74 | count | 0 | 3
    a snapshot is taken while an order is on its way, and the process dies 20 ms to 3 s later
kill_in_recovery | process | F74 | rate | 0 | 300000
    the process dies again while it recovers
pause | process | F79 F85 | count | 0 | 3
    the process stands still for 1 to 120 s and goes on with what it knew
strategy_fault | process | F83 | count | 0 | 1
    the strategy raises an exception
stall | resource | F80 F25 | count | 0 | 6
    the event loop stands still for 50 ms to 3 s
slow_commit | disk | F94 | rate | 0 | 50000
    a commit takes 50 ms to 4 s
disk_full | disk | F75 | count | 0 | 1
    there is no space for 1 to 60 s
disk_fault | disk | F76 | count | 0 | 1
    a commit ends in an I/O error
tape_torn | disk | F73 | rate | 0 | 500000
    a crash takes the last second of the tape
snapshot_damaged | disk | F89 | rate | 0 | 200000
    the newest snapshot is damaged when it is read
bit_flip | disk | F77 F89 | count | 0 | 1
    one bit of the ledger turns; the backup is there 20 s later
clock_step | time | F78 | count | 0 | 2
    our clock steps by 0.1 to 30 s, either way
clock_drift | time | F78 | count | 0 | 1
    our clock runs up to 500 ppm fast or slow
second_engine | peer | F84 F85 F87 | count | 0 | 2
    a second engine wants the account
lease_unreachable | peer | F84 F94 | count | 0 | 2
    leases cannot be renewed for 1 to 40 s
terms_changed | operator | F86 | count | 0 | 4
    limits, cash and the venue's switch are edited, and the engine restarted: stopped or killed
operator | operator | F103 F104 F107 | count | 0 | 3
    pause, halt, emergency stop, resume, shutdown; some of them twice
stop_and_kill | operator | F103 F73 | count | 0 | 3
    pause, halt or emergency stop, and the process dies before it is lifted, often after a snapshot
"""


def _read(table: str) -> tuple[Kind, ...]:
    lines = table.strip().splitlines()
    kinds = []
    for head, text in zip(lines[::2], lines[1::2], strict=True):
        name, area, rows, unit, low, high = (part.strip() for part in head.split("|"))
        kinds.append(Kind(name, area, tuple(rows.split()), unit, int(low), int(high), text.strip()))
    return tuple(kinds)


KINDS = _read(_TABLE)
BY_NAME = {kind.name: kind for kind in KINDS}

# Whose protocol a world can speak.
BINANCE, HYPERLIQUID = "binance", "hyperliquid"
VENUES = (BINANCE, HYPERLIQUID)
# Where the venue's switch may be told to leave stops alone.
SWITCH_MAY_KEEP_STOPS = frozenset({BINANCE})

# Kinds without a counterpart at a venue, and why: none of its plans has them.
ABSENT: dict[str, dict[str, str]] = {
    BINANCE: {},
    HYPERLIQUID: {
        "listen_key_expired": "its user streams hang on no key",
        "filter_change": "a tick follows from the price and the decimals of sizes, which stay",
        "late_fill": "an order's end is in a block, and nothing trades in an earlier one",
    },
}

# What else strikes there under the name of a kind.
WORDS: dict[str, dict[str, str]] = {
    BINANCE: {},
    HYPERLIQUID: {
        "unknown_503": "a page under status 503; carried out every second time",
        "unknown_1007": "status 500 or a page under 504; carried out every second time",
        "busy_1008": "the budget of requests is said to be used up; not carried out",
        "throttled": "429, mostly with Retry-After; not carried out",
        "key_refused": "every action answers that the wallet does not exist for 1 to 40 s",
        "cancel_race": "an order trades just before its cancel, and the trade is told late",
    },
}

# Rows that need no injection: the workload and the venue's own course bring them about.
ARISING: dict[str, str] = {
    "F12": "every attempt has its own answer, and most have a doubtful one",
    "F18": "stops placed beside a price that has moved on",
    "F19": "exits of positions that a target or a hand has closed meanwhile",
    "F31": "cancels that meet filled orders",
    "F33": "amendments whose answer is lost",
    "F37": "stops that trigger while streams are lost",
    "F39": "orders that expire, are trimmed or trade with themselves",
    "F51": "quotes alone: there are no unfinished bars here",
    "F60": "every run pays funding once",
    "F69": "closes while other orders of the position work",
    "F70": "closes that fill in part",
}

# Rows that other tests show: their subject is not in the world.
ELSEWHERE: dict[str, str] = {
    "F16": "margin that is missing: the contract tests of the venues",
    "F17": "post-only orders: the contract tests of the venues",
    "F20": "positions below a lot: the unit tests of stops and exits",
    "F21": "orders on the old path: the scenarios switch the protocol",
    "F22": "batches: nothing here sends one",
    "F23": "nonces: the adapter of Hyperliquid",
    "F24": "signatures: the adapter of Hyperliquid",
    "F26": "actions that a library adds: the adapter for ccxt",
    "F36": "there are no made-up executions in the ledger, by construction",
    "F40": "executions of nothing: the unit tests of the core",
    "F52": "a feed that is too fast: the load run",
    "F53": "two sockets that disagree: the contract tests",
    "F55": "addresses that move: the contract tests",
    "F58": "margin modes: the exchange's own tests",
    "F59": "hedge mode: the exchange's own tests",
    "F66": "delisting: the scenarios",
    "F68": "caps of Hyperliquid: its wire tests",
    "F81": "memory: the load run",
    "F88": "an older backup: the tests of the ledger's restore",
    "F98": "a screen that blocks: the tests of the terminal",
    "F108": "secrets in logs: the tests of incidents and logs",
    "F109": "control characters: the tests of logs",
    "F111": "modes: a judge looks at every request",
    "F112": "what is shown: a judge looks at the core's own view",
    "F113": "dependencies: the lock and the wire tests",
}

# Rows of the catalogue whose subject is not there yet, and what would bring it.
OPEN_ROWS: dict[str, str] = {
    "F90": "Redis as a bus",
    "F91": "Redis as a bus",
    "F92": "Redis as a bus",
    "F93": "Redis as a bus",
    "F95": "promotion of models",
    "F96": "promotion of models",
    "F97": "a policy store",
    "F100": "settings that change while the engine runs",
    "F101": "settings that change while the engine runs",
    "F105": "the admin API",
    "F106": "the admin API",
    "F99": "channels for alerts",
    "F102": "caps outside the settings",
    "F110": "the admin API",
}

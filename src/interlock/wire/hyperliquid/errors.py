"""The venue's error texts: as its server writes them, and what they say about an attempt.

A text counts as a rejection only when the venue can have come to it after it had taken the nonce:
then no earlier copy of the same bytes was executed. Duplicate or old nonces, expired actions and
texts that are not listed here say nothing of the kind.
"""

from __future__ import annotations

import msgspec

TICK = "Price must be divisible by tick size."
MIN_VALUE = "Order must have minimum value of $10."
MARGIN = "Insufficient margin to place order."
REDUCE_ONLY = "Reduce only order would increase position."
POST_ONLY = "Post only order would have immediately matched, bbo was"
NO_MATCH = "Order could not immediately match against any resting orders."
TRIGGER = "Invalid TP/SL price."
NO_LIQUIDITY = "No liquidity available for market order."
SIZE = "Order has invalid size."
ZERO_SIZE = "Order has zero size."
PRICE = "Order has invalid price."
BAND = "Order price cannot be more than 80% away from the reference price"
OPEN_INTEREST = "Order would increase open interest while open interest is capped"
MARGIN_TIER = "Order would cause position to exceed margin tier limit at current leverage"
GONE = "Order was never placed, already canceled, or filled."
MODIFY_GONE = "Cannot modify canceled or filled order"
SPOT_BALANCE = "Insufficient spot balance asset"
REQUESTS = "Too many cumulative requests sent"
NO_WALLET = "User or API Wallet"
DUPLICATE_NONCE = "Invalid nonce: duplicate nonce"
OLD_NONCE = "Invalid nonce: nonce too low"
NONCE_WINDOW = "Invalid nonce: nonce must be within two days behind and one day ahead"
EXPIRED = "Action expired: expiresAfter"
DUPLICATE_CLOID = "Order with this cloid is already open"
OPEN_ORDERS = "Too many open orders"
POST_ONLY_PERIOD = "Only post-only orders allowed immediately after a network upgrade"
HALTED = "Trading is halted"
LEVERAGE = "Invalid leverage value"
UNREADABLE = "Failed to deserialize the JSON body into the target type"


class Meaning(msgspec.Struct, frozen=True):
    """What a text says: a short code of ours, and whether this attempt is surely refused."""

    code: str
    is_refusal: bool = True


# Looked up by how a text begins.
_MEANINGS = (
    (TICK, Meaning("price_rule")),
    (MIN_VALUE.removesuffix("."), Meaning("min_notional")),
    (MARGIN.removesuffix("."), Meaning("margin")),
    (REDUCE_ONLY.removesuffix("."), Meaning("reduce_only")),
    ("Post only order would have immediately matched", Meaning("post_only")),
    (NO_MATCH.removesuffix("."), Meaning("no_match")),
    (TRIGGER, Meaning("trigger")),
    (NO_LIQUIDITY.removesuffix("."), Meaning("no_liquidity")),
    (SIZE.removesuffix("."), Meaning("quantity_rule")),
    (ZERO_SIZE.removesuffix("."), Meaning("quantity_rule")),
    (PRICE.removesuffix("."), Meaning("price_rule")),
    (BAND, Meaning("price_band")),
    ("Order would increase open interest", Meaning("open_interest")),
    ("Order would cause position to exceed margin tier limit", Meaning("margin_tier")),
    (SPOT_BALANCE, Meaning("balance")),
    (REQUESTS, Meaning("address_budget")),
    (OPEN_ORDERS, Meaning("open_orders")),
    (POST_ONLY_PERIOD, Meaning("post_only_period")),
    (HALTED, Meaning("halted")),
    (LEVERAGE, Meaning("leverage")),
    # A wrong signature reads the same for every copy of the bytes.
    (NO_WALLET, Meaning("signature")),
    (f"L1 error: {NO_WALLET}", Meaning("signature")),
    (UNREADABLE, Meaning("unreadable")),
    ("Must deposit before performing actions", Meaning("no_account")),
    ("Vault not registered", Meaning("no_account")),
    ("Cannot set scheduled cancel time", Meaning("schedule")),
    ("Invalid nonce: duplicate", Meaning("nonce_duplicate", is_refusal=False)),
    ("Invalid nonce", Meaning("nonce", is_refusal=False)),
    ("Action expired", Meaning("expired", is_refusal=False)),
    # Three outcomes in one text: only a look at the order tells which.
    (GONE.removesuffix("."), Meaning("order_gone", is_refusal=False)),
    (MODIFY_GONE, Meaning("order_gone", is_refusal=False)),
    # The id is in use, perhaps by an earlier copy of this order.
    (DUPLICATE_CLOID, Meaning("duplicate_id", is_refusal=False)),
)
_UNKNOWN = Meaning("", is_refusal=False)


def meaning_of(text: str) -> Meaning:
    """What an error text says about the attempt that it answers."""
    for start, meaning in _MEANINGS:
        if text.startswith(start):
            return meaning
    return _UNKNOWN


def table() -> str:
    """The table as Markdown, one row per text, for the documentation."""
    lines = ["| text begins with | our code | verdict |", "|---|---|---|"]
    for start, meaning in _MEANINGS:
        verdict = "rejected" if meaning.is_refusal else "unknown"
        lines.append(f"| {start} | {meaning.code} | {verdict} |")
    lines.append("| anything else | | unknown |")
    return "\n".join(lines) + "\n"

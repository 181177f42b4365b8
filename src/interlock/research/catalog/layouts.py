"""What the columns of a file mean: recognized by their names, or said by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interlock.research.catalog.errors import ImportRefused

_ALIASES: dict[str, tuple[str, ...]] = {
    "time": (
        # An epoch has no zone to be asked for: it goes before a date beside it.
        "unix", "unix_timestamp", "ts", "time", "timestamp", "date", "datetime", "open_time",
        "opentime", "open time", "transact_time", "transaction_time", "calc_time", "fundingtime",
        "funding_time", "index", "t",
    ),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price"),
    "volume": ("volume", "v", "vol", "base_volume", "volume_base"),
    "price": ("price", "p"),
    "quantity": ("quantity", "qty", "q", "size", "amount", "base_qty"),
    "side": ("side", "is_buyer_maker", "isbuyermaker", "m", "aggressor"),
    "bid": ("bid", "best_bid_price", "bid_price", "bestbid"),
    "bid_quantity": ("bid_quantity", "bid_qty", "best_bid_qty", "bid_size", "bid_amount"),
    "ask": ("ask", "best_ask_price", "ask_price", "bestask"),
    "ask_quantity": ("ask_quantity", "ask_qty", "best_ask_qty", "ask_size", "ask_amount"),
    "sequence": ("sequence", "seq", "update_id", "u"),
    "previous_sequence": ("previous_sequence", "prev_seq", "pu"),
    "is_snapshot": ("is_snapshot", "snapshot"),
    "order_id": ("order_id", "orderid"),
    "action": ("action",),
    "rate": ("rate", "funding_rate", "fundingrate", "last_funding_rate"),
}  # fmt: skip

REQUIRED: dict[str, tuple[str, ...]] = {
    "bars": ("time", "open", "high", "low", "close"),
    "quotes": ("time", "bid", "ask"),
    "trades": ("time", "price", "quantity"),
    "depth": ("time", "side", "price", "quantity"),
    "orders": ("time", "order_id", "action", "side", "price", "quantity"),
    "funding": ("time", "rate"),
    "mark": ("time", "price"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "bars": ("volume",),
    "quotes": ("bid_quantity", "ask_quantity"),
    "trades": ("side",),
    "depth": ("sequence", "previous_sequence", "is_snapshot"),
}
_TRADE_IDS = {"id", "agg_trade_id", "trade_id", "is_buyer_maker", "isbuyermaker", "maker_id"}
_STEP = re.compile(r"(?:^|[-_.])(\d+(?:s|m|h|d|w))(?=[-_.])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """The kind of a file and, for each of our fields, the column that holds it."""

    kind: str
    fields: Mapping[str, str]
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    symbol_column: str = ""
    # Bid and ask bars become quotes at the close of their bar.
    at_close: bool = False
    all_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user said of the files: their kind, and columns by our field names."""

    kind: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def recognize(names: Sequence[str], path: Path, *, hints: Hints) -> Layout:
    """The layout of a file from its column names and file name; raises ImportRefused."""
    found = _fields(names, path, hints)
    if hints.kind and hints.kind not in REQUIRED:
        raise ImportRefused(f"kind {hints.kind!r} is not known; use one of {', '.join(REQUIRED)}")
    lowered = {name.lower() for name in names}
    file = path.name.lower()
    kind = hints.kind or _kind(found, lowered, file)
    special = _special(kind, found, lowered, file)
    if special is not None:
        kind, found, notes = special
    else:
        notes = ()
    if not kind:
        raise _unknown(names, path)
    missing = [name for name in REQUIRED[kind] if name not in found]
    if missing:
        raise ImportRefused(
            f"{path}: no column for {', '.join(missing)}, which {kind} need; the file has "
            f"{', '.join(names)}: name them with --columns {missing[0]}=COLUMN,..."
        )
    used = {
        name: found[name] for name in (*REQUIRED[kind], *OPTIONAL.get(kind, ())) if name in found
    }
    symbol = next((name for name in names if name.lower() in ("symbol", "ticker", "coin")), "")
    return Layout(
        kind=kind,
        fields=used,
        notes=(*notes, *_absent(kind, used, names)),
        ignored=tuple(n for n in names if n not in used.values() and n != symbol),
        symbol_column=symbol,
        at_close=bool(notes) and "bid_close" in lowered and kind == "quotes",
        all_snapshot=kind == "depth" and "is_snapshot" not in used and "snapshot" in file,
    )


def step_in_name(path: Path) -> str:
    """The step that a file name states, such as 1m in BTCUSDT-1m-2024-01.csv, or ''."""
    found: list[str] = _STEP.findall(path.name)
    return found[0] if len(set(found)) == 1 else ""


def _fields(names: Sequence[str], path: Path, hints: Hints) -> dict[str, str]:
    duplicate = next((name for name in names if list(names).count(name) > 1), None)
    if duplicate is not None:
        raise ImportRefused(f"{path}: two columns are named {duplicate!r}; give each its own name")
    for ours, theirs in hints.columns.items():
        if ours not in _ALIASES:
            raise ImportRefused(
                f"--columns {ours}={theirs}: {ours!r} is no field; fields are {', '.join(_ALIASES)}"
            )
        if theirs not in names:
            raise ImportRefused(
                f"--columns {ours}={theirs}: {path} has no column {theirs!r}; "
                f"it has {', '.join(names)}"
            )
    by_lower = {name.lower(): name for name in reversed(names)}
    found = dict(hints.columns)
    for ours, aliases in _ALIASES.items():
        match = next((by_lower[alias] for alias in aliases if alias in by_lower), None)
        if match is not None and ours not in found:
            found[ours] = match
    return found


def _kind(found: Mapping[str, str], lowered: set[str], file: str) -> str:
    has = found.keys()
    if {"open", "high", "low", "close"} <= has:
        return "bars"
    if {"order_id", "action"} <= has:
        return "orders"
    if {"bid", "ask"} <= has and "price" not in has:
        return "quotes"
    if {"price", "quantity"} <= has:
        return _priced(found, lowered, file)
    if "rate" in has:
        return "funding"
    return ""


def _priced(found: Mapping[str, str], lowered: set[str], file: str) -> str:
    if {"is_snapshot", "previous_sequence"} & found.keys():
        return "depth"
    if "sequence" in found or "depth" in file:
        return "depth"
    if lowered & _TRADE_IDS or "trade" in file or "tick" in file or "side" not in found:
        return "trades"
    raise ImportRefused(
        f"{file}: columns time, side, price and quantity may be trades or book levels; "
        "say which: --kind trades or --kind depth"
    )


def _special(
    kind: str, found: dict[str, str], lowered: set[str], file: str
) -> tuple[str, dict[str, str], tuple[str, ...]] | None:
    """Files whose column names say less than their file name or prefix."""
    if {"bid_close", "ask_close"} <= lowered and kind in ("", "quotes"):
        renamed = (
            {"time": found["time"], "bid": "bid_close", "ask": "ask_close"}
            if ("time" in found)
            else {}
        )
        note = "bid and ask bars: stored as one quote at the close of each bar"
        return "quotes", renamed, (note,)
    if "open" not in found:
        return None
    if "funding" in file and kind in ("bars", "funding") and "rate" not in found:
        note = "a funding file in OHLCV form: the rate is its open column"
        return "funding", {**found, "rate": found["open"]}, (note,)
    if kind == "mark" or (kind == "bars" and re.search(r"(^|[-_.])mark", file)):
        note = "mark price bars: stored as the mark price at each open"
        return "mark", {**found, "price": found["open"]}, (note,)
    return None


def _absent(kind: str, used: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    like = [name for name in names if "vol" in name.lower()]
    hint = f"; of {', '.join(like)} name the one in base units: --columns volume=COLUMN"
    fills = {
        ("bars", "volume"): "no volume column: volume is stored as 0, and no run can cap its "
        f"orders by it{hint if like else ''}",
        ("quotes", "bid_quantity"): "no bid quantity column: stored as 0 (unknown)",
        ("quotes", "ask_quantity"): "no ask quantity column: stored as 0 (unknown)",
        ("trades", "side"): "no side column: the aggressor is stored as 0 (unknown)",
        ("depth", "sequence"): "no sequence column: stored as 0, lost messages cannot be seen",
    }
    return tuple(note for (of, name), note in fills.items() if of == kind and name not in used)


def _unknown(names: Sequence[str], path: Path) -> ImportRefused:
    return ImportRefused(
        f"{path}: unknown columns {', '.join(names)}; bars need time, open, high, low, close and "
        "volume: name them with --columns time=COLUMN,open=COLUMN,... and --kind bars"
    )

"""The table of the venue's error codes: which of them state that this very attempt was refused.

Rules of this file. A row says REJECTED only where the venue states that the attempt had no effect,
whatever happened to attempts before it. A code without a row is UNKNOWN: a new code proves
nothing. A row may differ by what was asked for; ``docs/answers.md`` prints the table.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from interlock.model.venue import Verdict

PLACE, CANCEL, AMEND, QUERY, SETTING = "place", "cancel", "amend", "query", "setting"


class Row(msgspec.Struct, frozen=True):
    """One code: its name, the verdict, why, and the kinds of request that are judged otherwise."""

    name: str
    verdict: Verdict
    reason: str
    otherwise: tuple[tuple[str, Verdict], ...] = ()
    status: int = 0

    def judge(self, asked: str, status: int) -> Verdict:
        """The verdict for a kind of request; a row with a status holds for that status only."""
        if self.status and status != self.status:
            return Verdict.UNKNOWN
        return dict(self.otherwise).get(asked, self.verdict)


_NO, _OPEN = Verdict.REJECTED, Verdict.UNKNOWN
_SHAPE = "the request's form was refused before it reached the book"
_CLOCK = "outside its time window, so never taken up"
_KEY = "the key or its signature was refused"
_LIMIT = "a limit refused it before it reached the book"
_ORDER = "the order was checked and refused"
_RULE = "a rule of the symbol or the account refused it"
_SET = "the setting was refused and stands as it was"
_MATCH = "the matching engine refused it"
_SILENT = "the venue says itself that it does not know what became of it"


def _rows(names: Mapping[int, str], verdict: Verdict, reason: str) -> dict[int, Row]:
    return {code: Row(name, verdict, reason) for code, name in names.items()}


ROWS: Mapping[int, Row] = {
    **_rows(
        {
            -1000: "UNKNOWN",
            -1001: "DISCONNECTED",
            -1006: "UNEXPECTED_RESP",
            -1007: "TIMEOUT",
        },
        _OPEN,
        _SILENT,
    ),
    **_rows(
        {-1003: "TOO_MANY_REQUESTS", -1015: "TOO_MANY_ORDERS", -1016: "SERVICE_SHUTTING_DOWN"},
        _NO,
        _LIMIT,
    ),
    -1008: Row(
        "SERVER_BUSY", _NO, "with status 503 the venue states that it was not executed", (), 503
    ),
    **_rows(
        {-1021: "INVALID_TIMESTAMP", -5028: "ME_RECVWINDOW_REJECT", -1131: "BAD_RECV_WINDOW"},
        _NO,
        _CLOCK,
    ),
    **_rows(
        {
            -1002: "UNAUTHORIZED",
            -1022: "INVALID_SIGNATURE",
            -2014: "BAD_API_KEY_FMT",
            -2015: "REJECTED_MBX_KEY",
            -2017: "API_KEYS_LOCKED",
            -1125: "INVALID_LISTEN_KEY",
        },
        _NO,
        _KEY,
    ),
    **_rows(
        {
            -1100: "ILLEGAL_CHARS",
            -1101: "TOO_MANY_PARAMETERS",
            -1102: "MANDATORY_PARAM_EMPTY_OR_MALFORMED",
            -1103: "UNKNOWN_PARAM",
            -1104: "UNREAD_PARAMETERS",
            -1105: "PARAM_EMPTY",
            -1106: "PARAM_NOT_REQUIRED",
            -1111: "BAD_PRECISION",
            -1115: "INVALID_TIF",
            -1116: "INVALID_ORDER_TYPE",
            -1117: "INVALID_SIDE",
            -1121: "BAD_SYMBOL",
            -1122: "INVALID_SYMBOL_STATUS",
            -1128: "OPTIONAL_PARAMS_BAD_COMBO",
            -1130: "INVALID_PARAMETER",
            -1136: "INVALID_NEW_ORDER_RESP_TYPE",
        },
        _NO,
        _SHAPE,
    ),
    **_rows(
        {
            -2010: "NEW_ORDER_REJECTED",
            -2018: "BALANCE_NOT_SUFFICIENT",
            -2019: "MARGIN_NOT_SUFFICIENT",
            -2020: "UNABLE_TO_FILL",
            -2021: "ORDER_WOULD_IMMEDIATELY_TRIGGER",
            -2022: "REDUCE_ONLY_REJECT",
            -2023: "USER_IN_LIQUIDATION",
            -2024: "POSITION_NOT_SUFFICIENT",
            -2025: "MAX_OPEN_ORDER_EXCEEDED",
            -2026: "REDUCE_ONLY_ORDER_TYPE_NOT_SUPPORTED",
            -2027: "MAX_LEVERAGE_RATIO",
            -2028: "MIN_LEVERAGE_RATIO",
        },
        _NO,
        _ORDER,
    ),
    -2011: Row(
        "CANCEL_REJECTED", _OPEN, "filled, canceled, expired or never there: no proof of any one"
    ),
    -2012: Row("CANCEL_ALL_FAIL", _OPEN, "some orders may be canceled"),
    # An order query is answered by it: answers.py makes "the venue does not know this id" of it.
    -2013: Row(
        "NO_SUCH_ORDER", _OPEN, "not found now: proof only after the window, see negative proof"
    ),
    **_rows(
        {
            -4001: "PRICE_LESS_THAN_ZERO",
            -4002: "PRICE_GREATER_THAN_MAX_PRICE",
            -4003: "QTY_LESS_THAN_ZERO",
            -4004: "QTY_LESS_THAN_MIN_QTY",
            -4005: "QTY_GREATER_THAN_MAX_QTY",
            -4006: "STOP_PRICE_LESS_THAN_ZERO",
            -4007: "STOP_PRICE_GREATER_THAN_MAX_PRICE",
            -4013: "PRICE_LESS_THAN_MIN_PRICE",
            -4014: "PRICE_NOT_INCREASED_BY_TICK_SIZE",
            -4015: "INVALID_CL_ORD_ID_LEN",
            -4016: "PRICE_HIGHTER_THAN_MULTIPLIER_UP",
            -4023: "QTY_NOT_INCREASED_BY_STEP_SIZE",
            -4024: "PRICE_LOWER_THAN_MULTIPLIER_DOWN",
            -4087: "REDUCE_ONLY_ORDER_PERMISSION",
            -4088: "NO_PLACE_ORDER_PERMISSION",
            -4131: "MARKET_ORDER_REJECT",
            -4140: "INVALID_SYMBOL_STATUS_FOR_OPENING_POSITION",
            -4141: "SYMBOL_ALREADY_CLOSED",
            -4144: "INVALID_PAIR",
            -4164: "MIN_NOTIONAL",
            -4184: "ME_TRIGGER_PRICE",
            -4192: "COOLING_OFF_PERIOD",
            -4210: "STOP_PRICE_GREATER_THAN_MULTIPLIER",
            -4211: "STOP_PRICE_LESS_THAN_MULTIPLIER",
            -4400: "TRADING_QUANTITATIVE_RULE",
            -4401: "TRADING_QUANTITATIVE_RULE",
            -4402: "COMPLIANCE_BLACK_SYMBOL_RESTRICTION",
            -4403: "ADJUST_LEVERAGE_COMPLIANCE_FAILED",
            -4061: "POSITION_SIDE_NOT_MATCH",
            -4062: "REDUCE_ONLY_CONFLICT",
            -4120: "STOP_ORDER_SWITCH_ALGO",
        },
        _NO,
        _RULE,
    ),
    **_rows(
        {
            -4028: "INVALID_LEVERAGE",
            -4046: "NO_NEED_TO_CHANGE_MARGIN_TYPE",
            -4047: "THERE_EXISTS_OPEN_ORDERS",
            -4048: "THERE_EXISTS_QUANTITY",
            -4050: "CROSS_BALANCE_INSUFFICIENT",
            -4051: "ISOLATED_BALANCE_INSUFFICIENT",
            -4059: "NO_NEED_TO_CHANGE_POSITION_SIDE",
            -4060: "INVALID_POSITION_SIDE",
            -4067: "POSITION_SIDE_CHANGE_EXISTS_OPEN_ORDERS",
            -4068: "POSITION_SIDE_CHANGE_EXISTS_QUANTITY",
            -4161: "ISOLATED_LEVERAGE_REJECT_WITH_POSITION",
        },
        _NO,
        _SET,
    ),
    -4116: Row(
        "DUPLICATED_CLIENT_ORDER_ID",
        _OPEN,
        "an order under this id is open: ours of an earlier copy of this send, so ask for it",
    ),
    **_rows(
        {-5021: "FOK_ORDER_REJECT", -5024: "MOVE_ORDER_NOT_ALLOWED_SYMBOL_REASON"}, _NO, _MATCH
    ),
    -5022: Row(
        "GTX_ORDER_REJECT",
        _NO,
        "post-only would have taken; an amendment to such a price may cancel the order",
        ((AMEND, _OPEN),),
    ),
    -5026: Row("EXCEED_MAXIMUM_MODIFY_ORDER_LIMIT", _NO, "amended too often; it stands as it was"),
    -5027: Row("SAME_ORDER", _NO, "the amendment changes nothing; it stands as it was"),
    -5040: Row("INVALID_GOOD_TILL_DATE", _NO, _SHAPE),
}

# Texts of status 503 that say what became of the order; every other text there says nothing.
UNAVAILABLE_TEXTS: Mapping[str, tuple[Verdict, str]] = {
    "Service Unavailable.": (_NO, "the venue states that it was not executed and may be retried"),
}


def verdict(asked: str, status: int, code: int, text: str) -> Verdict:
    """What a readable error body proves about one attempt."""
    if status == 503 and code in (0, -1000) and text in UNAVAILABLE_TEXTS:
        return UNAVAILABLE_TEXTS[text][0]
    row = ROWS.get(code)
    if row is None:
        return Verdict.UNKNOWN
    # A code that refuses stands in a 4xx body; in a 2xx or 5xx body the venue contradicts itself.
    if not row.status and not 400 <= status < 500:
        return Verdict.UNKNOWN
    return row.judge(asked, status)


def table() -> str:
    """The table as Markdown, one row per code, for the documentation."""
    lines = ["| code | name | verdict | why |", "|---|---|---|---|"]
    for code, row in sorted(ROWS.items(), reverse=True):
        said = f"{row.verdict} with status {row.status}" if row.status else str(row.verdict)
        said += "".join(f"; {word}: {verdict}" for word, verdict in row.otherwise)
        lines.append(f"| {code} | {row.name} | {said} | {row.reason} |")
    lines += [f'| 503 "{text}" | | {found} | {why} |' for text, (found, why) in _TEXT_ROWS]
    lines.append("| everything else | | unknown | no statement about this attempt |")
    return "\n".join(lines) + "\n"


_TEXT_ROWS = tuple(UNAVAILABLE_TEXTS.items())

"""Who is calling: keys, signatures over raw bytes, the time window."""

from __future__ import annotations

import msgspec

from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.binance.signing import is_signed_by, signed_part
from interlock.wire.http import HttpRequest

_AHEAD_MS = 1_000
_WINDOW_MS = 5_000
_WINDOW_MOST_MS = 60_000


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an account; without ``may_trade`` it reads only."""

    key: str
    secret: str
    account: str
    may_trade: bool = True


class Keys:
    """The keys that the venue has given out."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Give out a key."""
        self._keys[key.key] = key

    def revoke(self, key: str) -> None:
        """Take a key back: calls with it get -2015."""
        self._keys.pop(key, None)

    def holder(self, request: HttpRequest) -> ApiKey:
        """Whose key the request carries."""
        given = request.headers.get("x-mbx-apikey", "")
        if not given:
            raise ApiFault(-2014, "API-key format invalid.", 401)
        return self.find(given)

    def account_of(self, given: str) -> str:
        """The account of a key's text, empty when nobody has it."""
        found = self._keys.get(given)
        return found.account if found is not None else ""

    def find(self, given: str) -> ApiKey:
        """The key by its text."""
        found = self._keys.get(given)
        if found is None:
            raise ApiFault(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return found


def check_signature(key: ApiKey, request: HttpRequest, parameters: Parameters, now_ms: int) -> None:
    """Refuse a call whose time window or signature is wrong."""
    check_window(parameters, now_ms)
    message, signature = signed_part(request.query, request.body)
    if not signature:
        parameters.need("signature")
    if not is_signed_by(key.secret.encode(), message, signature):
        raise ApiFault(-1022, "Signature for this request is not valid.")


def check_window(parameters: Parameters, now_ms: int) -> int:
    """Refuse a call outside of its window; returns its time, ms."""
    parameters.need("timestamp")
    stamp = parameters.count("timestamp")
    window = parameters.count("recvWindow", _WINDOW_MS)
    if window > _WINDOW_MOST_MS:
        raise ApiFault(-1131, "recvWindow must be less than 60000.")
    if stamp >= now_ms + _AHEAD_MS:
        raise ApiFault(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp > window:
        raise ApiFault(-1021, "Timestamp for this request is outside of the recvWindow.")
    return stamp

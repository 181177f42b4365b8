"""Who may do what: signatures, agents, vaults, and the nonces that each signer has used."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

import msgspec

from interlock.wire.hyperliquid import errors, hashing
from interlock.wire.hyperliquid.text import WireFault

# (digest of 32 bytes, r + s + recovery id) -> address in lower case, or None.
Recover = Callable[[bytes, bytes], str | None]

NONCES_KEPT = 100
NONCE_BEHIND_MS = 2 * 24 * 3600 * 1000
NONCE_AHEAD_MS = 24 * 3600 * 1000


class ActionFault(Exception):
    """An action that the venue refuses whole; the text is the venue's."""


class Unreadable(Exception):
    """A body that does not read as a request."""


class Signature(msgspec.Struct):
    """The two halves and the recovery id, as clients write them (leading zeros may lack)."""

    r: str
    s: str
    v: int

    def packed(self) -> bytes:
        """r, s and the recovery id 0 or 1; raises Unreadable."""
        recovery = self.v - 27 if self.v >= 27 else self.v
        try:
            halves = [int(part, 16).to_bytes(32, "big") for part in (self.r, self.s)]
            return b"".join(halves) + recovery.to_bytes(1, "big")
        except (ValueError, OverflowError):
            raise Unreadable("signature") from None


class SignedAction(msgspec.Struct, rename="camel"):
    """The body of /exchange; the action keeps the order of its keys."""

    action: dict[str, object]
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None


class Agent(msgspec.Struct, frozen=True):
    """A key that may act for a user, but not move money."""

    user: str
    name: str
    valid_until_ms: int


class Nonces:
    """The highest nonces of one signer: a new one is above the lowest kept, and not used."""

    def __init__(self) -> None:
        self._kept: list[int] = []

    def take(self, nonce: int, now_ms: int) -> None:
        """Use a nonce; raises ActionFault when it may not be used."""
        if not now_ms - NONCE_BEHIND_MS < nonce < now_ms + NONCE_AHEAD_MS:
            raise ActionFault(f"{errors.NONCE_WINDOW}, got {nonce}")
        if nonce in self._kept:
            raise ActionFault(f"{errors.DUPLICATE_NONCE} {nonce}")
        if len(self._kept) == NONCES_KEPT:
            if nonce < self._kept[0]:
                raise ActionFault(f"{errors.OLD_NONCE} {nonce}")
            self._kept.pop(0)
        insort(self._kept, nonce)


class Access:
    """The known addresses: users, their agents, and the vaults (sub-accounts) they lead."""

    def __init__(self, recover: Recover) -> None:
        self._recover = recover
        self._users: dict[str, str] = {}
        self._addresses: dict[str, list[str]] = {}
        self._agents: dict[str, Agent] = {}
        self._leaders: dict[str, str] = {}
        self._nonces: dict[str, Nonces] = {}

    def add_user(self, address: str, account: str) -> None:
        """Let the holder of this address trade an account of the core."""
        self._users[address.lower()] = account
        self._addresses.setdefault(account, []).append(address.lower())

    def add_vault(self, address: str, leader: str, account: str) -> None:
        """A vault or sub-account: its own positions, traded by the leader's keys."""
        self.add_user(address, account)
        self._leaders[address.lower()] = leader.lower()

    def add_agent(self, address: str, agent: Agent) -> None:
        """Let another key act for a user; a name is held by one agent at a time."""
        for other, held in list(self._agents.items()):
            if (held.user, held.name) == (agent.user, agent.name):
                del self._agents[other]
        self._agents[address.lower()] = agent

    def agents_of(self, user: str) -> list[tuple[str, Agent]]:
        """The agents of a user, in the order of approval."""
        return [(key, held) for key, held in self._agents.items() if held.user == user.lower()]

    def account(self, address: str) -> str | None:
        """The account behind an address."""
        return self._users.get(address.lower())

    def addresses(self, account: str) -> Sequence[str]:
        """The addresses behind which an account stands; most have one, participants none."""
        return self._addresses.get(account, ())

    def users(self) -> list[tuple[str, str]]:
        """(address, account) of everybody."""
        return list(self._users.items())

    def vaults_of(self, leader: str) -> list[str]:
        """The vaults that somebody leads."""
        return [vault for vault, held in self._leaders.items() if held == leader.lower()]

    def role(self, address: str) -> dict[str, object]:
        """What an address is, as ``userRole`` answers."""
        key = address.lower()
        if key in self._agents:
            return {"role": "agent", "data": {"user": self._agents[key].user}}
        if key in self._leaders:
            return {"role": "subAccount", "data": {"master": self._leaders[key]}}
        return {"role": "user" if key in self._users else "missing"}

    def user_of(self, signed: SignedAction, now_ms: int) -> str:
        """The address that an action is for, empty when nobody is known; uses up nothing."""
        if signed.vault_address is not None:
            return signed.vault_address.lower()
        try:
            is_user_signed = signed.action.get("type") in hashing.USER_SIGNED
            return self._signer(signed, now_ms, is_user_signed)[1]
        except (ActionFault, Unreadable):
            return ""

    def admit(self, signed: SignedAction, now_ms: int) -> str:
        """Check signature, expiry and nonce; returns the address that the action is for."""
        kind = signed.action.get("type")
        is_user_signed = kind in hashing.USER_SIGNED
        signer, user = self._signer(signed, now_ms, is_user_signed)
        if signed.expires_after is not None and now_ms > signed.expires_after:
            raise ActionFault(f"{errors.EXPIRED} {signed.expires_after}, now {now_ms}")
        self._nonces.setdefault(signer, Nonces()).take(signed.nonce, now_ms)
        if is_user_signed:
            self._check_own_nonce(signed)
            return user
        if signed.vault_address is None:
            return user
        vault = signed.vault_address.lower()
        if self._leaders.get(vault) != user:
            raise ActionFault(f"Vault not registered: {vault}")
        return vault

    def _check_own_nonce(self, signed: SignedAction) -> None:
        own = signed.action.get("nonce", signed.action.get("time"))
        if own != signed.nonce:
            raise ActionFault(
                f"Invalid nonce: {signed.nonce} is not the nonce of the action, {own}"
            )

    def _signer(self, signed: SignedAction, now_ms: int, is_user_signed: bool) -> tuple[str, str]:
        """The address that signed and the user it acts for, tried on both networks."""
        packed = signed.signature.packed()
        unknown = ""
        for digest in self._digests(signed, is_user_signed):
            signer = self._recover(digest, packed)
            if signer is None:
                continue
            agent = self._agents.get(signer)
            if signer in self._users and signer not in self._leaders:
                return signer, signer
            if agent is not None and not is_user_signed and now_ms <= agent.valid_until_ms:
                return signer, agent.user
            unknown = unknown or signer
        # A signature over other bytes leads to an address that nobody has.
        raise ActionFault(f"{errors.NO_WALLET} {unknown or '0x' + '0' * 40} does not exist.")

    def _digests(self, signed: SignedAction, is_user_signed: bool) -> list[bytes]:
        try:
            if is_user_signed:
                return [hashing.user_digest(signed.action)]
            connection = hashing.connection_id(
                signed.action,
                nonce=signed.nonce,
                vault=signed.vault_address,
                expires_ms=signed.expires_after,
            )
        except WireFault as fault:
            raise Unreadable(str(fault)) from None
        sources = (hashing.MAINNET_SOURCE, hashing.TESTNET_SOURCE)
        return [hashing.l1_digest(connection, source) for source in sources]

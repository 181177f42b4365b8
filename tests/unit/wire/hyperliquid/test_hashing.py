"""Digests and signatures against vectors made by the official client."""

from __future__ import annotations

import pytest

from interlock.adapters.signing import EthereumSigner, KeyFault, recover_address
from interlock.wire.hyperliquid.actions import Identity, draft
from interlock.wire.hyperliquid.hashing import connection_id, user_digest
from interlock.wire.hyperliquid.text import WireFault

SIGNER = EthereumSigner("0x" + "11" * 32)
NONCE = 1_760_000_000_000
VAULT = "0x" + "22" * 20
ACTION = {
    "type": "order",
    "orders": [
        {
            "a": 1,
            "b": True,
            "p": "63000",
            "s": "0.01",
            "r": False,
            "t": {"limit": {"tif": "Gtc"}},
            "c": "0x0000000000000000000000000000abcd",
        }
    ],
    "grouping": "na",
}
# vault, expiry, mainnet, connection id, r, s, recovery id: hyperliquid-python-sdk 0.24.0.
L1_VECTORS = [
    (
        None, 0, True,
        "562637e6311ab92508d93ba487a2b3e2de250b4fea01b88423776ce7f3cd6294",
        "a04aef8ea1d618953733b6d86826b2e34c324be414729ab36c85717424183683",
        "79058bf694967ad0ec93b5cf371cb48a837ce78e4a6a7f4e978d2a4a9a7302e3", 0,
    ),
    (
        None, 0, False,
        "562637e6311ab92508d93ba487a2b3e2de250b4fea01b88423776ce7f3cd6294",
        "3a2a2e2b2a1ec68578b027d1f17a5c4482cedbd51698f22aacb778ac0b8bb48c",
        "4a5be2674bee8c28606f758cc4e549689bf3b0d048385ee680684f4bb9a85276", 1,
    ),
    (
        VAULT, 0, True,
        "a04ff85eb39c76bdfe864082d4ffac61dbb4473c55c6e37f31151c913c16e161",
        "4b4d6bceee4fe79d698f095236aaaf05624c3e059c3a9ad42a6549c8c0781cfc",
        "776dfb992bf32da328e371de27b9eada92275b64ca8aa36da517389f480f2ca1", 1,
    ),
    (
        None, 1_760_000_060_000, True,
        "e508cea67ce723e385c2f7245d8d60d9342a6068a4e987f41328725530df7cc4",
        "d5439c0f71b66773ad80a748f622d9a0e9a60f349890f156e8418271e645eb3d",
        "4fc25f50e00fcae965dd62d83c7197f0608e64730df4a657696a829662c2b563", 1,
    ),
    (
        VAULT, 1_760_000_060_000, False,
        "b0176ec41e76822733860a39bb8a647e9e5ad48ed48b2b24c6973c61822a9bdc",
        "8eac20e8ec172959c1beba3593307c5aff7e6361b65076f9bfd19bf7148674f2",
        "37ed6c80b90dad58539e0f07edae2f71a3e54f52c98ca09b84aca807adcda53c", 1,
    ),
]  # fmt: skip
USER_VECTORS = [
    (
        {
            "maxFeeRate": "0.01%",
            "builder": "0x" + "33" * 20,
            "nonce": NONCE,
            "type": "approveBuilderFee",
            "signatureChainId": "0x66eee",
            "hyperliquidChain": "Testnet",
        },
        "ed7d19a68480d8d75cdb89b07ed80a9e067dc5ea856022cfd0c51780076eb2bf"
        "4ecdcc9ea751658e69c6802ac9d89d9e2fe95e0d682b3409bf12dc3e08c531b400",
    ),
    (
        {
            "type": "approveAgent",
            "agentAddress": "0x" + "44" * 20,
            "nonce": NONCE,
            "signatureChainId": "0x66eee",
            "hyperliquidChain": "Mainnet",
        },
        "6ff435a9e4e632582997ad23b65f1380ecc016a626bc3209bf18a61c2be3375e"
        "6b4da1749c7fc77420495bd8291afb80db45a0f8a4ae9bccc19df48812ded4c401",
    ),
]


@pytest.mark.parametrize("vector", L1_VECTORS)
def test_l1_actions_are_signed_like_the_official_client(vector: tuple[object, ...]) -> None:
    vault, expires, is_mainnet, connection, r, s, recovery = vector
    assert isinstance(expires, int)
    identity = Identity(address=SIGNER.address, vault=vault, is_mainnet=is_mainnet)  # type: ignore[arg-type]
    ready = draft(ACTION, identity, nonce=NONCE, ts_deadline=expires * 1_000_000)
    hashed = connection_id(ACTION, nonce=NONCE, vault=vault, expires_ms=expires or None)  # type: ignore[arg-type]
    assert hashed.hex() == connection
    assert SIGNER.sign(ready.digest) == f"0x{r}{s}{recovery:02x}"


@pytest.mark.parametrize(("action", "signature"), USER_VECTORS)
def test_user_signed_actions_are_signed_like_the_official_client(
    action: dict[str, object], signature: str
) -> None:
    assert SIGNER.sign(user_digest(action)) == f"0x{signature}"


def test_the_signer_is_found_again_from_its_signature() -> None:
    assert SIGNER.address == "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
    digest = connection_id(ACTION, nonce=NONCE)
    signature = bytes.fromhex(SIGNER.sign(digest)[2:])
    assert recover_address(digest, signature) == SIGNER.address
    assert recover_address(bytes(32), signature) != SIGNER.address
    assert recover_address(digest, bytes(65)) is None
    assert recover_address(digest, b"") is None


def test_the_order_of_keys_is_part_of_the_hash() -> None:
    turned = dict(reversed(ACTION.items()))
    assert connection_id(turned, nonce=NONCE) != connection_id(ACTION, nonce=NONCE)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "order"},
        {"nonce": "5"},
        {"nonce": -1},
        {"agentAddress": "0x1234"},
        {"agentAddress": "zz" * 20},
        {"signatureChainId": "nothing"},
        {"hyperliquidChain": 5},
    ],
)
def test_a_user_signed_action_that_does_not_fit_its_type_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(WireFault):
        user_digest({**USER_VECTORS[1][0], **change})


def test_keys_are_checked_and_never_shown() -> None:
    for wrong in ("", "0x12", "g" * 64, "00" * 32):
        with pytest.raises(KeyFault):
            EthereumSigner(wrong)
    assert "11" * 32 not in repr(SIGNER)
    with pytest.raises(KeyFault):
        SIGNER.sign(b"short")

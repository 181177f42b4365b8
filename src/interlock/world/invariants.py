"""The invariants that the judges hold the system to, and those whose subject is not there yet."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "I1": "position and all that may still grow it stay within the limit",
    "I2": "after the faults, orders, positions and balances of engine and venue are equal",
    "I3": "every id that the venue sees has an older durable intent",
    "I4": "no order of ours is open at the venue that the engine holds as over or not at all",
    "I5": "one id has one payload and is sent at most once",
    "I6": "every execution is applied once, with the venue's quantity, price and fee",
    "I7": "an order's rank and filled quantity never fall; what is over stays over",
    "I8": "no order is over by absence before its negative-proof time",
    "I9": "nothing raises exposure on an instrument with an unresolved order",
    "I10": "price, quantity and notional conform to the filters that the engine could know",
    "I11": "the venue's position is own executions and the external bucket, to the unit",
    "I12": "wallet = start + profit - fees + funding + transfers, to the last unit, on both sides",
    "I13": "nothing raises exposure on stale, gapped, crossed, missing or outlying data",
    "I14": "a position that needs protection has a covering reduce-only stop at the venue in time",
    "I15": "nothing is sent inside a Retry-After, and the used weight stays below the limit",
    "I16": "after a stop verb is acknowledged nothing raises exposure until a person lifts it",
    "I17": "requests of a stale lease epoch never reach the venue; one epoch trades at a time",
    "I18": "the recovered state is the fold of a prefix with every acknowledged row",
    "I19": "the same plan gives the same digest",
    "I20": "one version of the settings stands behind each decision",
    "I21": "every order and command has a row in an unbroken chain",
    "I23": "queues, caches and timers stay bounded",
    "I24": "a comparison never raises exposure, and a second one changes nothing",
    "I25": "when the faults stop the engine trades again, or is held with a stated reason",
    "I28": "only the live mode sends",
    "I29": "what is unknown or stale is shown as such",
}

# Invariants that nothing here can violate yet, and what they wait for.
OPEN_INVARIANTS: dict[str, str] = {
    "I20": "settings that change while the engine runs",
    "I22": "the admin API",
    "I26": "promotion of models",
    "I27": "a bus between processes",
}

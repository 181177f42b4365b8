"""The compiled path: one pass over the bars of one instrument, with the kernel's integer rules.

Rules of this file. It is plain Python on integers: ``build`` writes it into a module of the cache
folder, together with ``arithmetic`` and the strategy's own target, and numba compiles that module.
Whatever the kernel does and this loop does not model ends the run with a code, and the run is
taken to the kernel instead. Integers stay below 2^62: ``terms`` proves what follows from the data,
and the loop checks money and quantity where they change.

A row on which nothing of ours happens stays inside ``run_bars``, in registers; what happens
rarely is a function on ``state``. Few functions with one type each keep the compilation short.
"""

from __future__ import annotations

from typing import Any

from interlock.research.compiled.arithmetic import money, scaled, share

# How a run ended: done, or at something that only the kernel models.
DONE, LIQUIDATION, TOO_LARGE, BAD_TARGET, ORDER = range(5)
# Funding instants by their place in a bar: up to the open, inside, at the close.
BEFORE, DURING, AT_CLOSE = range(3)
# Columns of the recorded fills; the moment is 0 at the open of the row's bar, 1 at its close.
ROW, MOMENT, SIGNED, PRICE, FEE, REALIZED = range(6)
TURNOVER, FALL = range(2)
# What a run changes, all integers. ``used`` is what filled in the present bar; a price at or below
# ``floor`` or at or above ``ceiling`` may be a liquidation; ``next`` is the next funding instant.
STATE = [
    "wallet",
    "held",
    "cost",
    "rest",
    "used",
    "floor",
    "ceiling",
    "next",
    "fills",
    "fees",
    "funding",
    "equity",
    "peak",
    "code",
]
# What a run is given, all integers; see ``terms``.
TERMS = [
    "cash_start",
    "fill_at_close",
    "warmup",
    "numerator",
    "denominator",
    "lot",
    "least",
    "most",
    "notional_min",
    "leverage",
    "band",
    "slippage",
    "cap",
    "room",
    "rate",
    "is_paid",
    "tick",
    "figures",
    "finest",
    "coarsest",
    "quantity_max",
    "equity_max",
    "quantity_unit",
    "lowest",
    "highest",
]
LIMIT = 1 << 61
FAR = 1 << 62
BLOCK = 32
# Stands for: targets are quantities, not shares of equity. What the other kind needs is left out.
BY_QUANTITY = False


def is_known(features: Any, row: int) -> bool:
    """Stands for: no feature is NaN on this row."""
    raise NotImplementedError("it is written into the compiled module")


def window(features: Any, row: int) -> Any:
    """Stands for: the features of the block of rows that begins here."""
    raise NotImplementedError("it is written into the compiled module")


def decide(features: Any, values: Any, row: int, position: float) -> float:
    """Stands for the strategy's target on this row."""
    raise NotImplementedError("it is written into the compiled module")


def worsened(mark: int, signed: int, terms: Any) -> int:
    """The price of a market order: a mark after slippage, to the valid price against us."""
    slip = share(mark, terms.slippage, 1) if terms.slippage != 0 else 0
    price = mark + slip if signed > 0 else mark - slip
    step = terms.tick
    if step == 1:
        return max(1, price)
    if step == 0:
        digits = 0
        rest = price
        while rest > 0:
            rest //= 10
            digits += 1
        step = 1
        while digits > terms.figures:
            step *= 10
            digits -= 1
        step = min(max(terms.finest, step), terms.coarsest)
    return int(-(-price // step) * step if signed > 0 else max(1, price // step * step))


def watch(state: Any, terms: Any, tiers: Any) -> None:
    """Set the prices at which the position may be liquidated, a hair early."""
    held, cost = state.held, state.cost
    state.floor = -1
    state.ceiling = FAR
    if held == 0 or terms.is_paid == 1:
        return
    scale = abs(held) * (terms.numerator / terms.denominator)
    # Which tier holds depends on the price: the earliest level of all of them is early enough.
    # The room of two units and 1e-9 covers the rounding of the level and of these floats.
    for tier in range(len(tiers)):
        rate = tiers[tier, 1] / 1e6
        if held > 0:
            level = (cost - state.wallet - tiers[tier, 2]) / (scale * (1.0 - rate))
            floor = int(min(max(level, -1e9), 4e18) * (1.0 + 1e-9)) + 2
            state.floor = max(state.floor, floor)
        else:
            level = (state.wallet - cost + tiers[tier, 2]) / (scale * (1.0 + rate))
            ceiling = int(min(max(level, -1e9), 4e18) * (1.0 - 1e-9)) - 2
            state.ceiling = min(state.ceiling, ceiling)


def settle(row: int, place: int, mark: int, funding: Any, state: Any, terms: Any) -> None:
    """Pay or receive the funding that falls on one place of a bar."""
    index = state.next
    held = state.held
    while index < funding.shape[1] and funding[0, index] == row and funding[1, index] == place:
        rate = funding[2, index]
        # What is paid rounds away from zero, what is received toward zero.
        pays = (held > 0) == (rate > 0)
        value = abs(held) * mark * terms.numerator
        amount = scaled(value, abs(rate), terms.denominator * 10_000_000_000, int(pays))
        received = -amount if pays else amount
        state.wallet += received
        state.funding += received
        index += 1
    state.next = index


def affordable(size: int, price: int, state: Any, terms: Any) -> int:
    """How much of a buy the free cash pays, fee included."""
    product = price * size * terms.numerator
    total = -(-product // terms.denominator)
    total += share(total, max(0, terms.rate), 1)
    free = state.wallet - state.cost
    if total <= free:
        return size
    fits = scaled(max(0, free), size, total, 0)
    return int(fits - fits % terms.lot)


def fill(row: int, moment: int, mark: int, bars: Any, state: Any, terms: Any, sinks: Any) -> int:
    """Fill what waits at a mark, as far as the volume cap and the cash go; returns a code."""
    fills, measures = sinks
    signed = state.rest
    # What fits into the smallest bar of all fits into this one, whose volume is then not read.
    if terms.cap >= 0 and abs(signed) + state.used > terms.room:
        room = share(bars[4][row], terms.cap, 0)
        room -= room % terms.lot + state.used
        signed = max(-room, min(room, signed))
    if signed == 0:
        return DONE
    price = worsened(mark, signed, terms)
    if terms.is_paid == 1 and signed > 0:
        fits = affordable(signed, price, state, terms)
        if fits < signed:
            # The venue drops what the cash does not pay.
            state.rest = signed = fits
            if fits == 0:
                return DONE
    state.rest -= signed
    state.used += abs(signed)
    numerator, denominator, rate = terms.numerator, terms.denominator, terms.rate
    notional = money(price, abs(signed), numerator, denominator)
    fee = share(notional, rate, 1) if rate > 0 else -share(notional, -rate, 0)
    realized = book(signed, price, notional, state, terms)
    state.wallet += realized - fee
    state.fees += fee
    measures[TURNOVER] += notional
    count = state.fills
    state.fills = count + 1
    if count < fills.shape[0]:
        fills[count, ROW] = row
        fills[count, MOMENT] = moment
        fills[count, SIGNED] = signed
        fills[count, PRICE] = price
        fills[count, FEE] = fee
        fills[count, REALIZED] = realized
    if abs(state.wallet) > LIMIT or abs(state.cost) > LIMIT or abs(state.fees) > LIMIT:
        return TOO_LARGE
    return DONE


def book(signed: int, price: int, notional: int, state: Any, terms: Any) -> int:
    """Change the position by one execution; returns the profit it realizes before fees."""
    held, cost = state.held, state.cost
    after = held + signed
    state.held = after
    value = notional if signed > 0 else -notional
    if held == 0 or (held > 0) == (signed > 0):
        state.cost = cost + value
        return 0
    if abs(signed) < abs(held):
        part = scaled(abs(cost), abs(signed), abs(held), 0)
        released = part if cost >= 0 else -part
        state.cost = cost - released
        return -value - released
    # Closed, and the rest of a flip opens at the same price.
    closing = money(price, held, terms.numerator, terms.denominator)
    state.cost = value + closing
    return int(closing - cost)


def aimed(exposure: float, equity: int, mark: int, state: Any, terms: Any) -> int:
    """The wanted quantity of an exposure, cut to the lot."""
    size = int(abs(exposure) * 1_000_000 + 1e-6)
    if size == 0 or equity <= 0:
        return 0
    wanted = share(equity, min(size, terms.leverage), 0)
    held = state.held
    if held != 0 and (held > 0) == (exposure >= 0.0):
        value = equity - state.wallet + state.cost
        if abs(wanted - abs(value)) <= share(equity, terms.band, 0):
            return int(held)
    unit = mark * terms.numerator
    denominator = terms.denominator
    if wanted / unit * denominator > 2.0 * terms.quantity_max:
        return FAR
    quantity = wanted // unit if denominator == 1 else scaled(wanted, denominator, unit, 0)
    quantity -= quantity % terms.lot
    return int(quantity if exposure >= 0.0 else -quantity)


def is_allowed(difference: int, equity: int, mark: int, state: Any, terms: Any) -> bool:
    """Whether the kernel's gate lets an order through."""
    held = state.held
    size = abs(difference)
    if size < terms.least or (terms.most != 0 and size > terms.most):
        return False
    if held != 0 and (held > 0) != (difference > 0) and size <= abs(held):
        return True
    notional = money(mark, size, terms.numerator, terms.denominator)
    if notional < terms.notional_min:
        return False
    if terms.is_paid == 1 and difference > 0:
        free = state.wallet - state.cost
        if notional > free or free <= 0:
            return False
    gross = money(mark, abs(held + difference), terms.numerator, terms.denominator)
    return bool(gross <= share(max(equity, 0), terms.leverage, 0))


def order(target: float, equity: int, mark: int, state: Any, terms: Any) -> int:
    """Replace what waits by the order that a target leads to; returns a code."""
    state.rest = 0
    if not -9e18 < target < 9e18:
        return BAD_TARGET
    if equity > terms.equity_max:
        return TOO_LARGE
    if BY_QUANTITY:
        size = abs(target) * float(terms.quantity_unit) + 1e-6
        wanted = int(min(size, 4e18))
        wanted -= wanted % terms.lot
        if target < 0.0:
            wanted = -wanted
    elif not -1e6 < target < 1e6:
        return BAD_TARGET
    else:
        wanted = aimed(target, equity, mark, state, terms)
    if abs(wanted) > terms.quantity_max:
        return TOO_LARGE
    if wanted < 0 and terms.is_paid == 1:
        wanted = 0
    difference = wanted - state.held
    if difference != 0 and is_allowed(difference, equity, mark, state, terms):
        state.rest = difference
    return DONE


def is_danger(row: int, bars: Any, terms: Any, state: Any) -> bool:
    """Whether a bar may liquidate; where no bar can, its extremes are not even read."""
    floor, ceiling = state.floor, state.ceiling
    if floor >= terms.lowest and bars[2][row] <= floor:
        return True
    return bool(ceiling <= terms.highest and bars[1][row] >= ceiling)


def attend(row: int, bars: Any, rules: Any, state: Any, sinks: Any) -> int:
    """What happens in a bar before the decision, where an order waits or funding falls."""
    opens, closes = bars[0], bars[3]
    terms, funding, tiers = rules
    state.used = 0
    mark = closes[row - 1]
    for place in range(3):
        settle(row, place, mark, funding, state, terms)
        watch(state, terms, tiers)
        mark = opens[row]
        if place == BEFORE:
            if mark <= state.floor or mark >= state.ceiling:
                return LIQUIDATION
            code = fill(row, 0, mark, bars, state, terms, sinks)
            if code != DONE:
                return code
        elif place == DURING:
            mark = closes[row]
            if is_danger(row, bars, terms, state):
                return LIQUIDATION
    return DONE


def quiet(row: int, end: int, columns: Any, position: float) -> int:
    """The first row with a target other than the position, which no price moves; else the end.

    A target is compared on whole blocks, which a compiler turns into vectors.
    """
    features, values = columns
    while row + BLOCK <= end:
        block = window(features, row)
        first = BLOCK
        for at in range(BLOCK):
            acts = is_known(block, at) & (decide(block, values, at, position) != position)
            first = min(first, at if acts else BLOCK)
        row += first
        if first != BLOCK:
            return row
    while row < end:
        if is_known(features, row) and decide(features, values, row, position) != position:
            break
        row += 1
    return row


def moved(row: int, end: int, columns: Any, closes: Any, terms: Any, state: Any) -> int:
    """The first row whose target, beside a position that the price moves, may be an order."""
    features, values = columns
    held, base = state.held, state.wallet - state.cost
    numerator, denominator = terms.numerator, terms.denominator
    most, band = terms.leverage / 1e6, terms.band / 1e6
    while row < end:
        if is_known(features, row):
            value = money(closes[row], held, numerator, denominator)
            equity = base + value
            position = value / equity if equity != 0 else 0.0
            target = decide(features, values, row, position)
            # Far inside the band nothing is ordered; near its edge the integers decide.
            size = abs(target)
            room = band * equity - abs(min(size, most) * equity - abs(value))
            same = (held > 0) == (target > 0.0) and 1e-5 < size < 1e6
            if not (same and room > 4.0 + 2e-6 * equity):
                break
        row += 1
    return row


def track(row: int, end: int, bars: Any, terms: Any, state: Any, sinks: Any) -> int:
    """Follow the equity of a position over rows; returns the row of a liquidation, or the end."""
    _, highs, lows, closes, _ = bars
    _, curve, _, measures = sinks
    held, floor, ceiling = state.held, state.floor, state.ceiling
    base, equity = state.wallet - state.cost, state.equity
    numerator, denominator = terms.numerator, terms.denominator
    keeps, is_guarded = curve.shape[0] != 0, floor >= terms.lowest or ceiling <= terms.highest
    fall, peak = measures[FALL], state.peak
    bottom = int(peak * (1.0 - fall))
    # Without a position one row is like the next.
    last = end if held != 0 or keeps else min(row + 1, end)
    while row < last:
        if is_guarded and (lows[row] <= floor or highs[row] >= ceiling):
            break
        equity = base + money(closes[row], held, numerator, denominator)
        if equity > peak:
            peak = equity
            bottom = int(peak * (1.0 - fall))
        elif equity <= bottom:
            bottom = equity
            fall = max(fall, 1.0 - equity / peak)
        if keeps:
            curve[row] = equity
        row += 1
    state.equity, state.peak = equity, peak
    measures[FALL] = fall
    return row if row < last else end


def scan(row: int, end: int, columns: Any, bars: Any, terms: Any, state: Any, sinks: Any) -> int:
    """Pass rows on which nothing of ours happens; returns the first other row, or the end.

    What that row needs is in ``state.code``: an order (ORDER) or the reason that ends the run.
    """
    held = state.held
    first = max(row, min(terms.warmup, end))
    if state.rest != 0:
        stop = row if first == row and is_known(columns[0], row) else end
    elif BY_QUANTITY:
        stop = quiet(first, end, columns, held / float(terms.quantity_unit))
    elif held == 0:
        stop = quiet(first, end, columns, 0.0)
    else:
        stop = moved(first, end, columns, bars[3], terms, state)
    found = track(row, stop, bars, terms, state, sinks)
    state.code = LIQUIDATION if found < stop else ORDER if stop < end else DONE
    return found


def note(row: int, equity: int, state: Any, sinks: Any) -> None:
    """Keep the equity of a row that acted, after its trade."""
    _, curve, _, measures = sinks
    state.equity = equity
    if equity > state.peak:
        state.peak = equity
    else:
        measures[FALL] = max(measures[FALL], 1.0 - equity / state.peak)
    if curve.shape[0] != 0:
        curve[row] = equity


def act(row: int, columns: Any, bars: Any, rules: Any, state: Any, sinks: Any) -> int:
    """Turn the target of a row into an order, and fill it where it may fill at the close."""
    terms, _, tiers = rules
    closes = bars[3]
    if is_danger(row, bars, terms, state):
        return LIQUIDATION
    mark, held = closes[row], state.held
    value = money(mark, held, terms.numerator, terms.denominator)
    equity = state.wallet - state.cost + value
    if BY_QUANTITY:
        position = held / float(terms.quantity_unit)
    else:
        position = value / equity if held != 0 and equity != 0 else 0.0
    target = decide(columns[0], columns[1], row, position)
    state.rest = 0
    if not (BY_QUANTITY and target == position):
        code = order(target, equity, mark, state, terms)
        if code != DONE:
            return code
    if terms.fill_at_close == 1 and state.rest != 0:
        code = fill(row, 1, mark, bars, state, terms, (sinks[0], sinks[3]))
        if code != DONE:
            return code
        watch(state, terms, tiers)
        value = money(mark, state.held, terms.numerator, terms.denominator)
        equity = state.wallet - state.cost + value
    note(row, equity, state, sinks)
    return DONE


def run_bars(columns: Any, bars: Any, days: Any, rules: Any, state: Any, sinks: Any) -> int:
    """Run all rows; ``days`` has the row after the last of each day.

    Returns 8 x row + code, where the code says how the run ended.
    """
    terms, funding, _ = rules
    fills, _, daily, measures = sinks
    state.wallet = state.equity = state.peak = terms.cash_start
    state.floor, state.ceiling = -1, FAR
    row = day = 0
    due = funding[0, 0] if funding.shape[1] else FAR
    while day < len(days):
        state.used = 0
        if state.rest != 0 or row == due:
            code = attend(row, bars, rules, state, (fills, measures))
            if code != DONE:
                return row * 8 + code
            due = funding[0, state.next] if state.next < funding.shape[1] else FAR
        end = min(days[day], due) if state.rest == 0 else row + 1
        first, row = row, scan(row, end, columns, bars, terms, state, sinks)
        if row > first:
            state.used = 0
        if state.code != DONE:
            code = state.code
            if code == ORDER:
                code = act(row, columns, bars, rules, state, sinks)
            if code != DONE:
                return row * 8 + code
            row += 1
        if row == days[day]:
            daily[day] = state.equity
            day += 1
    return row * 8

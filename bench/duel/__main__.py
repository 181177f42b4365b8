"""`python -m bench.duel`: the duel, or a part of it.

    python -m bench.duel --setup                     install the peers, each in its own place
    python -m bench.duel                             every bot, every script (an hour and a half)
    python -m bench.duel --bot freqtrade --script a  one cell
    python -m bench.duel --table                     the last results, nothing is run

Cells are merged into bench/duel/results/latest.json, and the tables in docs/duel.md written anew.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.duel import cell, page
from bench.duel.bots import freqtrade_bot, nautilus_bot
from bench.duel.bots.bot import Bot
from bench.duel.bots.freqtrade_bot import FreqtradeBot
from bench.duel.bots.interlock_bot import InterlockBot
from bench.duel.bots.nautilus_bot import NautilusBot, NautilusCheckingBot
from bench.duel.scripts import SCRIPTS
from bench.setup import install

BOTS: dict[str, type[Bot]] = {
    kind.name: kind for kind in (InterlockBot, FreqtradeBot, NautilusBot, NautilusCheckingBot)
}


def main() -> int:
    letters = [script.letter for script in SCRIPTS]
    parser = argparse.ArgumentParser(prog="python -m bench.duel")
    parser.add_argument("--setup", action="store_true", help="install the peers")
    parser.add_argument("--bot", action="append", choices=list(BOTS))
    parser.add_argument("--script", action="append", choices=letters)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep each cell's files there")
    parser.add_argument("--table", action="store_true", help="print the last results")
    given = parser.parse_args()
    if given.setup:
        done = [install(peer) for peer in (freqtrade_bot.PEER, nautilus_bot.PEER)]
        return 0 if all(done) else 1
    if not given.table:
        print(page.head(), flush=True)
        for script in SCRIPTS:
            if script.letter not in (given.script or letters):
                continue
            for name in given.bot or BOTS:
                line = cell.run(BOTS[name], script, given.keep)
                page.merge(line)
                print(page.row(line), flush=True)
    page.write()
    print()
    print(page.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())

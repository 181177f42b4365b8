"""`interlock new`: a strategy to start from."""

from __future__ import annotations

import keyword
import os
from pathlib import Path

import click

_TARGET = '''"""{title}: long above a moving average, flat below it."""

from interlock import TargetStrategy, indicators, param


class {name}(TargetStrategy):
    # A parameter has a default, a lowest and a highest value: -p length=100 sets it.
    length: int = param(50, 2, 5000, text="bars of the average")

    def features(self, bars):
        # Columns of floats, one value for each bar, from that bar and the ones before it.
        return {{"close": bars.close, "mean": indicators.sma(bars.close, self.length)}}

    @staticmethod
    def target(f, position):
        # The wanted position as a share of the equity: 1.0 is all of it, -1.0 all of it short.
        return 1.0 if f.close > f.mean else 0.0
'''

_EVENT = '''"""{title}: buy above a moving average with a stop, sell below it."""

from interlock import Strategy, indicators, param


class {name}(Strategy):
    # A parameter has a default, a lowest and a highest value: -p length=100 sets it.
    length: int = param(50, 2, 5000, text="bars of the average")
    stop_pct: float = param(2.0, 0.1, 50.0, text="distance of the stop, percent of the price")

    def on_start(self):
        self.mean = self.follow(indicators.Sma(self.length))  # updated with every bar

    def on_bar(self, bar):
        if not self.mean.ready:
            return
        if self.view.position().quantity:
            if bar.close < self.mean.value:
                self.cancel_all()
                self.close()
        elif bar.close > self.mean.value and not self.view.open_orders():
            quantity = 0.5 * self.view.equity / bar.close
            self.bracket(+1, quantity, stop=bar.close * (1 - self.stop_pct / 100))

    def on_fill(self, fill):
        pass  # print(fill) and breakpoint() work in every callback
'''


@click.command()
@click.argument("name")
@click.option(
    "--form",
    type=click.Choice(["target", "event"]),
    default="target",
    show_default=True,
    help="target: say the wanted position (sweeps run it compiled); event: callbacks and orders.",
)
def new(name: str, form: str) -> None:
    """Write NAME.py, a small strategy that runs as it is."""
    path = Path(name if name.endswith(".py") else f"{name}.py")
    stem = path.stem
    if not stem.isidentifier() or keyword.iskeyword(stem):
        raise click.ClickException(
            f"{stem!r} cannot be the name of a Python file that others import; use letters, digits "
            "and underscores, such as my_trend"
        )
    title = stem.replace("_", " ").strip().capitalize() or stem
    kind = "".join(part[:1].upper() + part[1:] for part in stem.split("_")) or stem
    text = (_TARGET if form == "target" else _EVENT).format(title=title, name=kind)
    if not path.parent.is_dir():
        raise click.ClickException(f"there is no folder {path.parent}; make it first")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(
            f"{path} exists and is not overwritten; choose another name or remove it first"
        ) from None
    click.echo(f"wrote {path}: {kind}, {form} form")
    click.echo(f"next: interlock backtest {_shown(path)} --data synthetic:1h")


def _shown(path: Path) -> str:
    return str(path) if os.sep in str(path) or path.is_absolute() else path.name

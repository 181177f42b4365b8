"""The command ``interlock data download``: history of any ccxt venue into the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

# ccxt, polars and rich cost a second or more to import; they load when the command runs.
if TYPE_CHECKING:
    from interlock.adapters.ccxt_history import CcxtHistory, HistoryRequest, VenueClient
    from interlock.adapters.system import SystemClock
    from interlock.research.catalog import Catalog
    from interlock.research.download import Downloaded, Progress
    from interlock.strategy.columns import Columns

KINDS = ("bars", "trades", "funding")
STEPS = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")
# A bar counts this long after its close, so that late corrections and clock error do not matter.
SETTLE_NS = 10 * 10**9
LINE_EVERY_NS = 5 * 10**9
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the command line asks for; times in ns UTC."""

    venue: str
    symbols: tuple[str, ...]
    kinds: tuple[str, ...]
    step: str
    start_ns: int
    end_ns: int | None
    url: str
    price_exponent: int | None
    quantity_exponent: int | None
    catalog: Path | None


def _kinds(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in KINDS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(KINDS)}")
    if not names:
        raise click.BadParameter(f"name at least one of {', '.join(KINDS)}")
    return names


@click.command("download", short_help="Fetch history from any ccxt venue.")
@click.option("--venue", required=True, help="ccxt's name of the venue, such as binanceusdm.")
@click.option(
    "--symbol",
    "symbols",
    required=True,
    multiple=True,
    help="ccxt's symbol: BTC/USDT:USDT is the perpetual, BTC/USDT spot. May be repeated.",
)
@click.option(
    "--what",
    "kinds",
    default="bars",
    show_default=True,
    callback=_kinds,
    help="bars, trades, funding, or several with commas.",
)
@click.option("--step", default="1m", show_default=True, type=click.Choice(STEPS), help="Of bars.")
@click.option("--from", "start", required=True, help="First time, UTC: 2024-01-01.")
@click.option("--to", "end", default=None, help="End, not included, UTC. Default: now.")
@click.option(
    "--url",
    default="",
    help="Use this scheme and host instead of the venue's, for a mirror or a recording proxy.",
)
@click.option(
    "--price-exponent",
    type=click.IntRange(0, 12),
    default=None,
    help="Decimals of the price unit. Default: those of the tick.",
)
@click.option(
    "--quantity-exponent",
    type=click.IntRange(0, 12),
    default=None,
    help="Decimals of the quantity unit. Default: those of the lot.",
)
@click.option(
    "--catalog",
    type=click.Path(path_type=Path, file_okay=False),
    help="Catalog folder; default: $INTERLOCK_HOME/catalog (~/.interlock/catalog).",
)
def download(start: str, end: str | None, **options: object) -> None:
    """Download bars, trades or funding from any ccxt venue into the catalog.

    An interrupted download continues where it stopped when the same command runs again.
    """
    # ``end`` without a value stays open: it becomes the present of each run.
    with _told():
        from interlock.research.catalog import instant

        start_ns = instant(start)
        end_ns = None if end is None else instant(end)
        if end_ns is not None and end_ns <= start_ns:
            raise click.UsageError(f"--to {end} is not later than --from {start}; swap them")
        _run(Order(start_ns=start_ns, end_ns=end_ns, **options))  # type: ignore[arg-type]


def _run(order: Order) -> None:
    from interlock.adapters.ccxt_history import HistoryRequest, VenueClient
    from interlock.adapters.system import SystemClock

    clock = SystemClock()
    client = VenueClient(order.venue, clock=clock, url=order.url, tell=_tell)
    try:
        for symbol in order.symbols:
            for kind in order.kinds:
                request = HistoryRequest(
                    symbol=symbol,
                    kind=kind,
                    step=order.step,
                    start_ns=order.start_ns,
                    price_exponent=order.price_exponent,
                    quantity_exponent=order.quantity_exponent,
                )
                _series(client, clock, request, order)
    finally:
        client.close()


def _series(client: VenueClient, clock: SystemClock, request: HistoryRequest, order: Order) -> None:
    from interlock import config
    from interlock.research.catalog import Catalog
    from interlock.research.download import download as fetch
    from interlock.research.download import open_job

    settings = config.load()
    catalog = Catalog(order.catalog or settings.catalog)
    request, end_ns = _whole_steps(request, order.end_ns, clock.now_ns())
    history = _open(client, request, catalog)
    is_new = not catalog.has_instrument(history.instrument.id)
    title = f"{history.instrument.id} {_entry(request)}"
    with (
        open_job(settings.cache, venue=client.id, history=history) as job,
        _shown(title, clock) as watch,
    ):
        done = fetch(job, history, store=CatalogStore(catalog), end_ns=end_ns, watch=watch)
    click.echo(_summary(title, done))
    for line in _notes(done, request):
        click.echo(line)
    if is_new and history.instrument.is_margined:
        click.echo(
            f"  {client.id} tells margin tiers to account holders only: the instrument starts with "
            f"leverage up to {history.instrument.leverage_max} and 0.5 % maintenance margin, edit "
            f"{catalog.root / history.instrument.id / 'instrument.json'} to change that"
        )


def _tell(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _open(client: VenueClient, request: HistoryRequest, catalog: Catalog) -> CcxtHistory:
    from interlock.adapters.ccxt_history import open_history
    from interlock.research.catalog import ImportRefused

    history = open_history(client, request)
    name = history.instrument.id
    if not catalog.has_instrument(name):
        return history
    # All entries of one instrument share their units, so the stored ones are the starting point.
    stored = catalog.instrument(name)
    asked = (request.price_exponent, request.quantity_exponent)
    wider = replace(
        request,
        price_exponent=stored.price_exponent if asked[0] is None else asked[0],
        quantity_exponent=stored.quantity_exponent if asked[1] is None else asked[1],
    )
    history = open_history(client, wider)
    wanted = (history.instrument.price_exponent, history.instrument.quantity_exponent)
    if wanted != (stored.price_exponent, stored.quantity_exponent) and catalog.names(name):
        raise ImportRefused(
            f"{name} is in the catalog with price and quantity exponents "
            f"{stored.price_exponent} and {stored.quantity_exponent}, this download needs "
            f"{wanted[0]} and {wanted[1]}; all data of an instrument has the same units, remove it "
            f"with `interlock data remove {name}` and download again"
        )
    if wanted == (stored.price_exponent, stored.quantity_exponent):
        # Fees, limits and margin tiers that the user has set stay.
        history.instrument = stored
    return history


def _whole_steps(
    request: HistoryRequest, end_ns: int | None, now_ns: int
) -> tuple[HistoryRequest, int]:
    """The request and its end, on whole steps and in the past."""
    grid = request.step_ns or 1_000_000
    start_ns = -(-request.start_ns // grid) * grid
    last_ns = now_ns - SETTLE_NS
    end = min(last_ns, end_ns) if end_ns is not None else last_ns
    end = end // grid * grid
    if end <= start_ns:
        from interlock.adapters.ccxt_history.pages import time_text

        raise click.UsageError(
            f"nothing is complete between {time_text(start_ns)} and {time_text(end)}; choose an "
            "earlier --from or a later --to, not after now"
        )
    return replace(request, start_ns=start_ns), end


class CatalogStore:
    """The catalog as the place where a finished download goes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, columns: Columns, *, origin: str) -> str:
        """Join the columns to the stored ones; rows that contradict each other are refused."""
        from interlock.research.catalog import Provenance

        note = Provenance(origin=origin, imported_by="interlock data download")
        entry = self._catalog.put(columns, origin=origin, mode="merge", provenance=note)
        return entry.digest


@contextmanager
def _told() -> Iterator[None]:
    """Every expected failure ends as one message and a non-zero exit."""
    from interlock.adapters.ccxt_history import HistoryError
    from interlock.adapters.system import LockHeldError
    from interlock.config import ConfigError
    from interlock.model.instrument import InstrumentError
    from interlock.model.units import UnitError
    from interlock.research.catalog import CatalogError
    from interlock.research.download import DownloadError

    known = (HistoryError, DownloadError, CatalogError, LockHeldError, ConfigError)
    try:
        yield
    except (*known, InstrumentError, UnitError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or 'a file'} cannot be used: {error.strerror or error}; free space "
            "or fix the permissions and run the same command again"
        ) from error
    except KeyboardInterrupt:
        click.echo(
            "interrupted; the pages fetched so far are kept and the catalog is unchanged: "
            "run the same command again, it continues where it stopped",
            err=True,
        )
        click.get_current_context().exit(EXIT_INTERRUPTED)


@contextmanager
def _shown(title: str, clock: SystemClock) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on a terminal, elsewhere a line every few seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title, clock).show
        return
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    pace = _Pace(clock)
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, rows=0, rate=0.0)

        def watch(progress: Progress) -> None:
            span = progress.end_ns - progress.start_ns
            done = progress.cursor_ns - progress.start_ns
            rate = pace.rows_per_second(progress)
            bar.update(task, total=span, completed=done, rows=progress.rows, rate=rate)

        yield watch


class _Pace:
    """Speed since this run began: rows of earlier runs do not count."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._began = clock.now_ns()
        self._first: Progress | None = None

    def rows_per_second(self, progress: Progress) -> float:
        self._first = self._first or progress
        return (progress.rows - self._first.rows) / self._seconds()

    def seconds_left(self, progress: Progress) -> float | None:
        self._first = self._first or progress
        gained = progress.share - self._first.share
        return (1.0 - progress.share) / gained * self._seconds() if gained > 0 else None

    def _seconds(self) -> float:
        return max(1e-3, (self._clock.now_ns() - self._began) / 1e9)


class _Lines:
    def __init__(self, title: str, clock: SystemClock) -> None:
        self._title = title
        self._clock = clock
        self._pace = _Pace(clock)
        self._told_ns = 0

    def show(self, progress: Progress) -> None:
        now = self._clock.now_ns()
        rate, left = self._pace.rows_per_second(progress), self._pace.seconds_left(progress)
        if now - self._told_ns < LINE_EVERY_NS:
            return
        self._told_ns = now
        ahead = "" if left is None else f", about {left:,.0f} s left"
        click.echo(
            f"{self._title}: {progress.share:.0%}, {progress.rows:,} rows, {rate:,.0f}/s{ahead}",
            err=True,
        )


def _entry(request: HistoryRequest) -> str:
    return f"bars-{request.step}" if request.kind == "bars" else request.kind


def _summary(title: str, done: Downloaded) -> str:
    from interlock.adapters.ccxt_history.pages import time_text

    resumed = f" ({done.resumed:,} from an earlier run)" if done.resumed else ""
    return (
        f"{title}: {done.rows:,} rows{resumed}, {time_text(done.first_ns)} to "
        f"{time_text(done.last_ns)}, digest {done.digest[:12]}"
    )


def _notes(done: Downloaded, request: HistoryRequest) -> Iterator[str]:
    from interlock.adapters.ccxt_history.pages import time_text

    if done.repeats:
        yield f"  the venue sent {done.repeats:,} rows twice; each counts once"
    if done.gaps:
        missing = sum(end - start for start, end in done.gaps) // request.step_ns
        start, end = max(done.gaps, key=lambda gap: gap[1] - gap[0])
        yield (
            f"  {missing:,} bars in {len(done.gaps):,} gaps do not exist at the venue, the longest "
            f"from {time_text(start)} to {time_text(end)}; `interlock data check` lists them"
        )

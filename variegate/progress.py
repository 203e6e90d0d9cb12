"""Progress of long work and what a person should know of it: silent in a library, shown where a command asks for it.

The command line installs reporters; everything else only calls :func:`track` and :func:`announce`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from variegate.choices import Choice

__all__ = ["Advance", "announce", "announce_by", "duration", "hide_progress", "report_by", "show_progress", "track"]

Advance = Callable[[int], None]
Reporter = Callable[[str, int, str], AbstractContextManager[Advance]]

# In a log: what is over sooner has no line, and what takes hours has not too many.
LINE_SECONDS = 10.0
_shown = False


def _silent(what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    return nullcontext(lambda done: None)


def _unheard(message: str) -> None:
    pass


_reporter: Choice[Reporter] = Choice(_silent)
_announcer: Choice[Callable[[str], None]] = Choice(_unheard)


def announce(message: str) -> None:
    """Tell a person what is about to happen, or what came out otherwise than they may think."""
    _announcer.value(message)


def announce_by(tell: Callable[[str], None]) -> None:
    """Have announcements told by `tell` from now on."""
    _announcer.value = tell


def report_by(reporter: Reporter) -> None:
    """Have progress shown by `reporter` from now on: called with a label, a total and a unit, it opens a progress line."""
    _reporter.value = reporter


def track(what: str, total: int, unit: str = "rows") -> AbstractContextManager[Advance]:
    """Open a progress line; the value of the `with` block is called with the number of units just done.

    >>> with track("embedding", total=2) as advance:
    ...     advance(2)
    """
    return _reporter.value(what, total, unit)


def duration(seconds: float) -> str:
    """Return seconds in words.

    >>> duration(75), duration(4000), duration(3)
    ('1 min 15 s', '1 h 06 min', '3 s')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


@contextmanager
def _outermost(show: Reporter, what: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the outer one of two phases, which tells more about how long it will take."""
    global _shown
    if _shown:
        yield lambda done: None
        return
    _shown = True
    try:
        with show(what, total, unit) as advance:
            yield advance
    finally:
        _shown = False


def _bar(what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    return _outermost(_open_bar, what, total, unit)


def _lines(what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    return _outermost(_write_lines, what, total, unit)


@contextmanager
def _open_bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TextColumn("{task.fields[rate]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")

        def advance(done: int) -> None:
            progress.advance(task, done)
            speed = progress.tasks[0].speed
            if speed:
                progress.update(task, rate=f"{speed:,.0f} {unit}/s")

        yield advance


@contextmanager
def _write_lines(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Write a line every ten seconds: phase, done, rate, time left."""
    begun = said = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, said
        done += more
        now = time.monotonic()
        if done and now - said >= LINE_SECONDS:
            said = now
            rate = done / (now - begun)
            shown = f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2g} {unit}/s"
            left = duration((total - done) / rate)
            # A log that was closed is no reason to stop.
            with suppress(OSError, ValueError):
                print(f"{what}: {done:,} of {total:,} {unit}, {shown}, {left} left", file=sys.stderr, flush=True)  # noqa: T201

    yield advance


def hide_progress() -> None:
    """Show no progress from now on."""
    _reporter.value = _silent


def show_progress() -> None:
    """Show progress from now on: a bar on a terminal and in a notebook, a line every ten seconds elsewhere, such as in a log."""
    from rich.console import Console

    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    _reporter.value = _bar if is_terminal or Console().is_jupyter else _lines

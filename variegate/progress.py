"""Progress of long work and what a person should know of it: silent in a library, shown where a command asks for it.

The command line installs reporters; everything else only calls :func:`track` and :func:`announce`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

__all__ = ["Advance", "announce", "announce_by", "report_by", "report_to_terminal", "track"]

Advance = Callable[[int], None]
Reporter = Callable[[str, int, str], AbstractContextManager[Advance]]


_shown = False


def _silent(what: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    return nullcontext(lambda done: None)


_reporter: ContextVar[Reporter] = ContextVar("variegate_progress", default=_silent)
_announcer: ContextVar[Callable[[str], None]] = ContextVar("variegate_announcements", default=lambda message: None)


def announce(message: str) -> None:
    """Tell a person what is about to happen, or what came out otherwise than they may think."""
    _announcer.get()(message)


def announce_by(tell: Callable[[str], None]) -> None:
    """Have announcements told by `tell` from now on."""
    _announcer.set(tell)


def report_by(reporter: Reporter) -> None:
    """Have progress shown by `reporter` from now on: called with a label, a total and a unit, it opens a progress line."""
    _reporter.set(reporter)


def track(what: str, total: int, unit: str = "rows") -> AbstractContextManager[Advance]:
    """Open a progress line; the value of the `with` block is called with the number of units just done.

    >>> with track("embedding", total=2) as advance:
    ...     advance(2)
    """
    return _reporter.get()(what, total, unit)


@contextmanager
def _bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    global _shown
    if _shown:
        # A terminal can show one bar at a time; the outer one tells more about how long it will take.
        yield lambda done: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TextColumn("{task.fields[rate]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        _shown = True
        task = progress.add_task(what, total=total, rate="")

        def advance(done: int) -> None:
            progress.advance(task, done)
            speed = progress.tasks[0].speed
            if speed:
                progress.update(task, rate=f"{speed:,.0f} {unit}/s")

        try:
            yield advance
        finally:
            _shown = False


def report_to_terminal() -> None:
    """Show progress on stderr from now on, if stderr is a terminal."""
    import sys

    if sys.stderr is not None and sys.stderr.isatty():
        _reporter.set(_bar)

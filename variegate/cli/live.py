"""How far a study is, as a table on the terminal, or as lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from variegate.cli.streams import echo, is_terminal
from variegate.progress import Advance, announce_by, duration, report_by

__all__ = ["Live"]


LINE_SECONDS = 5.0


@dataclass
class _Stage:
    total: int
    before: int
    begun: float
    done: int = 0
    failed: int = 0
    now: str = ""
    inner: str = ""

    def rate(self, now: float) -> float | None:
        """Pieces a second, of those of this call."""
        return self.done / (now - self.begun) if self.done and now > self.begun else None

    def left(self, now: float) -> float | None:
        rate = self.rate(now)
        return None if rate is None else (self.total - self.before - self.done - self.failed) / rate


@dataclass
class Live:
    """Told by a study how far it is; shows it on stderr.

    Attributes:
        quiet: whether nothing is shown.
    """

    quiet: bool = False
    _stages: dict[str, _Stage] = field(default_factory=dict)
    _live: Any = None
    _said: float = -LINE_SECONDS

    @contextmanager
    def shown(self) -> Iterator[Live]:
        """Show the table while the block runs."""
        if self.quiet or not is_terminal(sys.stderr):
            yield self
            return
        from rich.console import Console
        from rich.live import Live as RichLive

        console = Console(stderr=True)
        with RichLive(get_renderable=self._table, console=console, refresh_per_second=2, transient=True) as live:
            self._live = live
            announce_by(lambda message: console.print(message, markup=False, highlight=False))
            report_by(self._inner)
            yield self
        self._live = None

    def stage(self, name: str, total: int, done: int) -> None:
        """Add a line for a stage."""
        self._stages[name] = _Stage(total, done, time.monotonic())
        if done < total:
            self._line(f"{name}: {done:,} of {total:,} are done")

    def starts(self, name: str, what: str) -> None:
        """Say what is being done."""
        self._stages[name].now = what

    def ends(self, name: str) -> None:
        """Count a piece."""
        stage = self._stages[name]
        stage.done += 1
        left = stage.left(time.monotonic())
        last = stage.before + stage.done + stage.failed == stage.total
        ending = "" if left is None or last else f"; {duration(left)} left"
        # Many quick pieces are one line now and then; a run of minutes has its own.
        if last or time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._line(f"{name}: {stage.before + stage.done:,} of {stage.total:,}, {stage.now}{ending}")
        stage.now = stage.inner = ""

    def fails(self, name: str) -> None:
        """Count a piece that is not done: what is left takes no longer for it."""
        stage = self._stages[name]
        stage.failed += 1
        stage.now = stage.inner = ""

    def _line(self, text: str) -> None:
        if self._live is None and not self.quiet:
            echo(text, err=True)

    @contextmanager
    def _inner(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Show the progress within a piece beside its name."""
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            for stage in self._stages.values():
                if stage.now:
                    stage.inner = f"{what} {done:,}/{total:,} {unit}"

        yield advance

    def _table(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in ("stage", "done", "an hour", "time left", "now"):
            table.add_column(name, justify="right" if name in ("done", "an hour", "time left") else "left", no_wrap=True)
        now = time.monotonic()
        for name, stage in self._stages.items():
            rate, left = stage.rate(now), stage.left(now)
            doing = f"{stage.now} {stage.inner}".strip()
            table.add_row(
                name, f"{stage.before + stage.done:,} of {stage.total:,}", "" if rate is None else f"{3600 * rate:,.0f}",
                "" if left is None else duration(left), Text(doing, overflow="ellipsis"),
            )  # fmt: skip
        return table

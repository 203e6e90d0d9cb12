"""Work on blocks by several threads, each with its own products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from variegate.geometry.memory import entries_allowed

__all__ = ["Threads"]

# What each thread may hold: a few blocks of a few megabytes.
BYTES = 32 << 20

Part = TypeVar("Part")
Result = TypeVar("Result")


class Threads:
    """As many threads as matrix products have elsewhere (and memory allows); products inside the block have one each.

    numpy works on one core but in its products, and the threads of a product wait for each other busily: many small ones, on a
    machine that has other work too, take several times as long as they should. Here each thread has blocks of its own.

    Attributes:
        count: how many.
    """

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._products = ThreadpoolController().select(user_api="blas")
        most = max((library.num_threads for library in self._products.lib_controllers), default=1)
        self.count = max(1, min(most, entries_allowed(BYTES)))
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> Threads:
        self._limits = self._products.limit(limits=1)
        if self.count > 1:
            self._executor = ThreadPoolExecutor(self.count)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None
        self._limits.__exit__(kind, error, trace)

    def each(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
        """Return what a function makes of each part, in order; all is done only when all was asked for."""
        if self._executor is None or len(parts) < 2:
            return map(function, parts)
        return self._executor.map(function, parts)

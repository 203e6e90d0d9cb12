"""Work that several metrics need on the same arrays, done once while somebody says that the arrays stay as they are."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import numpy as np

__all__ = ["shared", "sharing"]

Function = TypeVar("Function", bound=Callable[..., Any])

_kept: ContextVar[dict[tuple[Any, ...], Any] | None] = ContextVar("variegate_shared", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Keep the results of :func:`shared` functions for as long as their arrays live, and at most until the end of the block.

    Only for callers that own the arrays: a result is found again by which array it was computed from, not by its content.
    """
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def shared(function: Function) -> Function:
    """Make a function of arrays and plain options keep its results inside a :func:`sharing` block."""

    @functools.wraps(function)
    def keeping(*arguments: Any, **options: Any) -> Any:
        kept = _kept.get()
        if kept is None:
            return function(*arguments, **options)
        arrays = [value for value in arguments if isinstance(value, np.ndarray)]
        plain = tuple(id(value) if isinstance(value, np.ndarray) else value for value in arguments)
        key = (function.__qualname__, plain, tuple(sorted(options.items())))
        if key not in kept:
            kept[key] = function(*arguments, **options)
            for array in arrays:
                # Another array may get the same id once this one is gone.
                weakref.finalize(array, kept.pop, key, None)
        return kept[key]

    return cast(Function, keeping)

"""Arrays to cache, what is computed of them, and what a folder of the cache holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from variegate.views.cache import cache_root, cached_arrays

SETTINGS = {"content": "abc", "model": "m"}
ALL = [(0, 10), (10, 20), (20, 25)]


class Counter:
    """Arrays whose rows are their own numbers, and a record of what was computed."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        self.asked.append((start, stop))
        rows = np.arange(start, stop)
        return {"x": rows[:, None] * np.ones((1, 3), np.float32), "flat": np.repeat(rows, 2)}


class Stops(Counter):
    """A run that ends before its last shard."""

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        if start == 20:
            raise KeyboardInterrupt
        return super().__call__(start, stop)


def build(compute, rows: int = 25, settings=SETTINGS, shard_rows: int = 10, kind: str = "vectors"):
    return cached_arrays(kind, settings, rows, shard_rows, compute, "test")


def stop_half_way() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        build(Stops())


def folder() -> Path:
    root = cache_root()
    assert root is not None
    (found,) = (root / "vectors").iterdir()
    return found


def files() -> list[str]:
    return sorted(path.name for path in folder().iterdir())


WHOLE = ["flat.npy", "manifest.json", "settings.json", "x.npy"]


def check(arrays) -> None:
    np.testing.assert_array_equal(arrays["x"][:, 2], np.arange(25))
    np.testing.assert_array_equal(arrays["flat"], np.repeat(np.arange(25), 2))

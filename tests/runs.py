"""Runs of studies that nobody trained: ladders of levels, and arms of strategies."""

from __future__ import annotations

import numpy as np

from tests.test_correlate import a_run


def a_ladder(strategy, side, size, slope, noise=0.1, repeats=1, seed=0, levels=7):
    rng = np.random.default_rng(seed)
    return [
        a_run(
            f"{strategy}-{side}-{size}-{level:g}", repeat, slope * level / 100 + noise * rng.normal(),
            strategy=strategy, side=side, size=size, level=float(level),
        )
        for level in np.linspace(0, 100, levels) for repeat in range(repeats)
    ]  # fmt: skip


def scores(runs):
    return np.array([run.evaluations["score"] for run in runs])


def arms(sizes, effects, n=6, repeats=2, seed=0):
    rng = np.random.default_rng(seed)
    return [
        a_run(f"{name}-{size}-{at}", repeat, effect + rng.normal() + 0.2 * rng.normal(), strategy=name, size=size, seed=at)
        for size in sizes for name, effect in effects.items() for at in range(n) for repeat in range(repeats)
    ]  # fmt: skip

"""Bounds by histograms: never below the score, close to it, and safe with distances of any size."""

from __future__ import annotations

import numpy as np
import pytest

from variegate.strategies.novelselect.histograms import Histograms

RNG = np.random.default_rng


def filled(distances, scale, alpha=1.0, tile=7, block=50):
    n, picks = distances.shape
    histograms = Histograms(n, np.arange(1, picks + 1) ** -alpha)
    histograms.start_anew(scale)
    for low in range(0, picks, block):
        histograms.begin_adding()
        for rows in (slice(0, n // 3), slice(n // 3, n)):
            some = distances[rows, low : low + block]
            tiles = ((slice(at, at + tile), some[at : at + tile].copy()) for at in range(0, len(some), tile))
            histograms.add(rows, tiles)
    return histograms


def exact(distances, alpha):
    wide = np.sort(distances.astype(np.float64), axis=1)
    return wide @ np.arange(1, wide.shape[1] + 1) ** -alpha


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0])
def test_bounds_are_close_and_never_below(alpha):
    rng = RNG(1)
    distances = (rng.gamma(30, 1 / 30, size=(60, 3000)) * rng.uniform(0.01, 50, size=(60, 1))).astype(np.float32)
    found = filled(distances, distances[:, :500].mean(axis=1), alpha).bounds(slice(0, 60))
    true = exact(distances, alpha)
    assert (found >= true).all()
    assert (found <= true * (1.01 if alpha <= 1 else 1.05)).all()


@pytest.mark.parametrize("spread", [1e-6, 1e3, 1e9])
def test_a_scale_that_does_not_fit_costs_tightness_only(spread):
    rng = RNG(2)
    distances = np.exp(rng.normal(size=(20, 400)) * np.log(spread) / 3).astype(np.float32)
    distances[::2, 0] = 0
    found = filled(distances, np.where(np.arange(20) % 3, distances[:, 0], spread)).bounds(slice(0, 20))
    assert np.isfinite(found).all()
    assert (found >= exact(distances, 1.0)).all()


def test_starting_anew_forgets():
    distances = RNG(3).uniform(size=(5, 30)).astype(np.float32)
    histograms = filled(distances, np.ones(5))
    histograms.start_anew(np.ones(5))
    assert (histograms.bounds(slice(0, 5)) == 0).all()


@pytest.mark.parametrize("small", [1e-12, 1e-10, 3e-9])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
def test_what_is_next_to_nothing_beside_the_scale_is_not_lost(small, alpha):
    distances = (small * RNG(4).uniform(0.5, 1.5, size=(9, 2048))).astype(np.float32)
    found = filled(distances, np.ones(9), alpha, block=256).bounds(slice(0, 9))
    assert (found >= exact(distances, alpha)).all()

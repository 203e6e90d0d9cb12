"""Texts that latent semantic analysis is fitted on, and how fits in memory are forgotten."""

from __future__ import annotations

import random

import numpy as np

from variegate.views.lsa import names as lsa

# A stand-in for the words of a few trades, so that texts have something in common.
TRADES = ["bread flour oven dough yeast", "sail mast wind harbour tide", "verb noun clause tense grammar"]


def forget_fits() -> None:
    for cached in (lsa._fitted, lsa._loaded):
        cached.cache_clear()


def made_up(n: int, seed: int) -> list[dict[str, str]]:
    rng = random.Random(seed)
    texts = [" ".join(rng.choices([*rng.choice(TRADES).split(), "the", "of", "and"], k=rng.randint(3, 20))) for _ in range(n)]
    return [{"instruction": f"{seed} {text}", "response": text[::-1]} for text in texts]


def mean_cosine(x: np.ndarray) -> float:
    cosines = np.asarray(x, np.float64) @ np.asarray(x, np.float64).T
    return float(cosines[~np.eye(len(x), dtype=bool)].mean())

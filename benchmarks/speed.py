"""What metrics cost: our time beside a peer's or a plain computation's, and beside the bare float32 matrix product of all pairs.

Usage: speed.py [--rows N] [--dimensions D] [--subset K] [--pool DATA]. Vectors are random (or the pool's own, with --pool); the product is
timed in the same run, since machines differ and neighbours on a shared one come and go. Peers that are not installed are left out
(pip install -r benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import variegate as vg
from variegate.geometry import density, kmeans, nearest
from variegate.metrics.distance import knn_distance
from variegate.metrics.novelty import novelsum
from variegate.metrics.spectral import log_det, vendi_score

ROOT = Path(__file__).resolve().parents[1]
# A computation that holds all pairs, or their eigenvectors, is timed on so many rows.
PLAIN_ROWS = 4000


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def product(left: np.ndarray, right: np.ndarray) -> None:
    """Multiply by blocks, as all code over pairs has to."""
    out = np.empty((2048, len(right)), np.float32)
    for low in range(0, len(left), 2048):
        block = left[low : low + 2048]
        np.matmul(block, right.T, out=out[: len(block)])


def plain_novelsum(x: np.ndarray) -> float:
    """NovelSum as it is defined, all pairs at once."""
    squared = ((x**2).sum(1)[:, None] + (x**2).sum(1) - 2 * x @ x.T).clip(0)
    sigma = (np.sort(squared, axis=1)[:, 1:11].mean(axis=1) + 1e-9) ** -0.5
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    distances = np.sort((1 - unit @ unit.T).clip(0), axis=1)
    weights = 1 / np.arange(1, len(x) + 1)
    return float((distances @ weights / weights.sum() * sigma).mean())


def plain_vendi(x: np.ndarray) -> float:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(x)).clip(1e-300)
    return float(np.exp(-(values * np.log(values)).sum()))


def by_sklearn_neighbours(x: np.ndarray) -> Any:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=11, algorithm="brute").fit(x).kneighbors(x)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--subset", type=int, default=2_000)
    parser.add_argument("--pool")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.pool:
        x = np.asarray(vg.load(options.pool).vectors("both"))[: options.rows]
    else:
        x = np.random.default_rng(0).normal(size=(options.rows, options.dimensions)).astype(np.float32)
    n, d = x.shape
    few, small = x[: options.subset], np.asarray(x[:PLAIN_ROWS], np.float64)
    k = len(few)
    # Name; rows and columns of the product that it is set beside; ours; the peer; the rows that both are timed on.
    Line = tuple[str, int, int, Callable[[np.ndarray], Any], str, Callable[[np.ndarray], Any] | None, np.ndarray]
    lines: list[Line] = [
        ("density, k = 10", n, n, lambda rows: density(rows, rows), "scikit-learn, brute", by_sklearn_neighbours, x),
        ("10 nearest of a subset", k, n, lambda rows: nearest(few, rows, 10), "", None, x),
        ("knn_distance", n, n, knn_distance, "scikit-learn, brute", by_sklearn_neighbours, x),
        ("novelsum of all", n, n, novelsum, "plain numpy", plain_novelsum, small),
        ("novelsum of a subset", k, n, lambda rows: novelsum(few, reference=rows), "", None, x),
        ("vendi_score", d, d, vendi_score, "plain numpy", plain_vendi, small),
        ("log_det", d, d, log_det, "", None, x),
        ("k-means, 100 clusters", n, 100, lambda rows: kmeans(rows, 100, 0), "", None, x),
    ]
    print(f"n = {n:,}  d = {d}  subset = {k:,}")
    print("| what | seconds | bare product | ratio | peer | on rows | peer's seconds | ours | times faster |")
    print("| --- " * 9 + "|")
    for name, rows, others, ours, peer, theirs, on in lines:
        # A metric of the Gram matrix of dimensions is set beside that matrix.
        bare = seconds(lambda: x.T @ x) if rows == d else seconds(partial(product, x[:rows], x[:others]))
        mine = seconds(partial(ours, x))
        cells = [name, f"{mine:.2f}", f"{bare:.2f}", f"{mine / bare:.1f}"]
        if theirs is None:
            cells += [""] * 5
        else:
            other, again = seconds(partial(theirs, on)), mine if on is x else seconds(partial(ours, on))
            cells += [peer, f"{len(on):,}", f"{other:.2f}", f"{again:.2f}", f"{other / again:.1f}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    texts(options.pool or str(ROOT / "examples" / "sample.jsonl"))


def texts(pool: str) -> None:
    """Time the pass over texts: tokens once, vectors from them."""
    vg.use_cache("off")
    corpus = vg.load(pool)
    tokens = seconds(lambda: corpus.tokens("both"))
    vectors = seconds(lambda: corpus.vectors("both"))
    n = len(corpus)
    print(f"{n:,} texts: tokens {tokens:.2f} s, static vectors {vectors:.2f} s, {n / (tokens + vectors):,.0f} texts a second")


if __name__ == "__main__":
    main()

"""Our values beside those of well-kept packages, on the same input, in one run.

Usage: against_packages.py [POOL] [--rows N]. Needs: pip install -r benchmarks/requirements.txt
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import variegate as vg
from variegate.metrics.clustering import cluster_inertia
from variegate.metrics.distance import distsum_cosine, distsum_l2
from variegate.metrics.lexical import hdd, token_entropy
from variegate.metrics.ngrams import self_bleu
from variegate.metrics.sequence import mtld, vocd_d
from variegate.metrics.spectral import vendi_score

ROOT = Path(__file__).resolve().parents[1]


def timed(function: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    value = float(function())
    return value, time.perf_counter() - start


def by_nltk(lists: list[list[int]]) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1
    scores = [sentence_bleu(lists[:at] + lists[at + 1 :], one, smoothing_function=smooth) for at, one in enumerate(lists)]
    return float(np.mean(scores))


def by_lexicalrichness(words: list[str], what: str) -> float:
    from lexicalrichness import LexicalRichness

    text = LexicalRichness(words, preprocessor=None, tokenizer=None)
    return {"mtld": text.mtld, "hdd": text.hdd, "vocd": text.vocd}[what]()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="?", default=str(ROOT / "examples" / "sample.jsonl"))
    parser.add_argument("--rows", type=int, default=1500)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    from scipy.spatial.distance import pdist
    from scipy.stats import entropy
    from sklearn.cluster import KMeans
    from vendi_score import vendi

    whole = vg.load(options.pool)
    corpus = whole.take(np.sort(np.random.default_rng(0).permutation(len(whole))[: options.rows]))
    x = np.asarray(corpus.vectors("response"), np.float64)
    tokens = corpus.tokens("response")
    few = tokens.take(np.flatnonzero(tokens.lengths > 0)[:150])
    lists = [few[at].tolist() for at in range(len(few))]
    words = [str(token) for token in tokens.ids]
    rows: list[tuple[str, str, Callable[[], float], Callable[[], float]]] = [
        ("vendi_score", "vendi-score", lambda: vendi_score(x), lambda: vendi.score_dual(x, normalize=True)),
        ("distsum_cosine", "scipy", lambda: distsum_cosine(x), lambda: pdist(x, "cosine").mean()),
        ("distsum_l2", "scipy", lambda: distsum_l2(x), lambda: pdist(x).mean()),
        (
            "cluster_inertia k=50",
            "scikit-learn",
            lambda: cluster_inertia(x, k=50),
            lambda: KMeans(50, n_init=1, random_state=0).fit(x).inertia_,
        ),
        (
            "token_entropy",
            "scipy",
            lambda: token_entropy(tokens),
            lambda: entropy(np.unique(tokens.ids, return_counts=True)[1], base=2),
        ),
        ("self_bleu, 150 texts", "nltk", lambda: self_bleu(few), lambda: by_nltk(lists)),
        ("mtld", "lexicalrichness", lambda: mtld(tokens), lambda: by_lexicalrichness(words, "mtld")),
        ("hdd", "lexicalrichness", lambda: hdd(tokens), lambda: by_lexicalrichness(words, "hdd")),
        ("vocd_d", "lexicalrichness", lambda: vocd_d(tokens), lambda: by_lexicalrichness(words, "vocd")),
    ]
    print(
        "| metric | package | ours | theirs | relative difference | our seconds | their seconds |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, package, ours, theirs in rows:
        (value, seconds), (other, other_seconds) = timed(ours), timed(theirs)
        print(
            f"| {name} | {package} | {value:.8g} | {other:.8g} | {abs(value - other) / abs(other):.1e} | {seconds:.3f} | {other_seconds:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

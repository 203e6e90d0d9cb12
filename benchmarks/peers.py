"""What our code is timed against: other packages, and plain computations of the same thing.

Each peer gets what ours gets and gives back what can be compared with it. What a peer needs to be handed (a matrix of similarities, an
index) is made inside its time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from variegate.strategies.levels import BAND_HIGH, BAND_LOW
from variegate.views.tokens import Tokens

NEIGHBOURS = 10


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# --- plain computations


def squared_distances(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    lengths = np.einsum("nd,nd->n", x, x)
    squared = (lengths[:, None] + lengths - 2 * x @ x.T).clip(0)
    np.fill_diagonal(squared, 0)
    return squared


def published_novelselect(x: np.ndarray, sigma: np.ndarray, size: int) -> list[int]:
    """NovelSelect as its authors publish it, told anew: at every step all distances to all picks, sorted."""
    directions, sigma = unit(x), sigma.astype(x.dtype)
    picks = [0]
    while len(picks) < size:
        weighted = (1 - directions @ directions[picks].T) * (sigma[:, None] + sigma[picks])
        weighted.sort(axis=1)
        scores = weighted @ (1 / np.arange(1, len(picks) + 1))
        scores[picks] = -np.inf
        picks.append(int(scores.argmax()))
    return picks


def plain_density(x: np.ndarray) -> np.ndarray:
    nearest = np.partition(squared_distances(x), range(NEIGHBOURS + 1), axis=1)[:, 1 : NEIGHBOURS + 1]
    return (nearest.mean(axis=1) + 1e-9) ** -0.5


def plain_novelsum(x: np.ndarray) -> float:
    """NovelSum as it is defined, all pairs at once, densities included."""
    directions = unit(np.asarray(x, np.float64))
    distances = np.sort((1 - directions @ directions.T).clip(0), axis=1)
    weights = 1 / np.arange(1, len(x) + 1)
    return float((distances @ weights / weights.sum() * plain_density(x)).mean())


def plain_near_duplicates(x: np.ndarray) -> np.ndarray:
    """Group in row order: a row joins the first representative that is near enough, or becomes one. All pairs at once."""
    squared = squared_distances(x)
    spread = float(np.sqrt(np.square(x - x.mean(axis=0, dtype=np.float64)).sum(axis=1).mean()))
    sample = squared[:: max(1, len(x) // 2048)]
    # Copies are no neighbours, so that a set of copies has a scale too.
    near = np.sort(np.where(sample > (spread / 100) ** 2, sample, np.inf), axis=1)[:, :NEIGHBOURS]
    radius = np.sqrt(np.median(near.mean(axis=1))) / 3
    group = np.arange(len(x))
    leaders: list[int] = []
    for row in range(len(x)):
        close = np.flatnonzero(squared[row, leaders] <= radius * radius)
        if len(close):
            group[row] = leaders[close[0]]
        else:
            leaders.append(row)
    return group


def farthest_first(x: np.ndarray, size: int) -> list[int]:
    x = np.asarray(x, np.float64)
    lengths = np.einsum("nd,nd->n", x, x)
    picks, squared = [0], np.full(len(x), np.inf)
    while len(picks) < size:
        np.minimum(squared, lengths + lengths[picks[-1]] - 2 * (x @ x[picks[-1]]), out=squared)
        squared[picks[-1]] = -np.inf
        picks.append(int(squared.argmax()))
    return picks


def log_det_of_kernel(x: np.ndarray) -> float:
    directions = unit(np.asarray(x, np.float64))
    return float(np.linalg.slogdet(directions @ directions.T + 1e-6 * np.eye(len(x)))[1])


def counts_of_types(tokens: Tokens) -> Any:
    """Return how often each text holds each token type of the usual band, as a sparse matrix."""
    from scipy.sparse import csr_matrix

    types, kinds, times = np.unique(tokens.ids, return_inverse=True, return_counts=True)
    counts = csr_matrix((np.ones(len(kinds)), kinds, tokens.offsets), shape=(len(tokens), len(types)))
    counts.sum_duplicates()
    return counts[:, (times >= BAND_LOW) & (times <= BAND_HIGH)]


def plain_token_coverage(tokens: Tokens, size: int) -> list[int]:
    """Take the text with the largest gain, having computed the gains of all, again and again."""
    counts = counts_of_types(tokens)
    owner = np.repeat(np.arange(len(tokens)), np.diff(counts.indptr))
    seen, picks = np.zeros(counts.shape[1]), []
    while len(picks) < size:
        before = seen[counts.indices]
        gains = np.bincount(owner, np.log1p(before + counts.data) - np.log1p(before), len(tokens))
        gains[picks] = -np.inf
        picks.append(int(gains.argmax()))
        seen += counts[picks[-1]].toarray()[0]
    return picks


# --- packages: vectors


def density_by_sklearn(x: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(x).kneighbors(x)
    return (np.square(distances[:, 1:]).mean(axis=1) + 1e-9) ** -0.5


def density_by_faiss(x: np.ndarray) -> np.ndarray:
    import faiss

    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    squared, _ = index.search(x, NEIGHBOURS + 1)
    return (squared[:, 1:].clip(0).mean(axis=1) + 1e-9) ** -0.5


def knn_distance_by_sklearn(x: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=2, algorithm="brute", metric="cosine").fit(x).kneighbors(x)
    return float(distances[:, 1].mean())


def by_vendi_score(x: np.ndarray) -> float:
    from vendi_score import vendi

    return float(vendi.score_dual(x, normalize=True))


def mean_distance_by_scipy(x: np.ndarray, metric: str) -> float:
    from scipy.spatial.distance import pdist

    return float(pdist(x, metric).mean())


def clipped_cosines(x: np.ndarray) -> np.ndarray:
    """Return the similarities that facility location adds up; each package's own measure is another one."""
    directions = unit(x)
    return (directions @ directions.T).clip(0, 1)


def facility_location_by_apricot(x: np.ndarray, size: int) -> list[int]:
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(size, metric="precomputed", optimizer="lazy").fit(clipped_cosines(x)).ranking.tolist()


def facility_location_by_submodlib(x: np.ndarray, size: int) -> list[int]:
    from submodlib.functions.facilityLocation import FacilityLocationFunction

    function = FacilityLocationFunction(n=len(x), mode="dense", sijs=clipped_cosines(x), separate_rep=False)
    return [row for row, _ in function.maximize(budget=size, optimizer="LazyGreedy", show_progress=False)]


def by_pyversity(x: np.ndarray, size: int, strategy: str) -> list[int]:
    from pyversity import diversify

    # All rows are equally relevant, so the first is taken first.
    return diversify(x, np.ones(len(x)), size, strategy=strategy, diversity=1.0).indices.tolist()


def inertia_by_faiss(x: np.ndarray, clusters: int) -> float:
    import faiss

    model = faiss.Kmeans(x.shape[1], clusters, niter=25, seed=0, max_points_per_centroid=len(x), min_points_per_centroid=1)
    model.train(x)
    return float(model.assign(x)[0].sum())


def inertia_by_sklearn(x: np.ndarray, clusters: int) -> float:
    from sklearn.cluster import KMeans

    return float(KMeans(clusters, n_init=1, random_state=0).fit(x).inertia_)


# --- packages: tokens


def token_coverage_by_apricot(tokens: Tokens, size: int) -> list[int]:
    from apricot import FeatureBasedSelection

    return FeatureBasedSelection(size, concave_func="log", optimizer="lazy").fit(counts_of_types(tokens)).ranking.tolist()


def self_bleu_by_nltk(tokens: Tokens) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1
    lists = [tokens[at].tolist() for at in range(len(tokens))]
    scores = [sentence_bleu(lists[:at] + lists[at + 1 :], one, smoothing_function=smooth) for at, one in enumerate(lists)]
    return float(np.mean(scores))


def by_lexicalrichness(tokens: Tokens, what: str) -> float:
    from lexicalrichness import LexicalRichness

    text = LexicalRichness([str(token) for token in tokens.ids.tolist()], preprocessor=None, tokenizer=None)
    return float(getattr(text, what)())


def entropy_by_scipy(tokens: Tokens) -> float:
    from scipy.stats import entropy

    return float(entropy(np.unique(tokens.ids, return_counts=True)[1], base=2))

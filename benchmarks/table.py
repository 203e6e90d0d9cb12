"""One table: our seconds, a peer's or a plain computation's, their ratio, and the ratio to the bare matrix product, in one run.

Usage: table.py [--rows N] [--dimensions D] [--picks K] [--vectors FILE.npy] [--pool DATA] [--small-rows N] [--small-picks K] [--only WORD,...]

Without files vectors are drawn around 200 centres, and tokens by Zipf's law. Peers that hold all pairs, or look at all rows for every
pick, are timed on the small sizes, and so are we. `n x n`, `n x k` and `d x d` say which float32 product is the bare one: all rows with
all rows, all rows with as many picks, all dimensions with all dimensions. Seconds are by the clock; short work is timed more than once
and the best counts. Peers: pip install -r benchmarks/requirements.txt
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
from common import ROOT, bare_product, drawn, drawn_tokens, one_line, some_rows, timed, with_near_copies

import variegate as vg
from variegate.geometry import collecting, density, kmeans, near_duplicates, use_neighbours
from variegate.geometry.neighbours import searches
from variegate.metrics.distance import distsum_cosine, distsum_l2, knn_distance
from variegate.metrics.lexical import hdd, token_entropy
from variegate.metrics.ngrams import self_bleu
from variegate.metrics.novelty import novelsum
from variegate.metrics.sequence import mtld, vocd_d
from variegate.metrics.spectral import log_det, vendi_score
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.room import Room
from variegate.strategies.table import STRATEGIES
from variegate.strategies.token_coverage import token_coverage
from variegate.views.tokens import Tokens

HEADER = [
    "what", "n", "d", "k", "our seconds", "peer", "peer's seconds", "times faster", "bare product, s", "ratio to it", "same result?",
]  # fmt: skip
INSTALL = "pip install -r benchmarks/requirements.txt"
CLUSTERS, BLEU_TEXTS, LEXICAL_TEXTS = 100, 150, 1000


@dataclass(frozen=True)
class Peer:
    """Something to be compared with.

    Attributes:
        name: package, or what it is.
        call: does the work.
        same: says of our result and its result how far they agree.
        module: what has to be installed, and is imported before the clock starts; None for numpy and our own.
        note: how it was called, if that needs saying.
        first: a small piece of the work, done before the clock starts: what is loaded at the first use is not timed.
    """

    name: str
    call: Callable[[], Any]
    same: Callable[[Any, Any], str]
    module: str | None = None
    note: str = ""
    first: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Task:
    """Something that is timed, on one input for us and all peers; `product` is the bare product to set it beside."""

    what: str
    size: tuple[int, int | None, int | None]
    ours: Callable[[], Any]
    product: str = ""
    peers: Sequence[Peer] = ()
    needs: str | None = None


# --- agreement


def same_picks(ours: Sequence[int], theirs: Sequence[int]) -> str:
    return f"{sum(a == b for a, b in zip(ours, theirs, strict=True)):,} of {len(ours):,} picks"


def picks_or(name: str, worth: Callable[[np.ndarray], float], x: np.ndarray, ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Where float32 cannot tell rows apart and the picks part, say what each set is worth."""
    both = [worth(peers.unit(x[list(picks)].astype(np.float64))) for picks in (ours, theirs)]
    values = "" if list(ours) == list(theirs) else f"; {name} {both[0]:.8g}, theirs {both[1]:.8g}"
    return same_picks(ours, theirs) + values


def log_volume(unit: np.ndarray) -> float:
    return float(np.linalg.slogdet(unit @ unit.T)[1])


def same_value(ours: float, theirs: float) -> str:
    return f"differs by {abs(ours - theirs) / abs(theirs):.0e}"


def same_values(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"differ by at most {np.max(np.abs(ours / theirs - 1)):.0e}"


def same_groups(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{int((ours == theirs).sum()):,} of {len(ours):,} rows; {int((ours != np.arange(len(ours))).sum()):,} near-duplicates"


def same_inertia(ours: float, theirs: float) -> str:
    return f"our inertia {ours / theirs - 1:+.2%}"


# --- what is timed


def ours(strategy: str, view: Any, k: int, **options: Any) -> list[int]:
    return STRATEGIES[strategy].function(view, k, seed=0, **options).rows.tolist()


def novel_picks(x: np.ndarray, sigma: np.ndarray, k: int) -> list[int]:
    return greedy(x, sigma, Room(len(x), k), 0, 1.0, "both")[0].tolist()


def novelty_tasks(x: np.ndarray, few: np.ndarray, k: int, few_k: int) -> Iterator[Task]:
    (n, d), m = x.shape, len(few)
    # Densities among some of the rows: they need not be those of the whole pool for the picks to be timed.
    sigma = density(x, few[: max(12, m // 4)])
    published = Peer(
        "algorithm as published", partial(peers.published_novelselect, few, sigma[:m], few_k), same_picks, note="float32"
    )
    yield Task("NovelSelect, the picks", (m, d, few_k), partial(novel_picks, few, sigma[:m], few_k), "n x k", [published])
    yield Task("NovelSelect, the picks", (n, d, k), partial(novel_picks, x, sigma, k), "n x k")
    yield Task("NovelSelect with grouping and densities", (n, d, k), partial(ours, "novelselect", x, k, first=0), "n x n")
    plain = Peer("plain numpy", partial(peers.plain_novelsum, few), same_value, note="float64, all pairs at once")
    yield Task("NovelSum with densities", (m, d, None), partial(novelsum, few, reference=few), "n x n", [plain])
    yield Task("NovelSum with densities", (n, d, None), partial(novelsum, x, reference=x), "n x n")
    brute = Peer("scikit-learn", partial(peers.density_by_sklearn, x), same_values, "sklearn.neighbors", "brute force")
    flat = Peer("faiss-cpu", partial(peers.density_by_faiss, x), same_values, "faiss", "flat")
    yield Task("density, 10 neighbours", (n, d, 10), partial(density, x, x, points_at=np.arange(n)), "n x n", [brute, flat])
    yield Task("density, approximate", (n, d, 10), partial(approximate_density, x), "n x n", [exact_peer(x)], "faiss")
    closest = Peer("scikit-learn", partial(peers.knn_distance_by_sklearn, x), same_value, "sklearn.neighbors", "brute force")
    yield Task("knn_distance", (n, d, 1), partial(knn_distance, x), "n x n", [closest])
    repeated = with_near_copies(few)
    group = Peer("plain numpy", partial(peers.plain_near_duplicates, repeated), same_groups, note="float64, all pairs at once")
    yield Task("near-duplicates", (m, d, None), lambda: near_duplicates(repeated).representative, "n x n", [group])
    yield Task("near-duplicates", (n, d, None), partial(near_duplicates, with_near_copies(x)), "n x n")


def approximate_density(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Search by the graph whatever the size, which the package itself does from 65,536 rows on."""
    fewest, searches.FEWEST = searches.FEWEST, 1
    use_neighbours("approximate")
    try:
        with collecting() as found:
            sigma = density(x, x)
    finally:
        use_neighbours("exact")
        searches.FEWEST = fewest
    return sigma, found[0].recall


def exact_peer(x: np.ndarray) -> Peer:
    def close(ours: tuple[np.ndarray, float], exact: np.ndarray) -> str:
        return f"{ours[1]:.1%} of neighbours; density off by {np.abs(ours[0] / exact - 1).mean():.2%} on average"

    return Peer("exact neighbours", partial(density, x, x, points_at=np.arange(len(x))), close, note="ours")


def spectrum_tasks(x: np.ndarray, few: np.ndarray) -> Iterator[Task]:
    (n, d), m = x.shape, len(few)
    double = few.astype(np.float64)
    vendi = Peer("vendi-score", partial(peers.by_vendi_score, x), same_value, "vendi_score", "d x d")
    yield Task("vendi_score", (n, d, None), partial(vendi_score, x), "d x d", [vendi])
    plain = Peer("numpy slogdet", partial(peers.log_det_of_kernel, few), same_value)
    yield Task("log_det", (m, d, None), partial(log_det, few), "d x d", [plain])
    cosine = Peer("scipy", partial(peers.mean_distance_by_scipy, double, "cosine"), same_value, "scipy.spatial.distance", "pdist")
    yield Task("distsum_cosine", (m, d, None), partial(distsum_cosine, few), "", [cosine])
    l2 = Peer("scipy", partial(peers.mean_distance_by_scipy, double, "euclidean"), same_value, "scipy.spatial.distance", "pdist")
    yield Task("distsum_l2", (m, d, None), partial(distsum_l2, few), "n x n", [l2])


def strategy_tasks(x: np.ndarray, few: np.ndarray, k: int, few_k: int) -> Iterator[Task]:
    (n, d), m = x.shape, len(few)
    # A kernel of d dimensions has no volume in more rows.
    volume_k, clusters = min(k, max(1, d - 6)), min(CLUSTERS, max(1, n // 10))
    by_apricot, by_submodlib = peers.facility_location_by_apricot, peers.facility_location_by_submodlib
    how = "lazy, given our similarities"
    compiling = "lazy, given our similarities; compiles itself at each call"
    once = partial(by_apricot, few[:50], 2)
    apricot = Peer("apricot-select", partial(by_apricot, few, few_k), same_picks, "apricot", compiling, once)
    submodlib = Peer("submodlib-py", partial(by_submodlib, few, few_k), same_picks, "submodlib.functions", how)
    yield Task("facility_location", (m, d, few_k), partial(ours, "facility_location", few, few_k), "n x n", [apricot, submodlib])
    yield Task("facility_location", (n, d, k), partial(ours, "facility_location", x, k), "n x n")
    farthest = Peer("plain farthest first", partial(peers.farthest_first, x, k), same_picks, note="float64")
    yield Task("k_center", (n, d, k), partial(ours, "k_center", x, k, first=0), "n x k", [farthest])
    spread = partial(picks_or, "mean distance", distsum_cosine, x)
    msd = Peer("pyversity", partial(peers.by_pyversity, x, k, "msd"), spread, "pyversity", "msd, float32")
    yield Task("max_sum", (n, d, k), partial(ours, "max_sum", x, k, first=0), "n x k", [msd])
    volume = partial(picks_or, "log volume", log_volume, x)
    dpp = Peer("pyversity", partial(peers.by_pyversity, x, volume_k, "dpp"), volume, "pyversity", "dpp, float32")
    yield Task("dpp", (n, d, volume_k), partial(ours, "dpp", x, volume_k, first=0), "n x k", [dpp])
    by_faiss = Peer("faiss-cpu", partial(peers.inertia_by_faiss, x, clusters), same_inertia, "faiss", "25 iterations")
    by_sklearn = Peer("scikit-learn", partial(peers.inertia_by_sklearn, x, clusters), same_inertia, "sklearn.cluster", "KMeans")
    yield Task("k-means clusters", (n, d, clusters), lambda: kmeans(x, clusters).inertia, "n x k", [by_faiss, by_sklearn])


def token_tasks(tokens: Tokens, k: int) -> Iterator[Task]:
    n = len(tokens)
    full = tokens.take(np.flatnonzero(tokens.lengths > 0)[:BLEU_TEXTS])
    some = tokens.take(np.arange(min(n, LEXICAL_TEXTS)))
    plain = Peer("plain greedy", partial(peers.plain_token_coverage, tokens, k), same_picks)
    by_apricot, how = peers.token_coverage_by_apricot, "feature based, lazy; compiles itself at each call"
    apricot = Peer("apricot-select", partial(by_apricot, tokens, k), same_picks, "apricot", how, partial(by_apricot, tokens, 2))
    yield Task("token_coverage", (n, None, k), lambda: token_coverage(tokens, k, seed=0).rows.tolist(), "", [plain, apricot])
    nltk = Peer("nltk", partial(peers.self_bleu_by_nltk, full), same_value, "nltk.translate.bleu_score")
    yield Task("self_bleu", (len(full), None, None), partial(self_bleu, full), "", [nltk])
    for name, metric, theirs in (("mtld", mtld, "mtld"), ("hdd", hdd, "hdd"), ("vocd_d", vocd_d, "vocd")):
        peer = Peer("lexicalrichness", partial(peers.by_lexicalrichness, some, theirs), same_value, "lexicalrichness")
        yield Task(name, (len(some), None, None), lambda metric=metric: metric(fresh(some)), "", [peer])
    scipy = Peer("scipy", partial(peers.entropy_by_scipy, tokens), same_value, "scipy.stats", "entropy")
    yield Task("token_entropy", (n, None, None), lambda: token_entropy(fresh(tokens)), "", [scipy])


def fresh(tokens: Tokens) -> Tokens:
    """Return the tokens without what they have counted before."""
    return Tokens(tokens.ids, tokens.offsets)


def text_tasks(pool: str | None, n: int) -> Iterator[Task]:
    whole = vg.load(pool or ROOT / "examples" / "sample.jsonl")
    rows = np.arange(min(n, len(whole)))

    def views() -> None:
        part = whole.take(rows)
        part.tokens("both")
        part.vectors("both")

    yield Task("tokens and static vectors of texts", (len(rows), None, None), views)


# --- the table


def lines_of(task: Task, product: float | None) -> Iterator[list[str]]:
    """Time a task and its peers, and return a line for each peer, or one where there is none."""
    size = ["" if number is None else f"{number:,}" for number in task.size]
    if missing(task.needs):
        yield [task.what, *size, "", "", "", "", "", "", f"{task.needs} is not installed: {INSTALL}"]
        return
    result, seconds = timed(task.ours)
    bare = ["", ""] if product is None else [f"{shown(product)} ({task.product})", ratio(seconds / product)]
    for peer in task.peers:
        start = [task.what, *size, shown(seconds)]
        if missing(peer.module):
            yield [*start, peer.name, "", "", *bare, f"not installed: {INSTALL}"]
            continue
        try:
            if peer.module is not None:
                importlib.import_module(peer.module)
            if peer.first is not None:
                peer.first()
            theirs, other = timed(peer.call)
            agreement = peer.same(result, theirs)
        except Exception as error:
            yield [*start, called(peer), "", "", *bare, one_line(error)]
            continue
        yield [*start, called(peer), shown(other), ratio(other / seconds), *bare, agreement]
    if not task.peers:
        yield [task.what, *size, shown(seconds), "", "", "", *bare, ""]


def missing(module: str | None) -> bool:
    return module is not None and importlib.util.find_spec(module.split(".")[0]) is None


def called(peer: Peer) -> str:
    version = f" {importlib.metadata.version(peer.name)}" if peer.module is not None else ""
    return f"{peer.name}{version}" + (f" ({peer.note})" if peer.note else "")


def shown(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2g}" if seconds < 0.1 else f"{seconds:.2f}"


def ratio(value: float) -> str:
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


class Products:
    """Seconds of bare products on vectors of one number of dimensions, each timed once."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        self.known: dict[tuple[int, int, str], float] = {}

    def __call__(self, task: Task) -> float | None:
        n, _, k = task.size
        if not task.product:
            return None
        key = (n, k if task.product == "n x k" and k else 0, task.product)
        if key not in self.known:
            some = self.x[:n]
            turned = np.ascontiguousarray(some.T)
            self.known[key] = {
                "n x n": lambda: bare_product(some, some),
                "n x k": lambda: bare_product(some, some[:k]),
                "d x d": lambda: bare_product(turned, turned),
            }[task.product]()
        return self.known[key]


def about(options: argparse.Namespace) -> str:
    """Return what the times depend on."""
    from threadpoolctl import threadpool_info

    libraries = [
        f"{one['internal_api']} {one['version'] or ''}".strip() + f" with {one['num_threads']} threads"
        for one in threadpool_info()
        if one["user_api"] == "blas"
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    inputs = f"vectors of {Path(options.vectors).name}" if options.vectors else "drawn vectors"
    texts = f"texts of {Path(options.pool).name}" if options.pool else "drawn tokens"
    return (
        f"{cores} cores ({platform.machine()}), Python {platform.python_version()}, numpy {np.__version__}, "
        f"{', '.join(dict.fromkeys(libraries))}; {inputs}, {texts}"
    )


def tasks(options: argparse.Namespace) -> Iterator[Task]:
    x, few = options.x, options.x[: options.small_rows]
    k, few_k = options.picks, options.small_picks
    yield from novelty_tasks(x, few, k, few_k)
    yield from spectrum_tasks(x, few)
    yield from strategy_tasks(x, few, k, few_k)
    if options.pool:
        whole = vg.load(options.pool)
        tokens = whole.take(np.arange(min(options.small_rows, len(whole)))).tokens("both")
    else:
        tokens = drawn_tokens(options.small_rows)
    yield from token_tasks(tokens, few_k)
    yield from text_tasks(options.pool, options.rows)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--small-rows", type=int, default=5000)
    parser.add_argument("--small-picks", type=int, default=500)
    parser.add_argument("--vectors", help="a .npy file of vectors, (n, d), of which rows are drawn")
    parser.add_argument("--pool", help="rows whose texts are measured")
    parser.add_argument("--only", default="", help="time only what has one of these words in its name")
    options = parser.parse_args()
    options.x = (
        np.asarray(some_rows(options.vectors, options.rows), np.float32)
        if options.vectors
        else drawn(options.rows, options.dimensions)
    )
    options.rows, options.dimensions = options.x.shape
    options.small_rows = min(options.small_rows, options.rows)
    if options.picks > options.rows or options.small_picks > options.small_rows:
        parser.error(f"there are {options.rows} rows, and {options.small_rows} for the small sizes: pass fewer picks")
    return options


def main() -> None:
    options = parsed()
    warnings.simplefilter("ignore")
    vg.use_cache("off")
    words = [word for word in options.only.split(",") if word]
    products = Products(options.x)
    print(about(options) + "\n")
    print("| " + " | ".join(HEADER) + " |\n" + "| --- " * len(HEADER) + "|")
    for task in tasks(options):
        if not words or any(word in task.what for word in words):
            for cells in lines_of(task, products(task)):
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

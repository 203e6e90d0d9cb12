"""Every strategy picks the same rows on any number of threads and with any size of blocks, copies and near copies included."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import variegate as vg
import variegate.geometry
import variegate.strategies
from tests.conftest import SAMPLE
from variegate.metrics import METRICS
from variegate.strategies import STRATEGIES
from variegate.strategies.room import Room
from variegate.views.tokens import Tokens
from variegate.views.topics import cluster_labels

RNG = np.random.default_rng
BLOCKS = re.compile(r"(^|_)(ROWS|BLOCK|BATCH|MANY|POINTS?|PAIRS|COLUMNS|BYTES)$")
# The size of all blocks (None for what it is), and the threads, that results are compared under.
SETTINGS = [(None, 1), (23, 2), (150, 1)]

# Options of each strategy that make it decide in another way; the first are also tried under a budget and with owned rows.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "novelselect_rich": [{}],
    "novelselect": [{}, {"duplicates": "exact"}, {"duplicates": "keep", "k": 30}, {"first": "most_novel"}],
    "k_center": [{}, {"metric": "cosine"}],
    "facility_location": [{}, {"quality": True}],
    "dpp": [{}],
    "max_sum": [{}, {"quality": True}],
    "repr_filter": [{"threshold": 1.0}, {"threshold": 1 - 1e-9, "size": 60}, {"threshold": 1.0, "quality": True}],
    "k_means": [{}, {"within": "nearest"}],
    "semdedup": [{}, {"k": 4, "quality": True}],
    "instag": [{}],
    "mig": [{}, {"threshold": 0.2}],
    "token_coverage": [{}, {"concave": "sqrt", "quality": True}],
    "blend": [{}, {"weight": 0.1}],
    "macro": [{}, {"level": 40.0}],
    "meso": [{}, {"level": 40.0}],
    "micro": [{}, {"level": 40.0}],
    "random": [{}],
}
CASES = [
    (name, limit, at)
    for name, options in OPTIONS.items()
    for at in range(len(options))
    for limit in ("rows", *(("tokens", "extend") if at == 0 else ()))
    if limit != "extend" or STRATEGIES[name].extends
]


def block_constants() -> Iterator[tuple[Any, str, int]]:
    for package in (variegate.geometry, variegate.strategies):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if BLOCKS.search(name) and isinstance(value, int):
                    yield module, name, value


def use_blocks(patch: pytest.MonkeyPatch, size: int | None) -> None:
    """Set every block to one size; where bytes are counted, to about as many rows."""
    if size is None:
        return
    for module, name, _ in list(block_constants()):
        patch.setattr(module, name, size * 1000 if name.endswith("BYTES") else size)


def crowd(n: int, d: int, seed: int) -> np.ndarray:
    """Rows of their own, exact copies, and near copies that differ in the last bits, or a little before."""
    rng = RNG(seed)
    own = rng.normal(size=(n // 2, d))
    heads = np.repeat(rng.normal(size=(4, d)), n // 16, axis=0)
    near = [heads * (1 + noise * rng.normal(size=heads.shape)) for noise in (1e-7, 1e-5)]
    rows = np.vstack([own, *near, np.repeat(own[:4], n // 32, axis=0)])
    rows = np.vstack([rows, own[: n - len(rows)]])
    return rows[rng.permutation(n)].astype(np.float32)


def bags(n: int, types: int, seed: int) -> Tokens:
    """Few types that are common and many that are rare; some rows hold the same as others."""
    rng = RNG(seed)
    rows = [np.minimum(rng.pareto(1.0, size=rng.integers(1, 30)) * 4, types - 1).astype(int).tolist() for _ in range(n)]
    rows[: n // 5] = rows[n // 5 : 2 * (n // 5)]
    return Tokens.from_lists(rows)


@cache
def views() -> dict[str | None, Any]:
    n, d = 208, 40
    vectors, tokens, tags = crowd(n, d, 0), bags(n, 300, 1), bags(n, 80, 2)
    names = crowd(96, d, 3)[: len(tags.type_counts[0])]
    return {
        "vectors": vectors,
        "tokens": tokens,
        "tags": tags,
        "tag graph": (tags, names),
        "vectors+tokens": (vectors, tokens),
        "topics": vectors,
        None: n,
    }


def picks_of(name: str, limit: str, options: dict[str, Any]) -> list[int]:
    spec, n = STRATEGIES[name], views()[None]
    # Close to all that there are, so that picks among nothing but copies come up too.
    size = options.get("size", 30 if name == "dpp" else n - 40)
    given = {key: value for key, value in options.items() if key != "size"}
    view = views()[spec.view]
    if spec.view == "topics":
        view = cluster_labels("kmeans:20", view, view, lambda: "")
    if given.get("quality"):
        given["quality"] = RNG(5).integers(0, 4, size=n) / 4
    if limit == "tokens":
        given["room"] = Room(n, costs=RNG(6).integers(3, 60, size=n), budget=25 * size)
    elif limit == "extend":
        given["room"] = Room(n, size, owned=np.sort(RNG(7).choice(n, 8, replace=False)))
    return spec.function(view, size, seed=0, **given).rows.tolist()


def test_every_strategy_is_tried_and_every_block_is_found():
    assert set(OPTIONS) == set(STRATEGIES)
    found = {f"{module.__name__.removeprefix('variegate.')}.{name}" for module, name, _ in block_constants()}
    assert {"geometry.neighbours.bounds.POINT_ROWS", "geometry.memory.BLOCK_BYTES", "strategies.objectives.greedy.BATCH"} <= found
    # What looks like a size of blocks is one, or says why not here.
    no_blocks = {"geometry.cosine.DEVICE_BLOCKS"}
    for package in (variegate.geometry, variegate.strategies):
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(one.name)
            for name, value in vars(module).items():
                if name.isupper() and isinstance(value, int) and re.search("ROWS|BLOCK|BATCH|MANY|POINT|BYTES|PAIRS", name):
                    assert f"{module.__name__.removeprefix('variegate.')}.{name}" in found | no_blocks


@pytest.mark.parametrize(("name", "limit", "at"), CASES)
def test_the_same_picks(name, limit, at, monkeypatch):
    options = OPTIONS[name][at]
    with threadpool_limits(2):
        expected = picks_of(name, limit, options)
    for size, threads in SETTINGS:
        with monkeypatch.context() as patch, threadpool_limits(threads):
            use_blocks(patch, size)
            assert picks_of(name, limit, options) == expected, (size, threads)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_first_pick_where_every_row_has_copies(seed, monkeypatch):
    rng = RNG(seed)
    x = np.repeat(rng.normal(size=(101, 33)), 3, axis=0)[rng.permutation(303)].astype(np.float32)
    found = set()
    for size, threads in [(None, 2), *SETTINGS]:
        with monkeypatch.context() as patch, threadpool_limits(threads):
            use_blocks(patch, size)
            options = {"first": "most_novel", "duplicates": "keep", "k": 30}
            found.add(int(STRATEGIES["novelselect"].function(x, 1, seed=0, **options).rows[0]))
    (first,) = found
    assert first == np.flatnonzero((x == x[first]).all(axis=1))[0]


@pytest.fixture(scope="module")
def sample():
    return vg.load(SAMPLE)


ON_TEXTS = [
    *((name, {}) for name, spec in STRATEGIES.items() if spec.view not in ("vectors", "topics", None)),
    ("macro", {"topics": "kmeans:20"}),
    ("macro", {"topics": "domain"}),
]


@pytest.mark.parametrize(("name", "options"), ON_TEXTS)
def test_the_same_picks_among_texts(name, options, sample, monkeypatch):
    own = sample.take(np.arange(60))
    limits: list[dict[str, Any]] = [{"size": 120}, {"budget_tokens": 6000}]
    if STRATEGIES[name].extends:
        limits.append({"size": 60, "extend": own})

    def picks() -> list[list[int]]:
        return [vg.select(sample, strategy=name, **options, **limit).indices.tolist() for limit in limits]

    with threadpool_limits(2):
        expected = picks()
    for size, threads in ((40, 1),):
        with monkeypatch.context() as patch, threadpool_limits(threads):
            use_blocks(patch, size)
            assert picks() == expected, (size, threads)


def all_picks() -> dict[str, list[int]]:
    """What every strategy picks among the vectors, and some among texts: compared between processes."""
    found = {name: picks_of(name, "rows", options[0]) for name, options in OPTIONS.items()}
    for name in ("macro", "mig", "blend"):
        found[f"{name} of texts"] = vg.select(SAMPLE, 100, name, topics="kmeans:20").indices.tolist()
    return found


def test_the_same_picks_in_a_process_with_another_number_of_threads():
    threads = "1" if (os.cpu_count() or 1) > 1 else "2"
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    code = "import json; from tests.test_same_picks import all_picks; print(json.dumps(all_picks()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, **dict.fromkeys(names, threads)},
    )  # fmt: skip
    assert json.loads(done.stdout) == all_picks()


@pytest.mark.parametrize("name", [name for name, spec in METRICS.items() if spec.view == "vectors"])
def test_the_same_values(name, monkeypatch):
    x, pool = crowd(160, 40, 4), crowd(256, 40, 5)
    options = {"k": 12} if name in ("cluster_inertia", "partition_entropy") else {}
    if METRICS[name].takes_reference:
        options["reference"] = pool
    with threadpool_limits(2):
        expected = METRICS[name].function(x, **options)
    for size, threads in SETTINGS:
        with monkeypatch.context() as patch, threadpool_limits(threads):
            use_blocks(patch, size)
            assert METRICS[name].function(x, **options) == pytest.approx(expected, rel=1e-9), (size, threads)

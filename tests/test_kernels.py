"""The Triton kernels, in Triton's interpreter on the CPU, beside PyTorch's own operations.

Triton reads TRITON_INTERPRET when it is imported, so that the tests run in a process of their own: the first one starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from variegate.geometry import density, device, near_duplicates, nearest, use_device
from variegate.geometry.device_rows import held
from variegate.geometry.rounding import HALF_SUM
from variegate.strategies.novelselect import device_histograms, device_places
from variegate.strategies.novelselect.device_places import Places
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.room import Room

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

RNG = np.random.default_rng
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
inside = pytest.mark.skipif(not INTERPRETED, reason="runs in the process that the first test starts")
KINDS = [np.float16, np.float32]


@pytest.mark.skipif(INTERPRETED, reason="this is the process that it starts")
def test_in_the_interpreter():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.fixture(autouse=True)
def on_the_device(monkeypatch):
    monkeypatch.setattr(device, "_by_kernels", INTERPRETED)
    use_device("torch")
    yield
    use_device("cpu")


def kernels():
    """Return NovelSelect's kernels; they cannot be imported before Triton knows that it is to interpret them."""
    from variegate.strategies.novelselect import kernels as module

    return module


def plainly(monkeypatch):
    """Have PyTorch's own operations do the work from now on."""
    monkeypatch.setattr(device, "_by_kernels", False)
    assert not device.kernels_run()


def places(pool, **given):
    """Places of a front of the given rows, each open, with densities and weights of 1."""
    n, size = len(pool), len(given["rows"])
    ones, flags = torch.ones(n, dtype=torch.float64), torch.zeros(size, dtype=torch.int8)
    usual = {
        "own": ones, "sigma": ones, "weights": ones, "all_worth": ones, "taken": flags == 0, "open": flags + 1, "near": flags.clone(),
        "sorted": torch.zeros((size, 3), dtype=torch.float64), "score": torch.zeros(size, dtype=torch.float64),
        "worth": torch.ones(size, dtype=torch.float64), "found": torch.zeros(3, dtype=torch.float64),
    }  # fmt: skip
    return Places(pool=pool, **{**usual, **given})


@inside
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("near", [False, True])
def test_screen(kind, near):
    rng = RNG(0)
    # More dimensions than one sum of the tensor cores takes, and no multiple of a tile in any direction.
    queries, points = rng.normal(size=(131, HALF_SUM + 37)).astype(kind), rng.normal(size=(140, HALF_SUM + 37)).astype(kind)
    least, gap = rng.uniform(size=140).astype(np.float32), rng.uniform(size=140).astype(np.float32)
    limit = rng.normal(size=131).astype(np.float32) * 20
    given = [torch.from_numpy(one) for one in (queries, points, least, gap, limit)]
    out = torch.full((131, 140), torch.nan)
    from variegate.geometry.neighbours.kernels import screen

    screen(*given[:4], given[4] if near else None, out)
    expected = -2 * queries.astype(np.float64) @ points.astype(np.float64).T + least
    if near:
        assert 0.1 < (expected + gap <= limit[:, None]).mean() < 0.9
        expected[expected + gap <= limit[:, None]] = np.inf
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-3)


@inside
@pytest.mark.parametrize("kind", KINDS)
def test_bins(kind):
    rng = RNG(1)
    pool, sigma = held(rng.normal(size=(150, 21)).astype(kind)), rng.uniform(0.5, 2, size=150)
    weights = 1 / np.arange(1.0, 131)
    bins = device_histograms.Bins(pool, sigma, sigma, weights)
    order = rng.permutation(150)
    for start, stop in ((0, 1), (1, 83), (83, 130)):
        bins.add(order[start:stop])
        wide = pool.wide(slice(0, 150)).numpy()
        seen = order[:stop]
        distances = (1 - wide @ wide[seen].T) * (sigma[:, None] + sigma[seen]) / sigma.max()
        assert (bins.counts.sum(0) == stop).all()
        np.testing.assert_allclose(bins.sums.sum(0).numpy(), distances.sum(1), rtol=1e-3, atol=2e-4)
        # What each bin holds, one distance at a time.
        shares = (distances * bins.inverse.numpy()[:, None]).astype(np.float32)
        edges = bins.edges.numpy()
        for row in (0, 77, 149):
            found = np.bincount(np.searchsorted(edges, shares[row]), minlength=len(edges))
            assert np.abs(found - bins.counts[:, row].numpy()).sum() <= 4  # an edge may lie between float32 and float64
        score = np.sort(distances * sigma.max(), axis=1) @ weights[:stop]
        assert (bins.bound.numpy() >= score).all()
        assert np.quantile(bins.bound.numpy() / np.maximum(score, 1e-3), 0.9) < 1.02
    bound, additions = bins.raw.clone(), bins.additions
    np.testing.assert_allclose(bound, bins._sum(slice(0, 150)), rtol=1e-12)
    assert additions == 3  # at most 64 picks each: 83 since the last layout, then 47 more


@inside
@pytest.mark.parametrize("kind", [*KINDS, np.float64])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_insert_and_winner(kind, count, monkeypatch):
    rng = RNG(2)
    module = kernels()
    monkeypatch.setattr(module, "RUN", 8)
    n, rows = 60, 21
    x = rng.normal(size=(n, 11)).astype(kind)
    x[7], x[9] = x[5], x[5] * kind(1.5)
    pool = held(x)
    own, sigma, weights = (torch.from_numpy(rng.uniform(0.5, 2, size=size)) for size in (n, n, 64))
    front = torch.from_numpy(np.concatenate([[5, 7, 9], rng.choice(np.arange(10, n), rows - 3, replace=False)]))
    values = np.sort(rng.uniform(0, 4, size=(rows, 64)), axis=1)
    values[3, :count] = 1e-9  # all of them smaller
    values[4, :count] = 99.0
    score = torch.from_numpy(values[:, :count] @ weights[:count].numpy())
    limits = torch.tensor([pool.norms[5] ** 2 * 0.3, 1e-9], dtype=torch.float64)
    worth, found = torch.from_numpy(rng.uniform(0.5, 1, size=rows)), []
    for insert in (module.insert, device_places._insert):
        near = torch.zeros(rows, dtype=torch.int8)
        near[10] = 2
        into = places(
            pool, own=own, sigma=sigma, weights=weights, limits=limits, rows=front, near=near, worth=worth,
            sorted=torch.from_numpy(values.copy()), score=score.clone(),
        )  # fmt: skip
        insert(into, 5, count)
        found.append(into)
    kernel, plain = found
    for name in ("sorted", "score", "open", "near"):
        one, other = getattr(kernel, name), getattr(plain, name)
        if name == "sorted":
            one, other = one[:, : count + 1], other[:, : count + 1]
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert (np.diff(kernel.sorted[:, : count + 1].numpy()) >= 0).all()
    assert kernel.open[:3].tolist() in ([0, 0, 0], [0, 0, 1])
    assert kernel.open.sum() >= 10
    tie, results = 0.1, []
    for winner in (module.winner, device_places._winner):
        winner(kernel, tie)
        results.append(kernel.found.tolist())
    assert results[0] == results[1]
    live = kernel.open.numpy() > 0
    value = np.where(live, (kernel.score * worth).numpy(), -np.inf)
    assert results[0][:2] == [value.max(), front.numpy()[value >= value.max() * (1 - tie)].min()]
    kernel.open.zero_()
    module.winner(kernel, tie)
    assert kernel.found[0] == -np.inf


@inside
def test_no_pick_is_too_near_and_what_is_closed_stays_closed():
    # The error is as large as what there is to decide: rows 2 and 3 may be too near, and row 2 is known to be.
    into = places(
        held(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1e-3], [1.0, 2e-3]])),
        rows=torch.arange(4),
        limits=torch.tensor([3e-6, 1e-6], dtype=torch.float64),
        near=torch.tensor([0, 0, 1, 0], dtype=torch.int8),
        open=torch.tensor([1, 1, 0, 1], dtype=torch.int8),
    )
    kernels().insert(into, 0, 0)
    assert into.near.tolist() == [2, 0, 1, 2]
    assert into.open.tolist() == [0, 1, 0, 1]


@inside
@pytest.mark.parametrize(("spacing", "kind"), [(0.0, np.float16), (2.0, np.float64)])
def test_the_same_picks_by_kernels(spacing, kind, monkeypatch):
    rng = RNG(3)
    x = (rng.normal(size=(12, 6))[rng.integers(12, size=70)] + 0.5 * rng.normal(size=(70, 6))).astype(kind)
    x[60:] = x[:10]
    monkeypatch.setattr(kernels(), "RUN", 32)
    monkeypatch.setattr(device_histograms, "BINS", 16)
    monkeypatch.setattr(device_histograms, "EVEN", 8)
    monkeypatch.setattr("variegate.strategies.novelselect.loop.FRONT", 12)
    monkeypatch.setattr("variegate.strategies.novelselect.loop.BLOCK", 9)
    use_device("cpu")
    groups = near_duplicates(x, k=4) if spacing else None
    sigma = density(x, x[:60], k=4)

    def picks():
        distance = spacing * groups.radius if groups else 0.0
        rows, gains, spaced = greedy(x, sigma, Room(70, 25), 3, 1.0, "both", groups, distance)
        return rows.tolist(), gains[1:], spaced

    expected = picks()
    use_device("torch")
    found = picks()
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], rel=1e-11)
    assert found[2] == expected[2]
    plainly(monkeypatch)
    assert picks()[0] == expected[0]


@inside
@pytest.mark.parametrize("beyond", [0.0, 3.0])
def test_the_same_neighbours_by_kernels(beyond, monkeypatch):
    x = RNG(4).normal(size=(200, 20)).astype(np.float16)
    x[150:] = x[:50]
    squared, rows = nearest(x[:60], x, 5, beyond=beyond)
    plainly(monkeypatch)
    others, other_rows = nearest(x[:60], x, 5, beyond=beyond)
    np.testing.assert_array_equal(rows, other_rows)
    np.testing.assert_array_equal(squared, others)


def test_without_triton_it_is_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(device, "_by_kernels", True)
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    monkeypatch.setattr(device, "announce", said.append)
    assert not device.kernels_run()
    assert not device.kernels_run()
    (message,) = said
    assert "'triton' is not installed" in message


@pytest.mark.parametrize(("found", "works"), [("3.2.0", False), ("3.3.1", True), ("3.10.0", True), ("4.0.0+git", True)])
def test_a_triton_that_counts_wrongly_is_not_used(found, works, monkeypatch):
    monkeypatch.setattr(device, "_by_kernels", True)
    monkeypatch.setattr(device, "version", lambda name: found)
    assert device.kernels_run() == works

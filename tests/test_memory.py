"""The bound on memory: what can be set, that results do not depend on it, and that it is kept."""

from __future__ import annotations

import importlib
import json
import tracemalloc
from functools import cache

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.test_same_picks import OPTIONS, crowd, picks_of
from variegate.cli import main
from variegate.geometry import density, entries_allowed, memory, use_memory
from variegate.metrics import METRICS
from variegate.strategies import STRATEGIES
from variegate.strategies.facility_location import facility_location

RNG = np.random.default_rng
OVER_VECTORS = [name for name, spec in STRATEGIES.items() if spec.view == "vectors"]
METRICS_OF_VECTORS = [name for name, spec in METRICS.items() if spec.view == "vectors"]
KILO, MEGA = 1 << 10, 1 << 20


def allow(patch: pytest.MonkeyPatch, size: int) -> None:
    """Set the bound, below what users may set as well."""
    patch.setattr(memory, "LEAST", 0)
    use_memory(size)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, 8 << 30), (200 * MEGA, 200 * MEGA), ("512M", 512 * MEGA), ("2G", 2 << 30), (" 1.5 GiB ", 3 << 29),
        ("300mb", 300 * MEGA), ("1t", 1 << 40), ("134217728", 128 * MEGA), ("131072k", 128 * MEGA),
    ],
)  # fmt: skip
def test_sizes_that_can_be_read(given, expected):
    use_memory("1G")
    use_memory(given)
    assert memory.memory_allowed() == expected


@pytest.mark.parametrize("given", ["", "much", "-1G", "1X", "1 000M", "G", "inf", True, 2.5e9, -5])
def test_sizes_that_cannot(given):
    with pytest.raises(vg.ParameterError, match=r"The memory must be a number of bytes, such as 512M or 2G\. Got"):
        use_memory(given)


@pytest.mark.parametrize("given", [0, "0", "127M", 128 * MEGA - 1, "1k"])
def test_too_little_names_the_least(given):
    with pytest.raises(vg.ParameterError, match=r"The memory must be at least 128M, .* Got"):
        use_memory(given)
    assert memory.memory_allowed() == 8 << 30


def test_blocks_follow_the_bound_up_to_what_is_quick():
    sizes = {"128M": 8 * MEGA, "256M": 16 * MEGA, "1G": 64 * MEGA, "8G": 64 * MEGA, "64G": 64 * MEGA}
    found = {}
    for size in sizes:
        use_memory(size)
        found[size] = memory.bytes_a_block()
    assert found == sizes
    use_memory("1G")
    assert entries_allowed(64) == 16 * MEGA


# --- results do not depend on it


@cache
def expected_picks(name: str, at: int) -> list[int]:
    return picks_of(name, "rows", OPTIONS[name][at])


@pytest.mark.parametrize("size", [200 * KILO, 2 * MEGA])
@pytest.mark.parametrize(("name", "at"), [(name, at) for name, options in OPTIONS.items() for at in range(len(options))])
def test_picks_do_not_depend_on_it(name, at, size, monkeypatch):
    if name == "mig":
        size *= 16  # where there is too little for the graph, it is an error
    expected = expected_picks(name, at)
    allow(monkeypatch, size)
    assert picks_of(name, "rows", OPTIONS[name][at]) == expected


@pytest.mark.parametrize("name", METRICS_OF_VECTORS)
def test_values_do_not_depend_on_it(name, monkeypatch):
    x, pool = crowd(160, 40, 4), crowd(256, 40, 5)
    options = {"k": 12} if name in ("cluster_inertia", "partition_entropy", "knn_distance") else {}
    if METRICS[name].takes_reference:
        options["reference"] = pool
    expected = METRICS[name].function(x, **options)
    allow(monkeypatch, 40 * KILO)
    # Products in blocks of another shape round otherwise in float32.
    assert METRICS[name].function(x, **options) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("listed", [10, 1500])
def test_a_sample_stands_for_all_as_long_whatever_can_be_listed(listed, monkeypatch):
    x = RNG(1).normal(size=(280, 6)) + 0.3
    monkeypatch.setattr("variegate.strategies.objectives.similarity.PAIRS", 4000)
    expected = facility_location(x, 80, seed=5, exact_rows=100, sample=60)
    assert 3 < expected.params["sampled_picks"] < 60
    allow(monkeypatch, 64 * listed)
    found = facility_location(x, 80, seed=5, exact_rows=100, sample=60)
    assert found.rows.tolist() == expected.rows.tolist()
    assert (found.params, found.notes) == (expected.params, expected.notes)
    np.testing.assert_allclose(found.gains, expected.gains, rtol=1e-9)


def test_densities_of_many_neighbours_come_in_blocks(monkeypatch):
    monkeypatch.setattr(importlib.import_module("variegate.geometry.density"), "QUERY_ROWS", 16)
    x = crowd(160, 8, 1)
    expected = density(x, np.unique(x, axis=0), k=40)
    allow(monkeypatch, 128 * 41 * 20)
    # Powers of arrays of another length may be rounded otherwise by vector instructions.
    np.testing.assert_allclose(density(x, np.unique(x, axis=0), k=40), expected, rtol=1e-12)


# --- it is kept


@pytest.mark.parametrize("kind", ["own rows", "copies"])
@pytest.mark.parametrize("name", [*OVER_VECTORS, *(f"measure:{name}" for name in METRICS_OF_VECTORS)])
def test_it_is_kept(name, kind, monkeypatch):
    n, d, allowed = 4400, 4, 64 * MEGA
    # All pairs at once would not do.
    assert 4 * n * n > allowed
    rows = RNG(0).normal(size=(n, d)).astype(np.float32)
    x = rows if kind == "own rows" else np.repeat(rows[: n // 40], 40, axis=0)
    options = {"threshold": 1.0} if name == "repr_filter" else {"k": 1} if name == "semdedup" else {}

    def call(points):
        if name.startswith("measure:"):
            spec = METRICS[name.removeprefix("measure:")]
            return spec.function(points, **({"reference": points} if spec.takes_reference else {}))
        return STRATEGIES[name].function(points, 3, seed=0, **options)

    # What is imported on first use is not counted.
    call(rows[:300])
    allow(monkeypatch, allowed)
    tracemalloc.start()
    try:
        call(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < allowed


def test_by_the_command_line(tmp_path, capsys):
    picks = []
    for size in ((), ("--memory", "128M")):
        target = tmp_path / "a.json"
        assert main(["select", str(SAMPLE), "--size", "50", *size, "-o", str(tmp_path / "a.jsonl"), "--quiet"]) == 0
        picks.append(json.loads((tmp_path / "a.jsonl.selection.json").read_text(encoding="utf-8"))["indices"])
        assert main(["measure", str(SAMPLE), "--metrics", "novelsum", *size, "--json", str(target), "--quiet"]) == 0
        picks.append([one["value"] for one in json.loads(target.read_text(encoding="utf-8"))])
    assert memory.memory_allowed() == memory.DEFAULT
    assert picks[:2] == picks[2:]
    for verb in (
        ["measure"],
        ["diagnose"],
        ["select", "--size", "5", "-o", "x"],
        ["ladder", "--size", "5", "--strategies", "random", "-o", "x"],
    ):
        assert main([verb[0], str(SAMPLE), *verb[1:], "--memory", "64M"]) == 2
        assert "The memory must be at least 128M" in capsys.readouterr().err

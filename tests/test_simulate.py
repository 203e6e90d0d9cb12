"""Simulated sets: their order is what the scenario says, and metrics are compared to it."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

import variegate as vg
from tests.test_cli import run
from variegate.metrics import GROUPS
from variegate.study.simulation import simulate as study
from variegate.study.simulation.scenarios import POOL_SIZE, SCENARIOS, Drawn
from variegate.study.simulation.simulate import simulate
from variegate.study.simulation.spaces import SPACES, features, sphere


def draw(name, n=40, seed=0):
    return SCENARIOS[name].draw(n, np.random.default_rng(seed))


@pytest.mark.parametrize("n", [20, 41])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_set_is_a_selection_of_its_size(name, n):
    drawn = draw(name, n)
    assert len(drawn.sets) == len(SCENARIOS[name].sets)
    distinct = {kind: [len(set(rows.tolist())) for rows in draw(kind, n).sets] for kind in (name, "copies")}
    # A copy is a row that stands in the set twice; a near copy is a row of the pool's own.
    copies = n * 5 - sum(distinct["copies"])
    assert len(drawn.pool) == POOL_SIZE * n + (copies if name == "near_copies" else 0)
    if name == "copies":
        assert distinct[name] == sorted(distinct[name]) and distinct[name][0] < n == distinct[name][-1]
    else:
        assert distinct[name] == [n] * len(drawn.sets)
    assert {len(rows) for rows in drawn.sets} == {n}
    assert np.abs(drawn.pool).max() < 1.2
    again, other = draw(name, n), draw(name, n, seed=1)
    assert np.array_equal(again.pool, drawn.pool)
    assert not np.array_equal(other.pool[other.sets[0]], drawn.pool[drawn.sets[0]])
    assert all(np.array_equal(*pair) for pair in zip(again.sets, drawn.sets, strict=True))


# --- the reasons: each scenario's order, by what it says of itself


def test_discs_grow():
    for seed in range(3):
        drawn = draw("spread", seed=seed)
        reach = [np.linalg.norm(drawn.pool[rows], axis=1).max() for rows in drawn.sets]
        assert reach == sorted(reach)
        np.testing.assert_allclose(np.square(reach), [0.05, 0.1, 0.2, 0.45, 1], rtol=0.35)


def clusters_of(drawn, rows):
    """Which clusters, by links of a distance that no gap between clusters is shorter than."""
    from scipy.cluster.hierarchy import fcluster, linkage

    return fcluster(linkage(drawn.pool, "single"), 0.06, "distance")[rows]


def test_clusters_are_added_in_equal_shares():
    drawn = draw("clusters", 80)
    seen = set()
    for rows, k in zip(drawn.sets, (1, 2, 4, 8, 16), strict=True):
        labels, counts = np.unique(clusters_of(drawn, rows), return_counts=True)
        assert len(labels) == k
        assert seen <= set(labels.tolist())
        assert np.ptp(counts) <= 1
        seen = set(labels.tolist())


def test_shares_majorise_the_next_and_the_middle_ones_are_the_pools():
    drawn = draw("density", 100)
    shares = [np.sort(np.unique(clusters_of(drawn, rows), return_counts=True)[1])[::-1] for rows in drawn.sets]
    assert [len(one) for one in shares] == [8] * 5
    for less, more in itertools.pairwise(shares):
        assert (np.cumsum(less) >= np.cumsum(more)).all()
        assert stats.entropy(less) < stats.entropy(more)
    pool = np.sort(np.unique(clusters_of(drawn, np.arange(2000)), return_counts=True)[1])[::-1]
    np.testing.assert_allclose(shares[2] / 100, pool / 2000, atol=0.025)


@pytest.mark.parametrize("name", ["copies", "near_copies"])
def test_copies_make_room_for_new_samples(name):
    drawn = draw(name)
    seen = np.empty((0, 2))
    for rows, distinct in zip(drawn.sets, (4, 10, 20, 30, 40), strict=True):
        points = drawn.pool[rows]
        originals = points[:distinct]
        assert {tuple(point) for point in seen.tolist()} <= {tuple(point) for point in originals.tolist()}
        away = cdist(points[distinct:], originals).min(axis=1) if distinct < 40 else np.zeros(1)
        assert away.max() < (1e-12 if name == "copies" else 0.015)
        assert len(np.unique(points, axis=0)) == (distinct if name == "copies" else 40)
        seen = originals


def test_covers_are_ever_more_even():
    for seed in range(3):
        drawn = draw("cover", 60, seed)
        sets = [drawn.pool[rows] for rows in drawn.sets]
        gaps = [cdist(drawn.pool, points).min(axis=1).mean() for points in sets]
        apart = [np.sort(cdist(points, points), axis=1)[:, 1].mean() for points in sets]
        assert gaps == sorted(gaps, reverse=True)
        assert apart == sorted(apart)


def test_outliers_are_in_more_directions_and_then_also_between():
    drawn = draw("outliers", 80)
    radii = [np.linalg.norm(drawn.pool[rows], axis=1) for rows in drawn.sets]
    assert min(one.min() for one in radii[:3]) > 0.85
    assert radii[3].min() < 0.3
    turns = [np.sort(np.arctan2(*drawn.pool[rows].T[::-1])) for rows in drawn.sets[:3]]
    # The widest gap between neighbours on the rim: about three eighths, one eighth, nearly none.
    gaps = [np.diff(np.r_[one, one[0] + 2 * np.pi]).max() / (2 * np.pi) for one in turns]
    assert gaps == pytest.approx([3 / 8, 1 / 8, 0.03], abs=0.06)


def test_the_papers_selections():
    drawn = draw("paper", 80)
    redundant, apart, both = (drawn.pool[rows] for rows in drawn.sets)
    nearest = [np.sort(cdist(points, points), axis=1)[:, 1] for points in (redundant, apart, both)]
    assert nearest[1].min() > nearest[2].min() > nearest[0].min()
    # Where the pool is dense, the last has more samples than the one that minds distance alone.
    dense = np.sort(cdist(drawn.pool, drawn.pool), axis=1)[:, 30]
    rows = [dense[some].mean() for some in drawn.sets]
    assert rows[0] < rows[2] < rows[1]
    assert not SCENARIOS["paper"].certain


# --- spaces


def test_the_sphere_keeps_areas_and_neighbours():
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.random(200_000)
    points = np.sqrt(rng.random(200_000))[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    lifted = sphere(points)
    np.testing.assert_allclose(np.linalg.norm(lifted, axis=1), 1)
    # On a sphere, equal heights are equal areas (Archimedes): uniform stays uniform.
    assert stats.kstest(lifted[:, 2], stats.uniform(lifted[:, 2].min(), np.ptp(lifted[:, 2])).cdf).pvalue > 0.01
    near = points[:50] + 1e-4
    np.testing.assert_allclose(np.linalg.norm(sphere(near) - lifted[:50], axis=1), 0.5 * np.sqrt(2) * 1e-4, rtol=0.1)


def test_features_have_the_cosine_of_a_gaussian_kernel():
    points = draw("cover", 40).pool[:200]
    vectors = features(points)
    assert vectors.shape == (200, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    error = vectors @ vectors.T - np.exp(-(cdist(points, points) ** 2) / (2 * 0.3**2))
    assert np.sqrt(np.mean(error**2)) < 0.08
    assert np.abs(error).max() < 0.35


# --- the study


def test_a_metric_is_ranked_against_the_known_order(monkeypatch):
    """Three sets of planted values: in order, reversed, and with a tie."""
    values = {0: [1.0, 2, 3], 1: [3, 2, 1], 2: [1, 1 + 1e-13, 2]}

    def planted(n, rng):
        seed = planted.calls
        planted.calls += 1
        # The first coordinate of the set's only point is the value.
        pool = np.array([[value, 0] for value in values[seed]])
        return Drawn(pool, tuple(np.full(n, at) for at in range(3)))

    planted.calls = 0
    monkeypatch.setitem(SCENARIOS, "spread", dataclasses.replace(SCENARIOS["spread"], draw=planted, sets=("a", "b", "c")))
    monkeypatch.setitem(SPACES, "sphere", lambda points: points)
    monkeypatch.setattr(study, "metric_specs", lambda name: [vg.MetricSpec(name, lambda x: float(x[0, 0]), "vectors", *[""] * 5)])
    found = simulate(["spread"], ["mine"], samples=20, seeds=3)
    one = found.find("mine", "spread")
    assert one.by_seed == pytest.approx((1, -1, stats.spearmanr([1, 1, 2], [0, 1, 2])[0]))
    assert one.spearman == pytest.approx(np.mean(one.by_seed))
    assert one.interval[0] < one.spearman < one.interval[1]
    assert one.values == pytest.approx((5 / 3, 5 / 3, 2))
    assert found.find("mine", None).spearman == pytest.approx(one.spearman)


def test_a_metric_that_cannot_tell_the_sets_apart_has_no_agreement(monkeypatch):
    monkeypatch.setattr(study, "metric_specs", lambda name: [vg.MetricSpec(name, lambda x: 1.0, "vectors", *[""] * 5)])
    found = simulate(["spread", "copies"], ["mine"], samples=20, seeds=2)
    assert found.find("mine", "copies").spearman is None
    assert found.find("mine", "copies").reason == "all sets have one value (seed 0)"
    assert found.find("mine", None).reason == "no value in spread"


@pytest.fixture(scope="module")
def small():
    return simulate(samples=30, seeds=2)


def test_every_metric_of_vectors_meets_every_scenario(small):
    assert set(GROUPS["embedding"]) == {name for name in small.metrics if "," not in name}
    assert small.metrics[:3] == ("novelsum", "novelsum, beta=0", "novelsum, duplicates=near")
    assert small.scenarios == tuple(SCENARIOS)
    assert len(small.agreements) == len(small.metrics) * (len(SCENARIOS) + 1)
    certain = [name for name, one in SCENARIOS.items() if one.certain]
    for name in small.metrics:
        by_seed = np.mean([small.find(name, scenario).by_seed for scenario in certain], axis=0)
        assert small.find(name, None).by_seed == pytest.approx(tuple(by_seed))
        # The easiest scenario, which every metric but a broken one gets right.
        assert small.find(name, "spread").spearman > 0.8
    assert small.options["partition_entropy"] == {"k": 15}


def test_the_reference_is_the_pool(small):
    drawn = small.drawn["near_copies"]
    pool = sphere(drawn.pool)
    expected = vg.measure(vg.Corpus.from_vectors(pool[drawn.sets[0]], "set"), ["novelsum"], reference=pool)[0].value
    seeds = [SCENARIOS["near_copies"].draw(30, np.random.default_rng([seed, 4])) for seed in (0, 1)]
    assert np.array_equal(seeds[0].pool, drawn.pool)
    other = sphere(seeds[1].pool)
    second = vg.measure(vg.Corpus.from_vectors(other[seeds[1].sets[0]], "set"), ["novelsum"], reference=other)[0].value
    assert small.find("novelsum", "near_copies").values[0] == pytest.approx((expected + second) / 2, rel=1e-4)


def test_what_is_left_out_does_not_change_the_rest(small):
    alone = simulate(["outliers"], ["vendi_score", "knn_distance@3"], samples=30, seeds=2)
    assert alone.find("vendi_score", "outliers") == small.find("vendi_score", "outliers")
    assert alone.metrics == ("vendi_score", "knn_distance@3")
    assert alone.find("knn_distance@3", "outliers").values != small.find("knn_distance", "outliers").values
    only_argued = simulate(["paper"], ["radius"], samples=30, seeds=2)
    assert [one.scenario for one in only_argued.agreements] == ["paper"]


def test_what_cannot_be_simulated():
    with pytest.raises(vg.ParameterError, match=r"Unknown scenario 'copys'\. Did you mean copies"):
        simulate(["copys"])
    with pytest.raises(vg.DataError, match="ttr looks at tokens, but simulated points are vectors"):
        simulate(metrics=["ttr"])
    with pytest.raises(vg.ParameterError, match="'samples' parameter of simulate must be an int of at least 20"):
        simulate(samples=10)
    with pytest.raises(vg.ParameterError, match="'seeds' parameter of simulate must be an int of at least 2"):
        simulate(seeds=1)
    with pytest.raises(vg.ParameterError, match="Unknown space 'ball'"):
        simulate(space="ball")
    with pytest.raises(vg.ParameterError, match="'metrics' parameter of simulate must be at least one name"):
        simulate(metrics=[])


# --- the command

SMALL = ("--size", 20, "--seeds", 2, "--metrics", "vendi_score,distsum_cosine")


def test_the_command_shows_a_table_and_writes_json(tmp_path, capsys):
    assert run("simulate", *SMALL, "--scenarios", "spread,paper", "--json", tmp_path / "found.json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "2 drawings of each scenario, sets of 20 from pools of 400, on a sphere" in out
    assert "vendi_score" in out
    assert "paper: the three selections of Yang et al. 2025" in out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found == simulate(["spread", "paper"], ["vendi_score", "distsum_cosine"], samples=20, seeds=2).as_dict()
    assert [one["name"] for one in found["scenarios"]] == ["spread", "paper"]
    assert {(one["metric"], one["scenario"]) for one in found["agreements"]} == {
        (metric, scenario) for metric in ("vendi_score", "distsum_cosine") for scenario in ("spread", "paper", None)
    }
    assert run("simulate", *SMALL, "--scenarios", "spread", "--space", "features", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["space"] == "features"


@pytest.mark.parametrize(("ending", "head"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_a_figure_of_every_kind(ending, head, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"simulated{ending}"
    assert run("simulate", *SMALL, "--scenarios", "outliers,paper", "--plot", path) == 0
    assert path.read_bytes().startswith(head)
    assert len(path.read_bytes()) > 10_000
    capsys.readouterr()


def test_the_figure_shows_every_set_and_every_agreement(tmp_path):
    """Four sets and three, by name, and a map of two metrics by three columns, one of them without a value."""
    pytest.importorskip("matplotlib")
    from variegate.report.pictures import new_figure
    from variegate.report.simulated import _draw_map, _draw_sets

    figure = new_figure(6, 4)
    points = np.zeros((5, 2))
    _draw_sets(figure, {"a": [(str(at), points, points) for at in range(4)], "b": [("only", points, points)]}, 4)
    shown = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in shown] == ["0", "1", "2", "3", "only"]
    assert [axis.get_ylabel() for axis in shown] == ["a", "", "", "", "b"]
    figure = new_figure(6, 4)
    _draw_map(figure, ["m", "n"], ["a", "b", "mean"], [[1.0, -0.25, 0.375], [0.5, None, 0.0]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.00", "-0.25", "0.38", "0.50", "-", "0.00"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["m", "n"]


def test_outputs_are_checked_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study, "simulate", lambda *_, **__: pytest.fail("it was done all the same"))
    assert run("simulate", "--plot", tmp_path / "a.gif") == 2
    assert "the ending '.gif' is no picture that can be drawn" in capsys.readouterr().err
    assert run("simulate", "--json", tmp_path / "none" / "a.json") == 2
    assert "no such folder" in capsys.readouterr().err
    assert run("simulate", "--plot", tmp_path / "a.svg", "--json", tmp_path / "a.svg") == 2
    assert "two results would go into this one file" in capsys.readouterr().err

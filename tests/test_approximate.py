"""Approximate neighbours: how many are found, that it is said, and that nothing else changes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.geometry import collecting, density, near_duplicates, nearest, recorded, sharing, use_device, use_neighbours
from variegate.geometry.neighbours.approximate import neighbours_for, recall_of
from variegate.geometry.neighbours.graph import Graph, Moved
from variegate.progress import announce_by

faiss = pytest.importorskip("faiss")

RNG = np.random.default_rng
EVERY = {"for": "density", "index": "exact"}


@pytest.fixture
def approximate(monkeypatch):
    """Approximate neighbours, however few the rows are."""
    monkeypatch.setattr("variegate.geometry.neighbours.searches.FEWEST", 1)
    monkeypatch.setattr("variegate.geometry.duplicates.ROWS", 100)
    use_neighbours("approximate")
    yield
    use_neighbours("exact")


@pytest.fixture
def told():
    messages = []
    announce_by(messages.append)
    yield messages
    announce_by(lambda message: None)


def clustered(rows=1500, clusters=40, d=16, seed=0):
    rng = RNG(seed)
    centres = rng.normal(size=(clusters, d))
    return (centres[rng.integers(clusters, size=rows)] + 0.2 * rng.normal(size=(rows, d))).astype(np.float32)


def searched(queries, points, k):
    with collecting() as searches:
        distances, rows = neighbours_for("density", queries, points, k)
    (search,) = searches
    return distances, rows, search


def test_most_neighbours_of_clustered_rows_are_found(approximate):
    points = clustered() + np.float32(30)
    queries = np.vstack([points[:700], clustered(100, seed=1) + np.float32(30)])
    distances, rows, search = searched(queries, points, 11)
    exact, _ = nearest(queries, points, 11)
    assert recall_of(distances, exact) > 0.98
    assert search.recall == pytest.approx(recall_of(distances, exact), abs=0.02)
    # What is found is ranked by true distances, and no row stands there twice.
    wide = points.astype(np.float64)
    np.testing.assert_array_equal(distances, np.sort(distances, axis=1))
    np.testing.assert_allclose(distances, ((wide[rows] - queries[:, None]) ** 2).sum(axis=2), rtol=1e-12)
    assert all(len(set(row)) == 11 for row in rows.tolist())
    assert (distances >= exact).all()


def test_the_same_on_any_number_of_threads(approximate):
    x, before = clustered(), faiss.omp_get_max_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            faiss.omp_set_num_threads(threads)
            groups = near_duplicates(x, closeness=0.9)
            found.append((density(x, x).tolist(), groups.representative.tolist(), groups.search))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_the_same_with_a_device(approximate):
    pytest.importorskip("torch")
    x = clustered(400)
    expected = searched(x, x, 11)
    use_device("torch")
    try:
        found = searched(x, x, 11)
    finally:
        use_device("cpu")
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[2] == expected[2]


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_copies_take_nothing_from_others(approximate, noise):
    rows = clustered(900)
    crowd = np.repeat(rows[:2], 600, axis=0)
    points = np.vstack([crowd * (1 + noise * RNG(2).normal(size=crowd.shape)), rows])[RNG(3).permutation(2100)]
    distances, found, search = searched(points, points, 11)
    exact, _ = nearest(points, points, 11)
    assert (distances[:, -1] < np.inf).all() and (found >= 0).all()
    # Of copies, and of what float16 takes for them, any are as good as others.
    assert np.mean(distances <= exact[:, -1:] + 1e-9) > 0.97
    if not noise:
        copied = exact[:, -1] == 0
        assert copied.sum() >= 1200
        np.testing.assert_array_equal(found[copied], nearest(points, points, 11)[1][copied])
        assert search.recall > 0.97


def test_queries_that_find_too_few_are_searched_exactly(approximate, monkeypatch):
    points = clustered(300)
    through = Graph.search

    def failing(graph, queries, k):
        found = through(graph, queries, k)
        found[::3, 5:] = -1
        return found

    monkeypatch.setattr(Graph, "search", failing)
    distances, rows, _ = searched(points, points, 11)
    exact, exact_rows = nearest(points, points, 11)
    np.testing.assert_array_equal(distances[::3], exact[::3])
    np.testing.assert_array_equal(rows[::3], exact_rows[::3])


def test_groups_keep_what_they_promise(approximate, monkeypatch):
    base = clustered(1200, clusters=300)
    x = np.vstack([base, base[:400] + RNG(1).normal(scale=0.02, size=(400, 16)), np.repeat(base[:1], 300, axis=0)])
    x = x[RNG(5).permutation(len(x))]
    groups = near_duplicates(x)
    rows = np.arange(len(x))
    assert (groups.representative <= rows).all()
    assert (groups.representative[groups.representative] == groups.representative).all()
    wide = x.astype(np.float64)
    assert ((wide - wide[groups.representative]) ** 2).sum(axis=1).max() <= groups.radius**2
    assert groups.search is not None and groups.search.recall > 0.95
    use_neighbours("exact")
    exact = near_duplicates(x)
    assert exact.search is None and exact.radius == groups.radius
    assert exact.collapsed > 650
    assert (groups.representative != exact.representative).mean() < 0.01


def test_rows_in_another_group_than_exact_ones_are_counted(approximate, monkeypatch):
    base = RNG(0).normal(size=(300, 12))
    x = np.vstack([base, base * (1 + 1e-4)])
    monkeypatch.setattr(Graph, "search", lambda graph, queries, k: np.full((len(queries), k), -1))
    search = near_duplicates(x).search
    # Nothing is found, so all twins become representatives of their own, since none is in a block with its elder.
    assert search.recall == 0.0
    sample = np.sort(RNG(0).choice(600, 512, replace=False))
    assert search.misplaced == (sample >= 300).sum()


def test_shared_groups_are_recorded_each_time_and_told_once(approximate, told):
    x = clustered(400)
    with sharing():
        for _ in range(2):
            with collecting() as searches:
                near_duplicates(x)
            assert recorded(searches)["neighbours"] == "approximate"
        use_neighbours("exact")
        with collecting() as searches:
            near_duplicates(x)
        assert recorded(searches) == {}
    assert len(told) == 1
    assert "near-duplicates: approximate neighbours (HNSW, M=32, efConstruction=40, efSearch=32" in told[0]


def test_float16_keeps_the_order_of_far_and_wide_rows():
    rows = np.array([[1e9, 0.0], [1e9 + 1, 0], [1e9 + 2, 0], [1e9 + 4, 0]]) * 1e3
    moved = Moved(rows)(rows)
    assert np.isfinite(moved).all()
    assert (np.diff(moved[:, 0]) > 0.3).all()
    assert np.isfinite(Moved(rows)(rows * 1e6)).all()
    assert (Moved(np.ones((3, 2)))(np.ones((3, 2))) == 0).all()


def test_a_low_recall_is_warned_of_and_more_effort_mends_it(approximate, told, monkeypatch):
    monkeypatch.setattr("variegate.geometry.neighbours.searches.ENOUGH", 0.97)
    x = RNG(0).normal(size=(2000, 64)).astype(np.float32)
    recalls = []
    for effort in (4, 300):
        use_neighbours(f"approximate:{effort}")
        recalls.append(searched(x, x, 2)[2].recall)
    assert recalls[0] < 0.96 < 0.99 < recalls[1]
    assert [message[:8] for message in told] == ["note: de", "warning:", "note: de"]
    assert "--neighbours approximate:EFFORT" in told[1]
    assert f"only {recalls[0]:.1%} of" in told[1]


def test_small_pools_are_searched_exactly_and_that_is_said(told):
    x = clustered(300)
    expected = vg.select(x, 20)
    use_neighbours("approximate")
    try:
        found = vg.select(x, 20)
    finally:
        use_neighbours("exact")
    assert found.indices.tolist() == expected.indices.tolist()
    assert "neighbours" not in expected.params
    assert found.params["neighbours"] == "exact"
    assert found.params["neighbour_searches"] == [{"for": "near-duplicates", "index": "exact"}, EVERY]
    assert "neighbour_recall" not in found.params
    assert told == [
        f"note: {what}: exact neighbours, as quick as approximate ones below 65,536 rows"
        for what in ("near-duplicates", "density")
    ]


def test_what_is_the_same_is_told_once(told, tmp_path, capsys):
    np.save(tmp_path / "pool.npy", clustered(300))
    command = ["measure", str(tmp_path / "pool.npy"), "--reference", str(tmp_path / "pool.npy"), "--metrics", "novelsum"]
    try:
        for _ in range(2):
            assert main([*command, "--size-matched", "50", "--seeds", "4", "--neighbours", "approximate"]) == 0
            assert capsys.readouterr().err.count("note: density: exact neighbours") == 1
    finally:
        use_neighbours("exact")


@pytest.mark.parametrize("how", ["", "exact:3", "approximate:", "approximate:0", "approximate:many", "approximate:-1", "faiss"])
def test_neighbours_that_there_are_not(how):
    with pytest.raises(vg.ParameterError, match="must be exact, approximate, or approximate:EFFORT"):
        use_neighbours(how)


def test_faiss_that_is_not_installed(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(vg.MissingExtraError, match=r"'faiss-cpu'.*pip install 'variegate\[approximate\]'"):
        use_neighbours("approximate")
    assert main(["select", str(SAMPLE), "--size", "5", "--neighbours", "approximate", "-o", str(tmp_path / "out.jsonl")]) == 1
    assert "pip install 'variegate[approximate]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_select_by_the_command_line(approximate, tmp_path, capsys):
    arguments = ["select", str(SAMPLE), "--size", "40", "--set", "first=3", "--neighbours", "approximate:64"]
    assert main([*arguments, "-o", f"{tmp_path}/subset/"]) == 0
    shown = capsys.readouterr().err
    assert "note: near-duplicates: approximate neighbours (HNSW, M=32, efConstruction=40, efSearch=64" in shown
    assert "note: density: approximate neighbours" in shown
    record = json.loads((tmp_path / "subset" / "selection.json").read_text(encoding="utf-8"))
    params = record["params"]
    assert params["neighbours"] == "approximate"
    assert [search["for"] for search in params["neighbour_searches"]] == ["near-duplicates", "density"]
    assert params["neighbour_recall"] == min(search["recall"] for search in params["neighbour_searches"]) > 0.95
    assert all("efSearch=64" in search["index"] and search["sampled"] > 300 for search in params["neighbour_searches"])
    use_neighbours("exact")
    # So small a pool loses nothing.
    assert record["indices"] == vg.select(SAMPLE, 40, first=3).indices.tolist()
    card = (tmp_path / "subset" / "README.md").read_text(encoding="utf-8")
    assert "neighbour\\_recall" in card and "--neighbours approximate:64" in card


def test_measure_by_the_command_line(approximate, tmp_path, capsys):
    target = tmp_path / "out.json"
    command = ["measure", str(SAMPLE), "--reference", str(SAMPLE), "--side", "both", "--metrics", "novelsum,knn_distance"]
    assert main([*command, "--neighbours", "approximate", "--json", str(target)]) == 0
    assert "note: density: approximate neighbours" in capsys.readouterr().err
    novelsum, knn = json.loads(target.read_text(encoding="utf-8"))
    assert novelsum["params"]["neighbours"] == "approximate"
    assert novelsum["params"]["neighbour_recall"] > 0.95
    assert "neighbours" not in knn["params"]
    use_neighbours("exact")
    (exact,) = vg.measure(SAMPLE, "novelsum", reference=SAMPLE, side="both")
    assert novelsum["value"] == pytest.approx(exact.value, rel=1e-3)


def test_diagnose_by_the_command_line(approximate, capsys):
    assert main(["diagnose", str(SAMPLE), "--neighbours", "approximate", "--quiet", "--json", "-"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert found["neighbours"]["neighbour_searches"][0]["for"] == "near-duplicates"
    use_neighbours("exact")
    assert vg.diagnose(SAMPLE).neighbours is None


def test_a_warning_is_shown_to_those_who_want_it_quiet(approximate, tmp_path, capsys):
    np.save(tmp_path / "pool.npy", RNG(0).normal(size=(2000, 48)).astype(np.float32))
    out = tmp_path / "out.json"
    command = ["select", str(tmp_path / "pool.npy"), "--size", "10", "--neighbours", "approximate:1", "--quiet", "-o", str(out)]
    assert main(command) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith("warning: ") for line in lines)


def test_a_ladder_does_not_go_on_with_other_neighbours(approximate, tmp_path, capsys):
    command = [
        "ladder",
        str(SAMPLE),
        "--strategies",
        "novelselect",
        "--size",
        "10",
        "--side",
        "both",
        "-o",
        str(tmp_path / "grid"),
    ]
    assert main([*command, "--neighbours", "approximate"]) == 0
    (row,) = [json.loads(line) for line in (tmp_path / "grid" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert row["params"]["neighbours"] == "approximate"
    use_neighbours("exact")
    assert main(command) == 2
    assert "holds a ladder of another pool, or of other settings" in capsys.readouterr().err

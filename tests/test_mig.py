"""MIG, against its equations step by step."""

from __future__ import annotations

import importlib
import json
import math

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.test_baselines import greedy
from variegate.geometry import use_memory
from variegate.strategies.mig import mig
from variegate.strategies.objectives.greedy import lazy_greedy
from variegate.strategies.objectives.tags import tag_shares
from variegate.strategies.room import Room
from variegate.strategies.token_coverage import token_coverage
from variegate.viewing import kind_of
from variegate.views.tokens import Tokens


def pool(n=40, kinds=14, seed=0, first=0):
    """Rows of 1 to 4 of some tags; the vectors lie in a few directions, so that many tags are neighbours."""
    rng = np.random.default_rng(seed)
    rows = [(first + rng.choice(kinds, size=rng.integers(1, 5), replace=False)).tolist() for _ in range(n)]
    present = sorted({tag for row in rows for tag in row})
    vectors = {tag: np.random.default_rng(tag).normal(size=3) * [3, 1, 0.5] + [0, 0, 2] for tag in present}
    return rows, vectors


def graph_view(rows, vectors):
    present = sorted({tag for row in rows for tag in row})
    return Tokens.from_lists(rows), np.array([vectors[tag] for tag in present])


def flows(vectors, options):
    """Return what of each tag goes to each other: a(p, q) of equation 6, or its transpose, by loops over the tags."""
    tags = sorted(vectors)
    threshold, alpha = options.get("threshold", 0.9), options.get("alpha", 1.0)
    weight = {}
    for p in tags:
        for q in tags:
            cosine = float(vectors[p] @ vectors[q] / math.sqrt(vectors[p] @ vectors[p] * (vectors[q] @ vectors[q])))
            weight[p, q] = 1.0 if p == q else alpha * cosine if cosine >= threshold else 0.0
    total = {p: sum(weight[p, k] for k in tags) for p in tags}
    sent = options.get("shares") == "sent"
    return {(p, q): weight[p, q] / total[p if sent else q] for p in tags for q in tags}


def information(rows, quality, flow, options):
    """Return E(D) of equation 8."""
    held = dict.fromkeys((q for _, q in flow), 0.0)
    for row, worth in zip(rows, quality, strict=True):
        for tag in set(row):
            for other in held:
                held[other] += flow[tag, other] * worth / (len(set(row)) if options.get("split") else 1)
    if options.get("phi") == "exp":
        return sum(1 - math.exp(-options.get("rate", 1.0) * x) for x in held.values())
    return sum(x ** options.get("exponent", 0.8) for x in held.values())


def extended(view, owned, size, quality=None, **options):
    """Choose rows to add to others."""
    n, owned_rows = len(view[0]), len(owned[0])
    room = Room(n + owned_rows, size, owned=np.arange(n, n + owned_rows))
    worth = None if quality is None else np.concatenate([quality, np.zeros(owned_rows)])
    return mig(kind_of("tag graph").join(view, owned), size, seed=0, quality=worth, room=room, **options)


OPTIONS = [
    {},
    {"alpha": 0.0},
    {"alpha": 2.5, "threshold": 0.6},
    {"threshold": 0.0, "exponent": 0.3},
    {"threshold": 0.8, "shares": "sent"},
    {"threshold": 0.7, "shares": "sent", "alpha": 0.4, "split": True},
    {"threshold": 0.7, "phi": "exp", "rate": 0.7},
    {"split": True, "exponent": 1.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("owned", [False, True])
def test_against_scoring_everything(options, weighted, owned, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.greedy.MANY", 3)
    rows, vectors = pool()
    # Some tags of the rows owned are the pool's own, some are not.
    before, others = pool(6, seed=1, first=9) if owned else ([], {})
    everything = vectors | others
    quality = np.random.default_rng(2).random(40) * 3 if weighted else np.ones(40)
    flow = flows(everything, options)
    have = information(before, np.ones(6 * owned), flow, options)

    def score(picks, row):
        def value(chosen):
            return information([*before, *(rows[at] for at in chosen)], [*np.ones(len(before)), *quality[chosen]], flow, options)

        return value([*picks, row]) - value(picks)

    expected = greedy(10, score, 40)
    view = graph_view(rows, vectors)
    if owned:
        found = extended(view, graph_view(before, others), 10, quality=quality if weighted else None, **options)
    else:
        found = mig(view, 10, seed=0, quality=quality if weighted else None, **options)
    assert found.rows.tolist() == expected
    assert found.gains[0] == pytest.approx(score([], expected[0]), rel=1e-9)
    assert found.gains[-1] == pytest.approx(score(expected[:-1], expected[-1]), rel=1e-9)
    assert found.params["information"] == pytest.approx(have + sum(found.gains), rel=1e-9)
    assert found.params["nodes"] == len(everything)
    assert (found.params["edges"] > 0) == (options.get("alpha") != 0)
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in zip(found.gains, found.gains[1:], strict=False))


# Tags a, b, c: cosines a-b 0.6, b-c 0.8, a-c 0. With alpha 0.5 the weights add up to 1.3, 1.7 and 1.4.
LINE = np.array([[1, 0], [0.6, 0.8], [0, 1]])


@pytest.mark.parametrize("shares", ["received", "sent"])
def test_by_hand(shares):
    expected = np.array([[1, 0.3, 0], [0.3, 1, 0.4], [0, 0.4, 1]])
    sums = np.array([1.3, 1.7, 1.4])
    expected /= sums if shares == "received" else sums[:, None]
    found = tag_shares(LINE, 0.5, 0.5, shares)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12)
    picks = mig((Tokens.from_lists([[7], [8, 8], [9]]), LINE), 3, seed=0, threshold=0.5, alpha=0.5, exponent=0.5, shares=shares)
    # The middle one gives to all three; then c, of whose own only 0.4 is there (a tag twice is a tag once), or a.
    b = sum(math.sqrt(share) for share in expected[1])
    after = {row: sum(np.sqrt(expected[1] + expected[row])) - b for row in (0, 2)}
    second = max(after, key=after.__getitem__)
    assert picks.rows.tolist() == [1, second, 2 - second]
    assert picks.gains[:2] == pytest.approx([b, after[second]], rel=1e-12)
    assert picks.params == {"nodes": 3, "edges": 2, "information": pytest.approx(sum(picks.gains))}


def test_golden():
    assert mig(graph_view(*pool()), 8, seed=0).rows.tolist() == [29, 21, 13, 0, 5, 36, 33, 22]


def test_nothing_shared_is_coverage_of_tags():
    rows, vectors = pool(200, 60)
    view = graph_view(rows, vectors)
    expected = token_coverage(view[0], 80, seed=0, concave="sqrt", low=1, high=None)
    for options in ({"alpha": 0.0}, {"threshold": 1.0}):
        found = mig(view, 80, seed=0, exponent=0.5, **options)
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.gains == pytest.approx(expected.gains, rel=1e-12)
        assert found.params["edges"] == 0
    # Tags that have nothing to do with each other are no neighbours, whatever the threshold.
    assert mig((Tokens.from_lists([[1], [2]]), np.array([[1, -0.2], [0.2, 1]])), 1, seed=0, threshold=0.0).params["edges"] == 0
    # Tags with one vector between them are neighbours at 1.
    assert mig((Tokens.from_lists([[1], [2]]), np.array([[1, 2, 3], [2, 4, 6.0]])), 1, seed=0, threshold=1.0).params["edges"] == 1


def test_copies_come_late_and_the_lowest_of_equals_first():
    rows = [[1, 2, 3]] * 30 + [[4], [5, 6], [7, 8]]
    vectors = np.eye(8)
    assert mig((Tokens.from_lists(rows), vectors), 6, seed=0, exponent=0.3).rows.tolist() == [0, 31, 32, 30, 1, 2]
    # A synonym of what is held is worth less than something new.
    near = np.vstack([np.eye(3), [[1, 0.01, 0]]])
    assert mig((Tokens.from_lists([[1], [4], [2], [3]]), near), 4, seed=0).rows.tolist() == [0, 2, 3, 1]


def test_rows_owned_are_as_good_as_picked():
    rows, vectors = pool(60, 20)
    view = graph_view(rows, vectors)
    whole = mig(view, 12, seed=0, threshold=0.7)
    start = whole.rows[:5].tolist()
    rest = [row for row in range(60) if row not in start]
    views = (graph_view([rows[row] for row in some], vectors) for some in (rest, start))
    part = extended(*views, 7, threshold=0.7)
    assert [rest[row] for row in part.rows] == whole.rows[5:].tolist()
    assert part.gains == pytest.approx(whole.gains[5:], rel=1e-12)


def test_what_owned_rows_hold_counts_for_the_neighbours_of_their_tags():
    view = Tokens.from_lists([[1], [2]]), np.array([[1.0, 0, 0], [0, 1, 0]])
    assert mig(view, 1, seed=0).rows.tolist() == [0]
    near, far = np.array([[1.0, 0.01, 0]]), np.array([[0.0, 0, 1]])
    assert extended(view, (Tokens.from_lists([[5]]), near), 1).rows.tolist() == [1]
    assert extended(view, (Tokens.from_lists([[5]]), far), 1).gains == pytest.approx(mig(view, 1, seed=0).gains, rel=1e-12)
    nothing = Tokens.from_lists([[], []]), np.empty((0, 3))
    assert extended(view, nothing, 2).gains == pytest.approx(mig(view, 2, seed=0).gains, rel=1e-12)


def test_quality_of_nothing_comes_last_and_rows_without_tags_never():
    tags = Tokens.from_lists([[], [1], [2], [1, 2], [], [3]])
    vectors = np.eye(3)
    quality = np.array([1, 0.0, 1, 0, 1, 0.5])
    found = mig((tags, vectors), 4, seed=0, quality=quality)
    assert found.rows.tolist() == [2, 5, 1, 3]
    assert found.gains[2:] == pytest.approx([0, 0], abs=1e-12)
    assert mig((tags, vectors), 4, seed=0, quality=np.zeros(6)).rows.tolist() == [1, 2, 3, 5]
    with pytest.raises(vg.DataError, match=r"mig: 4 of 6 rows have tags, too few for the 5 asked for\. Choose 1 to 4"):
        mig((tags, vectors), 5, seed=0)
    with pytest.raises(vg.DataError, match=r"mig: 0 of 2 rows have tags, too few for the 1 asked for\. Pass other tags"):
        mig((Tokens.from_lists([[], []]), np.empty((0, 2))), 1, seed=0)


def test_small_gains_on_full_tags_keep_their_digits():
    rows = [[1]] * 3
    quality = np.array([1e9, 1e-6, 2e-6])
    found = mig((Tokens.from_lists(rows), np.ones((1, 2))), 3, seed=0, quality=quality)
    assert found.rows.tolist() == [0, 2, 1]
    assert found.gains[1] == pytest.approx(0.8 * 1e9**-0.2 * 2e-6, rel=1e-9)


@pytest.mark.parametrize("threads", [1, 2])
def test_picks_do_not_depend_on_blocks_and_threads(threads, monkeypatch):
    from threadpoolctl import threadpool_limits

    view = graph_view(*pool(500, 200))
    expected = mig(view, 200, seed=0, threshold=0.95)
    monkeypatch.setattr("variegate.geometry.vectors.ROWS", 7)
    monkeypatch.setattr("variegate.geometry.memory.BLOCK_BYTES", 2000)
    monkeypatch.setattr(importlib.import_module("variegate.strategies.objectives.tags"), "ROWS", 11)
    with threadpool_limits(threads):
        found = mig(view, 200, seed=3, threshold=0.95)
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.gains == pytest.approx(expected.gains, rel=1e-12)
    assert found.params == pytest.approx(expected.params, rel=1e-12)


def coverage(rows, tags):
    """Gains of a plain cover: a row's tags that no pick has, whose values are many times the same."""
    seen = np.zeros(tags, bool)
    asked = []

    def gains_of(which):
        asked.extend(which.tolist())
        return np.array([float((~seen[rows[row]]).sum()) for row in which])

    def take(row):
        seen[rows[row]] = True
        return np.array([at for at, other in enumerate(rows) if set(other) & set(rows[row])], np.int64)

    return gains_of, take, asked


@pytest.mark.parametrize("many", [1, 5, 1024])
@pytest.mark.parametrize("seed", range(4))
def test_knowing_what_a_pick_touches_changes_no_pick(many, seed, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.greedy.MANY", many)
    rows, _ = pool(120, 50, seed)
    gains_of, take, _ = coverage(rows, 50)

    def take_and_say_nothing(row):
        take(row)

    expected = lazy_greedy(gains_of(np.arange(120)), Room(120), gains_of, take_and_say_nothing)
    gains_of, take, _ = coverage(rows, 50)
    found = lazy_greedy(gains_of(np.arange(120)), Room(120), gains_of, take)
    assert (found.rows.tolist(), found.gains, found.total) == (expected.rows.tolist(), expected.gains, expected.total)


def test_equal_gains_that_no_pick_touches_are_not_computed_again():
    rows = [[at] for at in range(300)] + [[0, 1, 2]]
    gains_of, take, asked = coverage(rows, 300)
    start = gains_of(np.arange(301))
    asked.clear()
    assert lazy_greedy(start, Room(301, 200), gains_of, take).rows.tolist() == [300, *range(3, 202)]
    # Three lost what they had to the first pick; the other 297 stand as they were.
    assert asked == [0, 1, 2]


def test_gains_that_differ_by_rounding_alone_are_equal():
    start = np.array([0.5, 1.0, 1 + 4e-16, 1.0])
    nothing = np.empty(0, np.int64)
    assert lazy_greedy(start, Room(4), lambda rows: start[rows], lambda row: nothing).rows.tolist() == [1, 2, 3, 0]


VIEW = Tokens.from_lists([[1], [2], [1, 2]]), np.eye(2)


@pytest.mark.parametrize(
    ("view", "options", "message"),
    [
        (VIEW, {"threshold": -0.1}, r"'threshold' parameter of mig must be a number in \[0, 1\]. Got -0.1"),
        (VIEW, {"threshold": math.nan}, "'threshold' parameter of mig"),
        (VIEW, {"alpha": -1}, "'alpha' parameter of mig must be a number of at least 0"),
        (VIEW, {"alpha": math.inf}, "'alpha' parameter of mig"),
        (VIEW, {"phi": "log"}, "'phi' parameter of mig must be 'power' or 'exp'. Got 'log'"),
        (VIEW, {"exponent": 0}, r"'exponent' parameter of mig must be a number in \(0, 1\]. Got 0"),
        (VIEW, {"exponent": 1.1}, "'exponent' parameter of mig"),
        (VIEW, {"rate": 0}, "'rate' parameter of mig must be a number above 0. Got 0"),
        (VIEW, {"shares": "both"}, "'shares' parameter of mig must be 'received' or 'sent'. Got 'both'"),
        (VIEW, {"quality": np.array([1.0, 2.0])}, "'quality' parameter of mig must be 3 finite numbers of at least 0"),
        (VIEW, {"quality": np.array([1, -1, 0.0])}, "'quality' parameter of mig"),
        (VIEW, {"quality": np.array([1, np.nan, 0])}, "'quality' parameter of mig"),
        ((VIEW[0], np.eye(3)), {}, "mig: there are 2 different tags, but 3 vectors"),
    ],
)
def test_what_cannot_be_done_is_an_error(view, options, message):
    with pytest.raises(vg.VariegateError, match=message):
        mig(view, 2, seed=0, **options)


def test_a_graph_that_would_fill_the_memory_is_an_error(monkeypatch):
    view = graph_view(*pool())
    module = importlib.import_module("variegate.strategies.objectives.tags")
    use_memory("128M")
    monkeypatch.setattr(module, "GRAPH_SHARE", (128 << 20) // 150)
    with pytest.raises(
        vg.DataError,
        match=r"mig: the graph of tags would take more than 150 entries, all that the memory allows\. Pass a larger --memory, or",
    ):
        mig(view, 2, seed=0, threshold=0.0)
    monkeypatch.setattr(module, "GIVEN_SHARE", (128 << 20) // 40)
    with pytest.raises(vg.DataError, match="mig: what rows give to tags would take more than 40 entries"):
        mig(view, 2, seed=0, alpha=0.0)


def test_by_the_names_of_tags_and_a_column_of_quality(tmp_path):
    topics = ["machine learning, python", "cooking", "Machine Learning, cooking", "poetry", "", "python, poetry"]
    rows = [{"text": f"row {at}", "topic": topic, "score": at} for at, topic in enumerate(topics)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    corpus = vg.load(tmp_path / "a.jsonl")
    vectors = corpus.tag_vectors("both", "topic", "static", corpus)
    tags = corpus.tags("both", "topic", corpus)
    from variegate.views.embed import embed_texts

    names = [tags.names[number] for number in tags.type_counts[0].tolist()]
    assert sorted(names) == ["cooking", "machine learning", "poetry", "python"]
    np.testing.assert_array_equal(vectors, embed_texts(pa.chunked_array([names]), "static", "these names"))
    found = vg.select(corpus, 3, "mig", tags="topic", quality="score", threshold=0.5)
    scaled = np.arange(6) / 5
    expected = mig((tags, vectors), 3, seed=0, quality=scaled, threshold=0.5)
    assert found.indices.tolist() == expected.rows.tolist()
    assert found.params["embedder"] == "static"
    assert (found.params["tags"], found.params["alpha"], found.params["quality"]) == ("topic", 1.0, "score")
    with pytest.raises(vg.DataError, match=r"a\.jsonl: mig: 5 of 6 rows have tags"):
        vg.select(corpus, 6, "mig", tags="topic")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.eye(4), {}, "holds vectors only"),
        (
            SAMPLE,
            {"embedder": "column:vector"},
            "'column:vector' holds vectors of rows, and a graph of tags needs those of the tags' names",
        ),
        (SAMPLE, {"embedder": "made.npy"}, "'made.npy' holds vectors of rows"),
        (SAMPLE, {"alhpa": 2}, "Did you mean alpha"),
        (SAMPLE, {"existing": 3}, "Unknown parameter of mig 'existing'"),
        (SAMPLE, {"threshold": "high"}, "'threshold' parameter of mig must be a number"),
    ],
)
def test_what_cannot_be_selected_is_an_error(data, options, message):
    with pytest.raises(vg.VariegateError, match=message):
        vg.select(data, 2, "mig", **options)


@pytest.mark.parametrize(("value", "fault"), [(0.0, "zero, or next to it"), (np.nan, "not finite, or too large")])
def test_tags_whose_vectors_cannot_be_used_are_named(value, fault, monkeypatch):
    monkeypatch.setattr("variegate.views.embed.embed_texts", lambda texts, name, digest: np.full((len(texts), 3), value))
    with pytest.raises(vg.DataError, match=rf"sample\.jsonl, static: the vector of the tag '[^']+' and of \d+ more is {fault}"):
        vg.select(SAMPLE, 2, "mig", tags="domain")

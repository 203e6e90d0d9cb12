"""Beyond single numbers: comparison, curves, scores of samples, and where a set is not diverse."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from tests import reference
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.metrics import comparisons, sample_scores
from variegate.metrics.curve import curve_sizes


def vectors(n, spread, seed, name):
    rng = np.random.default_rng(seed)
    return vg.Corpus.from_vectors(rng.normal(size=(n, 6)) * spread + 3, name)


# --- comparison


def test_the_more_diverse_set_is_found_and_the_lead_is_beyond_chance():
    wide, narrow, middle = vectors(400, 3, 0, "wide"), vectors(300, 0.3, 1, "narrow"), vectors(500, 1, 2, "middle")
    (found,) = vg.compare([narrow, wide, middle])
    assert found.order == ("wide", "middle", "narrow")
    assert (found.level, found.side, found.n, found.draws) == ("macro", "both", 150, 8)
    assert found.agreeing == found.certain == found.metrics == ("novelsum", "distsum_cosine", "knn_distance", "vendi_score")


def test_a_loser_does_not_hide_behind_an_undecided_lead():
    sets = [vectors(400, 3, 0, "wide"), vectors(400, 3, 1, "as wide"), vectors(300, 0.3, 2, "narrow")]
    (found,) = vg.compare(sets)
    assert found.pair("wide", "as wide").verdict == "undecided" and not found.certain
    assert [found.pair(name, "narrow").verdict for name in ("wide", "as wide")] == ["more", "more"]
    assert found.pair("narrow", "wide").verdict == "less"
    assert [(one.first, one.second) for one in found.pairs] == [
        (found.order[a], found.order[b]) for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    with pytest.raises(vg.DataError, match=r"wide and other were not compared. Compared were: .*narrow"):
        found.pair("wide", "other")


def test_metrics_that_disagree_beyond_chance_make_it_mixed():
    rng = np.random.default_rng(0)
    # A hundred places far apart with four rows each: wide as a whole, and each row has a neighbour that is nearly a copy.
    clumps = vg.Corpus.from_vectors(
        np.repeat(rng.normal(size=(100, 40)), 4, axis=0) + rng.normal(size=(400, 40)) * 1e-3, "clumps"
    )
    even = vg.Corpus.from_vectors(rng.normal(size=(400, 40)) + 0.7, "even")
    (found,) = vg.compare([clumps, even], metrics=["distsum_cosine", "knn_distance"])
    pair = found.pair("clumps", "even")
    assert (pair.verdict, pair.more, pair.less) == ("mixed", ("distsum_cosine",), ("knn_distance",))
    assert found.pair("even", "clumps").verdict == "mixed"
    told = found.of("clumps", "knn_distance")
    assert [(one["with"], one["direction"], one["verdict"], one["level"]) for one in told] == [("even", "less", "mixed", "macro")]
    assert found.of("clumps", "radius") == found.of("other", "knn_distance") == []


def test_more_than_two_sets_make_a_matrix(tmp_path, capsys):
    rng = np.random.default_rng(0)
    clumps = np.repeat(rng.normal(size=(100, 40)), 4, axis=0) + rng.normal(size=(400, 40)) * 1e-3
    sets = {"clumps": clumps, "even": rng.normal(size=(400, 40)) + 0.7, "dense": rng.normal(size=(400, 40)) * 0.01 + 0.7}
    for name, x in sets.items():
        np.save(tmp_path / f"{name}.npy", x)
    files = [str(tmp_path / f"{name}.npy") for name in sets]
    assert main(["measure", *files, "--metrics", "distsum_cosine,knn_distance", "--quiet"]) == 0
    out = capsys.readouterr().out
    by_set = {line.split()[2]: line for line in out.splitlines() if line.startswith(" macro")}
    clumps, even, dense = (" ".join(by_set[file].split()[3:]) for file in files)
    assert clumps == "more diverse mixed: more by distsum_cosine, less by knn_distance"
    assert even == "mixed: more by knn_distance, less by distsum_cosine more diverse"
    assert dense == "less diverse less diverse"


def test_p_values_are_those_of_scipy_corrected_by_the_definition():
    from scipy.stats import ttest_ind_from_stats

    sets = [vectors(120, spread, seed, str(seed)) for seed, spread in enumerate((1, 1.1, 1.3))]
    results = vg.measure(sets, ["knn_distance", "radius"], size_matched=60, seeds=5)
    (found,) = comparisons(results)
    tests = [(pair.first, pair.second, metric) for pair in found.pairs for metric in found.metrics]
    drawn = {(one.dataset, one.metric): np.array(one.draws) for one in results}

    def single(a, b):
        # As if each set had been drawn once more for each degree of freedom: the spread of draws, not of their mean.
        va, vb, n = a.var(ddof=1), b.var(ddof=1), len(a)
        spread = [np.sqrt(v * n) for v in (va, vb)]
        return ttest_ind_from_stats(a.mean(), spread[0], n, b.mean(), spread[1], n, equal_var=False).pvalue

    raw = [single(drawn[first, metric], drawn[second, metric]) for first, second, metric in tests]
    # Holm: a hypothesis falls at level a if each one with a smaller p falls, and its own p is at most a over those that stand.
    expected = [
        max(min(1, other * sum(not (one < other) for one in raw)) for other in raw if other <= own) for own in raw
    ]  # fmt: skip
    known = {(pair.first, pair.second, metric): p for pair in found.pairs for metric, p in pair.p_values.items()}
    assert [known[one] for one in tests] == pytest.approx(expected, rel=1e-9)


def test_data_sets_are_told_apart_by_name():
    pool = vg.load(SAMPLE)
    parts = [pool.take(range(120)), pool.take(range(200, 330))]
    names = [f"subset of {SAMPLE} {at}" for at in (1, 2)]
    options = {"metrics": ["token_entropy"], "side": "response"}
    assert sorted(vg.compare(parts, **options)[0].order) == names
    assert sorted(vg.compare([pool, parts[0]], **options)[0].order) == [str(SAMPLE), f"subset of {SAMPLE}"]
    rows = [[{"text": f"{word} {at}"} for at in range(9)] for word in "ab"]
    assert [one.dataset for one in vg.measure([vg.load(one) for one in rows], "token_entropy")] == [
        "rows in memory 1",
        "rows in memory 2",
    ]
    assert [one.dataset for one in vg.measure([np.eye(9), np.eye(9)[:5]], "radius")] == ["vectors 1", "vectors 2"]
    with pytest.raises(vg.DataError, match=r"is given twice\. Give each data set once"):
        vg.compare([pool, SAMPLE, str(SAMPLE)])
    with pytest.raises(vg.DataError, match=r"x: 2 data sets have this name.*load\(..., name=...\), or take\(rows, name\)"):
        vg.measure([vectors(30, 1, 0, "x"), vectors(30, 1, 1, "x")], "radius")


def test_two_draws_of_one_source_are_not_told_apart():
    certain = 0
    for seed in range(6):
        (found,) = vg.compare([vectors(300, 1, 10 + seed, "a"), vectors(300, 1, 50 + seed, "b")])
        certain += len(found.certain)
    # 24 tests at 5 %.
    assert certain <= 4


def test_which_way_a_metric_points_is_minded(tmp_path):
    rng = np.random.default_rng(0)
    for name, words in (("few", 12), ("many", 2000)):
        rows = [{"text": " ".join(f"w{word}" for word in rng.integers(words, size=30))} for _ in range(120)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    sets = [tmp_path / "few.jsonl", tmp_path / "many.jsonl"]
    (found,) = vg.compare(sets, metrics=["compression_ratio", "self_bleu", "token_entropy"], tokenizer="words")
    assert found.order[0] == str(sets[1])
    assert found.certain == ("compression_ratio", "self_bleu", "token_entropy")
    assert found.level == "micro"


def test_clusters_take_part_only_with_a_reference_in_common():
    a, b, pool = vectors(300, 1, 0, "a"), vectors(300, 2, 1, "b"), vectors(900, 2, 2, "pool")
    (alone,), (with_pool,) = vg.compare([a, b]), vg.compare([a, b], reference=pool)
    assert "partition_entropy" not in alone.metrics
    assert "partition_entropy" in with_pool.metrics


def test_what_cannot_be_compared():
    with pytest.raises(vg.DataError, match="at least two data sets"):
        vg.compare([vectors(300, 1, 0, "a")])
    with pytest.raises(vg.DataError, match="b: has 12 rows, too few"):
        vg.compare([vectors(300, 1, 0, "a"), vectors(12, 1, 0, "b")])


def test_a_metric_that_one_set_lacks_does_not_vote():
    a, b = vectors(60, 1, 0, "a"), vectors(60, 2, 1, "b")
    results = vg.measure([a, b], ["vendi_score", "knn_distance"], size_matched=30, seeds=4)
    (found,) = comparisons([result for result in results if (result.dataset, result.metric) != ("a", "vendi_score")])
    assert found.metrics == ("knn_distance",)


# --- curves


def test_sizes_of_a_curve_go_up_to_the_whole_set():
    assert curve_sizes(6400, 8) == [50, 100, 200, 400, 800, 1600, 3200, 6400]
    assert curve_sizes(30)[0] == 3
    assert curve_sizes(2) == [2]
    assert curve_sizes(117_000)[-1] == 117_000


def test_a_curve_is_the_metric_on_draws_of_each_size():
    x = vectors(200, 1, 0, "x")
    results = vg.rarefaction(x, "vendi_score", sizes=[20, 200, 50], seeds=3)
    assert [(result.n, result.seeds) for result in results] == [(20, 3), (50, 3), (200, 3)]
    (same,) = vg.measure(x, "vendi_score", size_matched=50, seeds=3)
    assert results[1].draws == pytest.approx(same.draws, rel=1e-12)
    assert (results[1].n, results[1].params) == (same.n, same.params)
    assert results[2].interval == pytest.approx((results[2].value, results[2].value))
    assert results[0].draws[0] != results[0].draws[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": [20, 300]}, "x: has 200 rows, fewer than the 300"),
        ({"sizes": [1]}, "'sizes' parameter"),
        ({"sizes": []}, "'sizes' parameter"),
        ({"seeds": 1}, "'seeds' parameter of rarefaction must be an int of at least 2"),
    ],
)
def test_curves_that_cannot_be(options, message):
    with pytest.raises(vg.VariegateError, match=message):
        vg.rarefaction(vectors(200, 1, 0, "x"), "vendi_score", **options)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_curve_by_the_command_line(kind, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    picture, results = tmp_path / f"curve.{kind}", tmp_path / "curve.json"
    arguments = ["measure", str(SAMPLE), "--metrics", "vendi_score,token_entropy", "--curve", "50,100,400", "--seeds", "3"]
    assert main([*arguments, "--plot", str(picture), "--json", str(results), "--quiet"]) == 0
    out = [line for line in capsys.readouterr().out.split("\n") if line.strip()]
    assert out[0] == f"{SAMPLE}, by sample size"
    assert out[1].split() == ["metric", "side", "50", "100", "400"]
    assert [one["n"] for one in json.loads(results.read_text(encoding="utf-8"))] == [50, 50, 100, 100, 400, 400]
    content = picture.read_bytes()
    assert (b"<svg" in content) if kind == "svg" else content.startswith(b"\x89PNG")


# --- samples


def test_scores_of_samples_average_to_the_metrics():
    corpus = vg.load(SAMPLE)
    scores = sample_scores(corpus, "response", reference=corpus)
    results = vg.measure(corpus, ["novelsum", "knn_distance", "sequence_length"], side="response", reference=corpus)
    for name, result in zip(("novelty", "nearest_distance", "tokens"), results, strict=True):
        assert scores[name].mean() == pytest.approx(result.value, rel=1e-6)
    assert all(len(values) == 400 for values in scores.values())


def test_the_nearest_row_and_the_group_of_copies():
    x = np.random.default_rng(0).normal(size=(60, 5))
    x[[7, 30, 31]] = x[3] * [[1], [1 + 1e-6], [1]]
    scores = sample_scores(vg.Corpus.from_vectors(x), "both")
    assert scores["duplicate_group"][[3, 7, 30, 31]].tolist() == [3] * 4
    assert scores["group_size"][[3, 7, 30, 31, 0]].tolist() == [4, 4, 4, 4, 1]
    distances = [[reference.cosine_distance(a, b) if i != j else 9 for j, b in enumerate(x)] for i, a in enumerate(x)]
    np.testing.assert_allclose(scores["nearest_distance"], np.min(distances, axis=1), atol=2e-7)
    # Of copies any may be the nearest.
    copies = [3, 7, 30, 31]
    found, expected = (np.where(np.isin(rows, copies), 3, rows) for rows in (scores["nearest_row"], np.argmin(distances, axis=1)))
    assert found.tolist() == expected.tolist()


def test_scores_stand_next_to_the_rows_that_they_are_of(tmp_path, capsys):
    rows = [{"instruction": f"Name {at} rivers.", "response": f"Here are {at} of them.", "n": at} for at in range(15)]
    rows.insert(2, {"instruction": "bad", "response": ""})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common = ["measure", str(tmp_path / "a.jsonl"), "--metrics", "sequence_length", "--quiet"]
    skipping = ["--on-bad-row", "skip", "--bad-rows", str(tmp_path / "bad.jsonl")]
    target = tmp_path / "scores.jsonl"
    assert main([*common, *skipping, "--per-sample", str(target), "--with-rows"]) == 0
    found = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [{key: row[key] for key in ("instruction", "response", "n")} for row in found] == rows[:2] + rows[3:]
    names = ["novelty", "nearest_distance", "nearest_row", "duplicate_group", "group_size", "tokens"]
    assert list(found[0])[3:] == [f"{name}_both" for name in names]
    # Rows count as in the file, the bad one included.
    assert {row["nearest_row_both"] for row in found} <= set(range(16)) - {2}
    assert main([*common, *skipping, "--per-sample", str(tmp_path / "scores.csv")]) == 0
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "row," + ",".join(f"{name}_both" for name in names)
    assert [int(line.split(",")[0]) for line in lines[1:]] == [0, 1, *range(3, 16)]


def test_a_table_keeps_its_types_and_a_column_of_the_same_name_is_not_lost(tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"instruction": [f"Name {at}" for at in range(12)], "response": ["x y"] * 12, "n": pa.array(range(12), pa.int16())}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    common = ["measure", str(tmp_path / "a.parquet"), "--metrics", "sequence_length", "--quiet", "--with-rows"]
    assert main([*common, "--per-sample", str(tmp_path / "b.parquet")]) == 0
    found = pq.read_table(tmp_path / "b.parquet")
    assert found.select(table.column_names).equals(table)
    assert found.schema.field("novelty_both").type == pa.float64()
    pq.write_table(table.append_column("novelty_both", table["n"]), tmp_path / "a.parquet")
    assert main([*common, "--per-sample", str(tmp_path / "c.parquet")]) == 2
    assert "a.parquet: the rows have a field 'novelty_both' already" in capsys.readouterr().err
    assert not (tmp_path / "c.parquet").exists()


# --- where it is not diverse


@pytest.fixture
def templated(tmp_path):
    """A pool with a template, copies and a subject of its own; a reference that lacks the template and has a further subject."""
    rng = np.random.default_rng(0)
    words = {name: [f"{name}{at}" for at in range(60)] for name in ("river", "engine", "poem")}

    def text(name):
        return " ".join(rng.choice(words[name], 12))

    template = "as a large and friendly model i must say that the answer is"
    pool = (
        [f"{template} {text('river')}" for _ in range(40)] + [text("engine") for _ in range(100)] + ["the same words again"] * 9
    )
    other = [text("engine") for _ in range(100)] + [text("river") for _ in range(60)] + [text("poem") for _ in range(60)]
    for name, texts in (("pool", pool), ("other", other)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts), encoding="utf-8")
    return tmp_path


def test_what_is_wrong_with_a_set_is_found(templated):
    found = vg.diagnose(templated / "pool.jsonl", reference=templated / "other.jsonl", tokenizer="words", clusters=3, top=3)
    assert (found.n, found.reference) == (149, str(templated / "other.jsonl"))
    first = found.duplicates[0]
    assert (first.size, first.rows, first.example) == (9, tuple(range(140, 149)), "the same words again")
    assert found.duplicate_rows >= 8
    assert found.phrases[0].rows == 40
    template = "as a large and friendly model i must say that the answer is"
    assert found.phrases[0].text in template
    # All phrases of the template are one finding.
    assert len(found.phrases) == 1
    assert {one.text for one in found.tokens} <= {*template.split(), "same", "words", "again"}
    assert found.missed[0].examples and all("poem" in one for one in found.missed[0].examples)
    assert found.missed[0].share < 0.1 < found.missed[0].reference_share
    assert found.missed[0].coverage < found.missed[-1].coverage
    assert json.loads(json.dumps(found.as_dict()))["dataset"] == found.dataset


def test_without_a_reference_regions_are_weighed_against_equal_shares(templated):
    found = vg.diagnose(templated / "pool.jsonl", clusters=3)
    assert (found.reference, found.missed, found.tokens) == (None, (), ())
    assert found.crowded[0].share > 1 / 3 == pytest.approx(found.crowded[0].reference_share)


def test_texts_cannot_steer_a_terminal(tmp_path):
    rows = [{"text": f"\x1b[2Jred {at % 3} \u202e words\x07 stand here as ever"} for at in range(30)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = vg.diagnose(tmp_path / "a.jsonl", clusters=2)
    shown = [found.duplicates[0].example, *found.crowded[0].examples, *(phrase.text for phrase in found.phrases)]
    assert all(text.isprintable() for text in shown)


def test_diagnose_by_the_command_line(templated, capsys):
    arguments = ["diagnose", str(templated / "pool.jsonl"), "--reference", str(templated / "other.jsonl"), "--clusters", "3"]
    assert main([*arguments, "--json", str(templated / "out.json")]) == 0
    out = capsys.readouterr().out
    for title in ("near-duplicates", "more than their share", "covered worst", "stand in most rows", "than in the reference"):
        assert title in out
    written = json.loads((templated / "out.json").read_text(encoding="utf-8"))
    assert written["duplicates"][0]["size"] == 9
    assert main([*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": "left"}, "'side' parameter of diagnose"),
        ({"top": 0}, "'top' parameter of diagnose"),
        ({"clusters": 5000}, "5000 clusters need at least 5000 samples"),
    ],
)
def test_diagnoses_that_cannot_be(options, message):
    with pytest.raises(vg.VariegateError, match=message):
        vg.diagnose(SAMPLE, **options)
    with pytest.raises(vg.DataError, match="holds vectors only"):
        vg.diagnose(np.eye(5))


def test_the_verdict_by_the_command_line(tmp_path, capsys):
    corpus = vg.load(SAMPLE)
    copies = tmp_path / "copies.jsonl"
    corpus.take([*range(60)] * 5).write(copies)
    arguments = ["measure", str(SAMPLE), str(copies), "--metrics", "knn_distance,ngram_ratio", "--side", "response", "--quiet"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "8 draws of 150 rows of each were compared" in out
    lines = [line.split() for line in out.splitlines() if line.strip().startswith(("macro", "micro"))]
    assert [line[:5] for line in lines] == [[level, "response", str(SAMPLE), ">", str(copies)] for level in ("macro", "micro")]
    assert [sorted(line[5:]) for line in lines] == [
        sorted(["none", name, "(1", "of", "1)"]) for name in ("knn_distance", "ngram_ratio")
    ]
    target = tmp_path / "out.json"
    assert main([*arguments, "--json", str(target)]) == 0
    told = [one["comparisons"][0] for one in json.loads(target.read_text(encoding="utf-8"))]
    assert {(one["level"], one["verdict"]) for one in told} == {
        ("macro", "more"),
        ("macro", "less"),
        ("micro", "more"),
        ("micro", "less"),
    }
    capsys.readouterr()
    assert main([*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(target.read_text(encoding="utf-8"))
    assert main([*arguments, "--no-compare"]) == 0
    assert "more diverse?" not in capsys.readouterr().out
    # Draws that were asked for are those that are compared.
    assert main([*arguments, "--size-matched", "40", "--seeds", "5"]) == 0
    assert "5 draws of 40 rows of each were compared" in capsys.readouterr().out

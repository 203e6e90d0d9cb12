"""What the values of one set mean: random rows of the reference, as many, beside it."""

import json

import numpy as np
import pytest
from scipy.stats import t

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.metrics import measure, yardstick


def corpus(n: int, spread: float, seed: int, name: str) -> vg.Corpus:
    return vg.Corpus.from_vectors(np.random.default_rng(seed).normal(size=(n, 6)) * spread + 3, name)


def test_its_values_are_those_of_random_draws() -> None:
    pool, part = corpus(300, 1, 0, "pool"), corpus(40, 1, 1, "part")
    (result,) = measure(part, ["knn_distance"], reference=pool)
    (mark,) = yardstick([result], pool, rows=40, draws=6)
    drawn = [
        measure(pool.take(np.sort(np.random.default_rng(seed).choice(300, 40, replace=False))), ["knn_distance"])[0].value
        for seed in range(6)
    ]
    half = t.ppf(0.975, 5) * np.std(drawn, ddof=1) * np.sqrt(7 / 6)
    assert mark.mean == pytest.approx(np.mean(drawn), rel=1e-12)
    assert mark.interval == pytest.approx((np.mean(drawn) - half, np.mean(drawn) + half), rel=1e-9)
    assert mark.below == np.mean(np.array(drawn) < result.value)
    assert (mark.value, mark.rows, mark.draws, mark.of) == (result.value, 40, 6, "pool")


def test_verdicts_go_by_the_direction_of_the_metric() -> None:
    pool = corpus(400, 1, 0, "pool")
    for spread, expected in ((0.1, "less"), (4.0, "more")):
        results = measure(corpus(50, spread, 1, "part"), ["distsum_cosine"], reference=pool)
        assert [one.verdict for one in yardstick(results, pool, rows=50)] == [expected]
    # Less self_bleu is more diverse: the same text again and again has most of it.
    sample = vg.load(SAMPLE)
    same = vg.load([{"instruction": "Say it.", "output": "The same words, in the same order, every time."}] * 30, name="same")
    results = measure(same, ["self_bleu", "token_types"], reference=sample, side="response")
    marks = yardstick(results, sample, rows=30, draws=5, side="response")
    assert [(one.metric, one.below, one.verdict) for one in marks] == [("self_bleu", 1.0, "less"), ("token_types", 0.0, "less")]


def test_one_more_random_draw_falls_inside_about_nineteen_times_of_twenty() -> None:
    pool = corpus(500, 1, 0, "pool")
    rng = np.random.default_rng(5)
    results = [
        measure(pool.take(np.sort(rng.choice(500, 30, replace=False))), ["vendi_score"], reference=pool)[0] for _ in range(100)
    ]
    marks = yardstick(results, pool, rows=30)
    # 95 of 100 expected: 85 and fewer has a chance below one in ten thousand, but the interval is itself of 20 draws.
    assert sum(one.verdict == "usual" for one in marks) >= 85


def test_what_cannot_be_is_refused() -> None:
    pool = corpus(40, 1, 0, "pool")
    results = measure(corpus(40, 1, 1, "part"), ["knn_distance"], reference=pool)
    with pytest.raises(vg.DataError, match=r"pool: has 40 rows. A yardstick takes random draws of 40 rows"):
        yardstick(results, pool, rows=40)
    with pytest.raises(vg.ParameterError, match=r"The 'draws' parameter of yardstick must be an int of at least 3"):
        yardstick(results, pool, rows=10, draws=2)


def test_on_the_command_line(tmp_path, capsys) -> None:
    part = tmp_path / "part.jsonl"
    part.write_text("".join(SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)[:60]), encoding="utf-8")
    asked = ["measure", str(part), "--reference", str(SAMPLE), "--metrics", "knn_distance,token_entropy", "--side", "response"]
    assert main([*asked, "--yardstick", "--json", str(tmp_path / "m.json")]) == 0
    shown = capsys.readouterr().out
    assert f"Is that much? {part} beside 20 random draws of 60 rows of {SAMPLE}" in shown.replace("\n", " ")
    results = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert [(one["metric"], one["yardstick"]["of"], one["yardstick"]["rows"]) for one in results] == [
        ("knn_distance", str(SAMPLE), 60), ("token_entropy", str(SAMPLE), 60),
    ]  # fmt: skip
    for given in (asked[:2], [*asked, "--size-matched", "20"], [*asked, str(SAMPLE)], [*asked, "--curve", "auto"]):
        assert main([*given, "--yardstick"]) == 2
        assert "Give one data set and --reference, without --size-matched and --curve." in capsys.readouterr().err


def test_values_that_only_count_rows_are_left_out(tmp_path, capsys) -> None:
    rows = tmp_path / "rows.jsonl"
    distinct = list(dict.fromkeys(vg.load(SAMPLE).texts("response").to_pylist()))[:100]
    rows.write_text(
        "".join(json.dumps({"instruction": "Go on.", "response": text}) + "\n" for text in distinct), encoding="utf-8"
    )
    # Each of 100 rows is a topic of its own.
    assert main(["measure", str(rows), "--side", "response", "--metrics", "macro", "--json", str(tmp_path / "m.json")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "each is a topic of its own" in line]
    assert len(told) == 1
    left_out = told[0].removeprefix("left out: ").partition(":")[0].split(", ")
    assert left_out == ["partition_entropy", "topic_count", "topic_entropy", "topic_hill"]
    kept = {one["metric"] for one in json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))}
    assert not kept & set(left_out)
    # Who names it gets it.
    assert main(["measure", str(rows), "--side", "response", "--metrics", "topic_count", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["value"] == 100

"""Numbers that should be doubted say so: on the screen, in the result, and in JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from tests import reference
from variegate.cli import main
from variegate.metrics.doubts import doubts_of_sets, doubts_of_vectors, script_of
from variegate.viewing import Views

# Characters that LLaMA-2's vocabulary does not have, and everyday ones that it has.
ENGLISH = ["Name a river", "Bake some bread", "Why is the sky blue", "Write a poem on rain", "Sum these numbers", "Fix this loop"]
CHINESE = ["请写一首关于春天的诗歌", "如何烘焙面包", "解释光合作用的过程", "帮我修改这段代码", "推荐几本历史书籍", "怎样学好游泳"]
GREEK = ["Γράψε ένα ποίημα", "Πώς ψήνω ψωμί", "Εξήγησε το φως", "Διόρθωσε τον κώδικα", "Πες μου ένα αστείο", "Τι είναι νερό"]


def made(texts, name):
    return vg.load([{"text": f"{text} {at}"} for at in range(8) for text in texts], name=name)


@pytest.mark.parametrize(("texts", "script"), [(ENGLISH, "Latin"), (CHINESE, "Chinese"), (GREEK, "Greek"), (["12 + 3 ="], None)])
def test_the_script_of_a_set(texts, script):
    assert script_of(made(texts, "x"), "response") == script


def test_half_of_each_script_is_no_script():
    assert script_of(made(["abcd αβγδ"], "x"), "response") is None


def test_static_vectors_of_single_bytes_are_doubted():
    english, chinese = made(ENGLISH, "english"), made(CHINESE, "chinese")
    assert doubts_of_vectors(english, Views("response", "static")) == ()
    ids = chinese.tokens("response").ids
    share = np.mean([3 <= one <= 258 for one in ids.tolist()])
    assert share > 0.2
    first, *_ = doubts_of_vectors(chinese, Views("response", "static"))
    assert first.startswith(f"{share:.0%} of the tokens of chinese (response) are single bytes") and "--embedder lsa" in first
    # Vectors that are made of other things know nothing of bytes.
    assert not any("bytes" in one for one in doubts_of_vectors(chinese, Views("response", "lsa")))


@pytest.mark.parametrize(("shared", "doubted"), [(0.5, False), (2.0, True)])
def test_vectors_that_are_all_alike_are_doubted(shared, doubted):
    x = np.random.default_rng(0).normal(size=(5000, 8)) + shared
    found = doubts_of_vectors(vg.Corpus.from_vectors(x, "x"), Views())
    assert len(found) == doubted
    if doubted:
        alike = np.mean([1 - reference.cosine_distance(x[a], x[a + 1]) for a in range(0, 5000, 2)])
        # Of 2,500 pairs in place of all.
        assert float(found[0].split("cosine of ")[1].split(" ")[0]) == pytest.approx(alike, abs=0.02)


def test_sets_of_different_scripts_are_doubted():
    english, chinese, more = made(ENGLISH, "english"), made(CHINESE, "chinese"), made(ENGLISH[::-1], "more")
    assert doubts_of_sets([english, more], "response") == ()
    (doubt,) = doubts_of_sets([english, chinese, more], "response")
    assert "(english Latin, chinese Chinese, more Latin; response)" in doubt
    assert doubts_of_sets([english, vg.Corpus.from_vectors(np.eye(3), "x")], "response") == ()


def test_doubts_stand_in_results_and_in_json_and_on_the_screen(tmp_path, capsys):
    english, chinese = made(ENGLISH, "english"), made(CHINESE, "chinese")
    by_name = {
        (one.dataset, one.metric): one
        for one in vg.measure([english, chinese], ["radius", "token_types"], side="response", embedder="static")
    }
    assert [len(by_name[name, "radius"].warnings) > 1 for name in ("english", "chinese")] == [False, True]
    # The set that is not to blame does not compare either, and tokens are of another kind too.
    assert all("different scripts" in one.warnings[-1] for one in by_name.values())
    assert vg.measure(english, "radius", side="response", embedder="static")[0].warnings == ()
    for one in (english, chinese):
        one.write(tmp_path / f"{one.name}.jsonl")
    files = [str(tmp_path / f"{name}.jsonl") for name in ("english", "chinese")]
    assert (
        main(
            [
                "measure",
                *files,
                "--metrics",
                "radius",
                "--side",
                "response",
                "--embedder",
                "static",
                "--json",
                "-",
                "-q",
                "--no-compare",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    told = [line.removeprefix("warning: ") for line in err.splitlines() if line.startswith("warning: ")]
    written = [line for one in json.loads(out) for line in one["warnings"]]
    assert set(told) == set(written) and len(told) == len(set(told)) >= 2
    assert (
        main(["measure", files[0], "--metrics", "radius", "--side", "response", "--embedder", "static", "--json", "-", "-q"]) == 0
    )
    assert "warnings" not in json.loads(capsys.readouterr().out)[0]

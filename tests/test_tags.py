"""Tags of samples: from a column, or keyphrases."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from variegate.views.cache import use_cache
from variegate.views.tags import keyphrases as views
from variegate.views.tags.keyphrases import keyphrase_tags
from variegate.views.tags.tags import column_tags

COLUMN = {
    "list": (["Maths", "History"], ["maths", "history"]),
    "tuple": (("a", "b"), ["a", "b"]),
    "commas": ("maths, history,art", ["maths", "history", "art"]),
    "semicolons": ("world war;  Cold\tWar ;", ["world war", "cold war"]),
    "twice": (["a", "A ", "b"], ["a", "b"]),
    "empty": (["", " "], []),
    "empty string": ("", []),
    "null": (None, []),
    "no list": ([], []),
    "Chinese": (["数学", "历史"], ["数学", "历史"]),
}


def names(tags):
    return [[tags.names[tag] for tag in tags[row].tolist()] for row in range(len(tags))]


@pytest.mark.parametrize("shape", COLUMN)
def test_tags_of_a_column(shape):
    value, expected = COLUMN[shape]
    assert names(column_tags([["x"], value], str)) == [["x"], expected]


@pytest.mark.parametrize("value", [5, True, {"a": 1}, [1, 2], ["a", None], [["a"]]], ids=str)
def test_what_is_no_tag_is_an_error(value, tmp_path):
    rows = [{"text": "a", "tags": ["x"]}, {"text": "b", "tags": value}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(vg.DataError, match=r"a\.jsonl, line 2: tags must be a list of strings"):
        vg.measure(tmp_path / "a.jsonl", "tag_count", tags="tags")
    with pytest.raises(vg.DataError, match="lacks the field 'labels'"):
        vg.measure(tmp_path / "a.jsonl", "tag_count", tags="labels")


def test_a_tag_has_the_same_number_everywhere():
    code = "from variegate.views.tags.tags import column_tags; print(column_tags([['maths']], str).ids[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == column_tags([["a", "Maths"]], str).ids[1]


def test_a_part_has_the_tags_of_its_rows():
    tags = column_tags([["a"], ["b", "c"], [], ["d"]], str)
    assert names(tags.take(np.array([3, 1]))) == [["d"], ["b", "c"]]
    assert tags.type_counts[1].tolist() == [1, 1, 1, 1]


# --- keyphrases

TEXTS = [
    "Explain how photosynthesis works in green plants.",
    "Describe photosynthesis in plants and in algae.",
    "Write a haiku about the autumn moon.",
    "The autumn moon rises over the lake in this haiku.",
    "def quick_sort(array): return sorted(array)",
    "Sort an array with quick sort in Python, then test the array.",
    "Erkläre die Photosynthese der grünen Pflanzen.",
    "Wie gelingt den Pflanzen die Photosynthese?",
    "请解释光合作用的原理。",
    "光合作用需要阳光吗？",
    "12 34 !?",
    "",
]


def fitted(texts, fitted_on=None, **options):
    own, other = pa.chunked_array([texts]), pa.chunked_array([texts if fitted_on is None else fitted_on])
    return keyphrase_tags(own, str(texts), own if fitted_on is None else other, str(fitted_on or texts), **options)


def test_keyphrases_name_what_texts_share():
    found = names(fitted(TEXTS))
    assert "photosynthesis" in found[0]
    assert "plants" in found[1]
    assert "autumn moon" in found[2]
    assert "autumn moon" in found[3]
    assert not {"autumn", "moon"} & set(found[2])
    assert "array" in found[4]
    assert any("photosynthese" in tag for tag in found[6])
    assert "pflanzen" in found[7]
    assert {"光合", "合作", "作用"} & set(found[8]) & set(found[9])
    assert found[10:] == [[], []]
    assert all(len(row) <= 4 for row in found)


def by_definition(texts, per_text=4):
    """One text at a time, phrases as strings, the rule as the page about metrics has it; for texts of plain long words."""

    def phrases(text):
        words = text.split()
        return Counter(words) + Counter(f"{a} {b}" for a, b in itertools.pairwise(words))

    rows = [phrases(text) for text in texts]
    frequency = Counter(phrase for row in rows for phrase in row)
    limit = max(8, int(0.05 * len(texts)))
    out = []
    for row in rows:
        scores = {
            p: (1 + math.log(c)) * math.log(len(texts) / frequency[p]) for p, c in row.items() if 2 <= frequency[p] <= limit
        }
        out.append(scores)
    return out


def test_the_choice_is_the_best_by_tf_idf():
    rng = np.random.default_rng(0)
    words = [
        "river",
        "engine",
        "poem",
        "castle",
        "winter",
        "garden",
        "planet",
        "violin",
        "harbour",
        "kitchen",
        "desert",
        "island",
    ]
    texts = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(30)]
    for chosen, scores in zip(names(fitted(texts)), by_definition(texts), strict=True):
        assert all(phrase in scores for phrase in chosen)
        values = [scores[phrase] for phrase in chosen]
        assert values == sorted(values, reverse=True)
        # The best of all comes first; nothing that was left out beats the last but by sharing a word with one chosen.
        if scores:
            assert values[0] == pytest.approx(max(scores.values()))
        used = {word for phrase in chosen for word in phrase.split()}
        for phrase, score in scores.items():
            if phrase not in chosen and not used & set(phrase.split()):
                assert len(chosen) == 4
                assert score <= values[-1] + 1e-12


def test_weights_are_those_of_the_reference():
    pool = ["apple pie recipe"] * 3 + ["apple tree garden"] * 3 + ["stone bridge"] * 3
    own = ["apple pie with something unheard of", "bridge"]
    assert names(fitted(own, pool)) == [["apple pie"], ["bridge"]]


def test_rare_phrases_count_only_from_some_texts_on(monkeypatch):
    texts = ["common subject"] * 8 + ["seldom subject"] * 2 + ["violin subject"] + ["filler words here"] * 100
    # "subject" stands in more texts than a phrase may, and "violin" in fewer.
    assert [names(fitted(texts))[row] for row in (8, 10)] == [["seldom subject"], []]
    monkeypatch.setattr(views, "TEXTS_A_FEWEST", 20)
    assert "seldom" not in str(names(fitted([*texts, "x"]))[8])


@pytest.mark.parametrize("cache", [None, "off"])
def test_the_same_from_the_cache_and_without(cache):
    first = fitted(TEXTS)
    use_cache(cache)
    second = fitted(TEXTS)
    assert first.ids.tolist() == second.ids.tolist()
    assert names(first) == names(second)
    use_cache(None)


def test_a_reference_is_counted_once_for_all_the_sets_against_it(monkeypatch):
    pool = [*TEXTS, *(f"{text} autumn" for text in TEXTS)]
    expected = [names(fitted(TEXTS[at:], pool)) for at in (1, 2)]
    counted = []
    count = views._counted
    monkeypatch.setattr(views, "_counted", lambda texts: counted.append(len(texts)) or count(texts))
    assert [names(fitted(TEXTS[at:], pool)) for at in (1, 2)] == expected
    assert names(fitted(TEXTS[3:], pool)) == names(fitted(TEXTS, pool))[3:]
    assert counted == []
    # Its own keyphrases come from the same count, and are those that one reading of its texts gives.
    own = names(fitted(pool))
    assert counted == []
    use_cache("off")
    assert names(fitted(pool)) == own
    assert counted == [len(pool)]


def test_texts_without_a_phrase(monkeypatch):
    for _ in range(2):
        assert names(fitted(["", "12", "of the"])) == [[], [], []]
        assert names(fitted(["of apples"], ["", "12"])) == [[]]


def test_tag_metrics_by_the_library(tmp_path):
    rows = [{"text": text or "x", "tags": ["a", "b"] if at % 2 else ["a"]} for at, text in enumerate(TEXTS)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    count, entropy, hill = vg.measure(tmp_path / "a.jsonl", "meso", tags="tags")
    assert (count.value, count.params) == (2, {"tags": "tags"})
    assert entropy.value == pytest.approx(-(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3)))
    assert hill.value == pytest.approx(2**entropy.value)
    (phrases,) = vg.measure(tmp_path / "a.jsonl", "tag_count")
    assert phrases.params == {"tags": "keyphrases", "fitted_on": str(tmp_path / "a.jsonl")}
    (part,) = vg.measure(tmp_path / "a.jsonl", "tag_count", size_matched=3)
    assert part.value < phrases.value

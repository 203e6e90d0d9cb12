"""Names for the spellings and near-synonyms of tags, by hand, by a slow counterpart, and on the sample."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE, SHARED
from variegate.views.tags import names as tag_names
from variegate.views.tags.names import SIMILARITY, fit_names, same_spelling, spelled
from variegate.views.tags.tags import column_tags, normalized, tags_of_rows


def names(tags):
    return [[tags.names[tag] for tag in tags[row].tolist()] for row in range(len(tags))]


def fitted(rows, fewest=1):
    return fit_names(tags_of_rows(rows)).kept(fewest, "normalized:x", "pool")


def called(rows, fewest=1, by=None):
    return names(fitted(by or rows, fewest).applied(tags_of_rows(rows), "pool"))


SPELLINGS = {
    "Creative-Writing": "creative writing",
    "  question/answering!! ": "question answering",
    "C++": "c++",
    "c#": "c#",
    "naïve Bayes": "naïve bayes",
    "数学、历史": "数学 历史",
    "हिन्दी": "हिन्दी",
    "ＰＹＴＨＯＮ": "python",
    "snake_case": "snake case",
    "&!?": "",
}


@pytest.mark.parametrize("tag", SPELLINGS)
def test_special_characters_become_spaces(tag):
    assert spelled(tag) == SPELLINGS[tag]
    assert spelled(spelled(tag)) == spelled(tag)


def test_stems():
    for group in (
        ("story-telling", "Story telling", "stories tell"),
        ("summary", "summaries"),
        ("translation", "translate", "translating"),
    ):
        assert len({same_spelling(tag) for tag in group}) == 1
    for group in (("c", "c++", "c#"), ("java", "javascript"), ("maths", "history")):
        assert len({same_spelling(tag) for tag in group}) == len(group)


def test_a_worked_example():
    rows = [
        ["story writing", "film"], ["Story-Writing", "movie"], ["writing a story", "movie review"], ["movies"],
        ["story writing", "movie"], ["zebra"], ["!!"], [],
    ]  # fmt: skip
    # Story-Writing is spelled like story writing, movies like movie; "writing a story" means nearly the same (0.996).
    # "film" is near "movie" (0.839), but not near enough.
    assert called(rows) == [
        ["story writing", "film"], ["story writing", "movie"], ["story writing", "movie review"], ["movie"],
        ["story writing", "movie"], ["zebra"], [], [],
    ]  # fmt: skip
    found = fitted(rows, 2)
    assert dict(zip(found.names, found.rows.tolist(), strict=True)) == {
        "story writing": 4, "movie": 3, "film": 1, "movie review": 1, "zebra": 1,
    }  # fmt: skip
    # Rare spellings are saved by their group: writing a story stands in one row, its name in four.
    assert called(rows, 2)[2] == ["story writing"]
    assert called(rows, 2)[5] == []


def test_a_group_is_called_by_its_most_frequent_spelling():
    rows = [["Summaries"]] * 2 + [["summary"]] * 3 + [["SUMMARY"]] * 2
    assert {tag for row in called(rows) for tag in row} == {"summary"}
    assert called([["tales"]] * 2 + [["tale"]] * 2)[0] == ["tale"], "the first by name where rows are equal"


def test_a_row_has_each_name_once_and_counts_once():
    rows = [["summary", "Summaries", "summary!"]] * 3 + [["x", "summary"]]
    assert called(rows) == [["summary"]] * 3 + [["x", "summary"]]
    assert fitted(rows).rows.tolist() == [4, 1]


def by_definition(rows, fewest):
    """Step by step, a tag at a time, in plain Python."""
    carriers: dict[str, set[int]] = {}
    forms: dict[str, Counter[str]] = {}
    for at, row in enumerate(rows):
        for tag in row:
            if stem := same_spelling(tag):
                carriers.setdefault(stem, set()).add(at)
                forms.setdefault(stem, Counter())[spelled(tag)] += 1
    shown = {stem: min(counts, key=lambda form: (-counts[form], form)) for stem, counts in forms.items()}
    order = sorted(carriers, key=lambda stem: (-len(carriers[stem]), shown[stem]))
    vectors = dict(zip(order, tag_names._vectors([shown[stem] for stem in order]).astype(np.float64), strict=True))
    heads: list[str] = []
    name_of: dict[str, str] = {}
    for stem in order:
        near = [(float(vectors[stem] @ vectors[head]), -at) for at, head in enumerate(heads)]
        best = max(near, default=(0.0, 0))
        if best[0] >= SIMILARITY:
            name_of[stem] = heads[-best[1]]
            carriers[name_of[stem]] = carriers[name_of[stem]] | carriers[stem]
        else:
            heads.append(stem)
            name_of[stem] = stem
    out = []
    for row in rows:
        stems = [name_of[same_spelling(tag)] for tag in row if same_spelling(tag)]
        out.append(list(dict.fromkeys(shown[stem] for stem in stems if len(carriers[stem]) >= fewest)))
    return out


@pytest.fixture(scope="module")
def sample():
    return vg.load(SAMPLE)


@pytest.fixture
def phrases(sample):
    return names(sample.tags("both", "keyphrases", sample))


WORDS = [
    "story",
    "writing",
    "math",
    "problem",
    "python",
    "function",
    "movie",
    "music",
    "review",
    "food",
    "health",
    "travel",
    "the",
]


def drawn(n=120, seed=0):
    rng = np.random.default_rng(seed)
    return [[" ".join(rng.choice(WORDS, rng.integers(1, 4))) + rng.choice(["", "s", "!"]) for _ in range(3)] for _ in range(n)]


@pytest.mark.parametrize("block", [1, 7, 1024])
@pytest.mark.parametrize("fewest", [1, 4])
def test_the_same_as_step_by_step(block, fewest, phrases, monkeypatch):
    monkeypatch.setattr(tag_names, "BLOCK", block)
    for rows in (drawn(), phrases):
        assert called(rows, fewest) == by_definition(rows, fewest)
    merged = [row for row in called(drawn()) if row]
    assert len({tag for row in merged for tag in row}) < len({same_spelling(tag) for row in drawn() for tag in row})


@pytest.mark.parametrize("fewest", [1, 2, 5])
def test_normalised_tags_stay_as_they_are(fewest, phrases):
    for rows in (drawn(), phrases):
        once = called(rows, fewest)
        assert called(once, fewest) == once
        assert all(len(set(row)) == len(row) for row in once)


def test_names_are_never_near_each_other():
    found = fitted(drawn())
    near = found.vectors @ found.vectors.T - 2 * np.eye(len(found.names))
    assert near.max() < SIMILARITY


def test_the_order_of_rows_does_not_matter(phrases):
    for rows in (drawn(), phrases):
        order = np.random.default_rng(1).permutation(len(rows))
        shuffled = called([rows[at] for at in order], 2)
        whole = called(rows, 2)
        assert shuffled == [whole[at] for at in order]


def test_a_part_has_the_names_of_its_pool(sample):
    pool = sample
    tags = "normalized@3:keyphrases"
    whole = names(pool.tags("both", tags, pool))
    assert sum(map(bool, whole)) > 150
    rows = [5, 300, 17, 17, 399]
    expected = [whole[row] for row in rows]
    assert names(pool.take(rows).tags("both", tags, pool)) == expected
    # And so it has if it was read from a file of its own, whatever it would be called by itself.
    part = vg.load([json.loads(json.dumps(row)) for row in pool.take(rows).rows()])
    assert names(part.tags("both", tags, pool)) == expected
    with pytest.raises(vg.DataError, match="would drop all"):
        part.tags("both", "normalized:keyphrases", part)


def test_tags_that_the_pool_lacks_join_its_nearest_name():
    pool = [["story writing"]] * 5 + [["blog"]] * 2
    found = fitted(pool, 3)
    own = tags_of_rows([["Story Writings", "writing a story", "quantum physics", "blogs", "blog post"]])
    # Another spelling, a near-synonym; then what is unheard of, and what is called by a name that was dropped.
    assert names(found.applied(own, "part")) == [["story writing"]]


def test_words_that_are_known_by_pieces_are_told_by_spelling_alone():
    rows = [["trump"], ["trumpet"], ["march 4th"], ["march 14th"], ["数学"], ["历史"], ["地理"], ["hungary"], ["hung"]]
    assert called(rows) == rows


def test_if_nothing_is_left_the_error_says_the_way_out(tmp_path):
    with pytest.raises(
        vg.DataError, match=r"pool: no tag of x stands in 20 rows, the most frequent in 5, .* with normalized@2:x\."
    ):
        fitted([["a"]] * 5 + [["b"]], 20)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "tags": []}\n' * 3, encoding="utf-8")
    with pytest.raises(vg.DataError, match=r"a\.jsonl: no tag of tags stands in 2 rows, .*There are no tags at all"):
        vg.measure(tmp_path / "a.jsonl", "tag_count", tags="normalized@2:tags")


FORMS = {
    "normalized:keyphrases": ("keyphrases", 20),
    "normalized@5:keyphrases": ("keyphrases", 5),
    "normalized@1:llm:a/b:c@http://h:1/v1": ("llm:a/b:c@http://h:1/v1", 1),
    "normalized:my column": ("my column", 20),
}


def test_how_they_are_spelled():
    for text, (source, fewest) in FORMS.items():
        found = normalized(text)
        assert found is not None
        assert (found.source, found.fewest_rows) == (source, fewest)
    for text in ("keyphrases", "tags", "llm:m@http://normalized:5/v1", "normality"):
        assert normalized(text) is None
    for text in ("normalised:tags", "normalised@3:tags", "normalized", "normalized@3"):
        with pytest.raises(vg.ParameterError, match="Spell them normalized:TAGS or normalized@MIN:TAGS"):
            normalized(text)
    for text in ("normalized:", "normalized@3:", "normalized:normalized:tags"):
        with pytest.raises(vg.ParameterError, match="must name what is normalised"):
            normalized(text)
    for text in ("normalized@0:tags", "normalized@:tags", "normalized@x:tags", "normalized@-2:tags", "normalized@1.5:tags"):
        with pytest.raises(vg.ParameterError, match=r"'MIN' .* must be a number of rows of at least 1"):
            normalized(text)


def test_where_tags_are_named(tmp_path):
    rows = [{"text": f"text {at}", "tags": [["Stories", "maths"], ["story"], ["a story"]][at % 3]} for at in range(30)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (plain,) = vg.measure(path, "tag_count", tags="tags")
    (found,) = vg.measure(path, "tag_count", tags="normalized@10:tags")
    assert (plain.value, found.value) == (4, 3)
    assert found.params == {"tags": "normalized@10:tags", "fitted_on": str(path)}
    chosen = vg.select(path, 6, "meso", tags="normalized@10:tags")
    assert chosen.params["k_max"] == 3
    assert chosen.params["tags"] == "normalized@10:tags"


def test_the_main_pool(monkeypatch):
    path = SHARED / "data" / "pool.parquet"
    if not path.is_file():
        pytest.skip("the pool is not beside this checkout")
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["instruction"]).slice(0, 4000)
    pool = vg.load(table.rename_columns(["text"]))
    plain, found = (pool.tags("response", tags, pool) for tags in ("keyphrases", "normalized@5:keyphrases"))
    assert 100 < len(found.type_counts[0]) < 0.7 * len(plain.type_counts[0])
    assert found.type_counts[1].min() >= 5


# --- columns in the shapes in which they come

SHAPES = {
    "JSON in a string": '["Maths", "World, history"]',
    "Python in a string": "['Maths', 'World, history']",
    "InsTag's own": [{"tag": "Maths", "explanation": "of numbers"}, {"tag": "World, history", "explanation": ""}],
    "InsTag's own in a string": '[{"tag": "Maths"}, {"tag": "World, history"}]',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_columns_of_tags(shape):
    assert names(column_tags([SHAPES[shape]], str)) == [["maths", "world, history"]]


def test_a_bracket_is_no_list():
    assert names(column_tags(["[draft] a, b]", "[1, 2", "[[], a"], str)) == [["[draft] a", "b]"], ["[1", "2"], ["[[]", "a"]]
    for wrong in ("[1, 2]", '[{"label": "a"}]', "[null]", "[['a']]"):
        with pytest.raises(vg.DataError, match=r"line 0: tags must be a list of strings"):
            column_tags([wrong], "line {}".format)

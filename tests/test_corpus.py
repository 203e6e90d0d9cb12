"""A corpus: the hash of its texts, and parts that take their views along."""

from __future__ import annotations

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.sources import PAIRS, put

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("size", [1, 7, 399, 400, 401])
def test_the_hash_of_texts_does_not_depend_on_how_they_are_chunked(size, monkeypatch):
    whole = {side: vg.load(SAMPLE).text_digest(side) for side in ("instruction", "response", "both")}
    assert len(set(whole.values())) == 3
    monkeypatch.setattr("variegate.loading.CHUNK", size)
    pool = vg.load(SAMPLE)
    assert {side: pool.text_digest(side) for side in whole} == whole
    assert pool.take(range(400)).text_digest("both") == whole["both"]
    assert pool.take(range(399)).text_digest("both") != whole["both"]
    assert pool.take([1, 0, *range(2, 400)]).text_digest("both") != whole["both"]


def test_the_hash_of_texts_knows_where_one_ends_but_not_their_file():
    texts = {
        name: vg.load(put("a.jsonl", [{"text": text} for text in rows])).text_digest("both")
        for name, rows in {"one": ["ab", "c"], "two": ["a", "bc"], "three": ["abc"], "four": ["c", "ab"]}.items()
    }
    assert len(set(texts.values())) == 4
    pool = vg.load(put("a.jsonl"))
    for name in ("a.csv", "a.parquet", "a.json.gz"):
        pool.write(name)
        assert vg.load(name).text_digest("both") == pool.text_digest("both")


def test_a_part_takes_its_views_along(monkeypatch):
    pool = vg.load(SAMPLE)
    x, words = {side: pool.vectors(side, "static") for side in ("both", "response")}, pool.tokens("response", "words")

    def refuse(*arguments):
        raise AssertionError("built anew")

    monkeypatch.setattr("variegate.views.embed.embed_texts", refuse)
    monkeypatch.setattr("variegate.views.tokens.tokenize_texts", refuse)
    rows = [9, 3, 3, 399]
    part = pool.take(rows, name="part")
    assert (part.name, len(part), part.numbers.tolist()) == ("part", 4, rows)
    for side, vectors in x.items():
        np.testing.assert_array_equal(part.vectors(side, "static"), vectors[rows])
    assert [part.tokens("response", "words")[at].tolist() for at in range(4)] == [words[row].tolist() for row in rows]
    smaller = part.take([3, 0])
    np.testing.assert_array_equal(smaller.vectors(embedder="static"), x["both"][[399, 9]])
    assert smaller.tokens("response", "words")[1].tolist() == words[9].tolist()
    with pytest.raises(AssertionError, match="built anew"):
        part.vectors("instruction", "static")
    tags, topics = pool.tags("both", "keyphrases", pool), pool.topics("both", "kmeans:9", "static", pool)
    monkeypatch.setattr("variegate.views.tags.keyphrases.keyphrase_tags", refuse)
    monkeypatch.setattr("variegate.views.topics.cluster_labels", refuse)
    part = pool.take(rows)
    assert part.topics("both", "kmeans:9", "static", pool).tolist() == topics[rows].tolist()
    assert [part.tags("both", "keyphrases", pool)[at].tolist() for at in range(4)] == [tags[row].tolist() for row in rows]
    # Fitted on itself, a part has tags of its own.
    with pytest.raises(AssertionError, match="built anew"):
        part.tags("both", "keyphrases", part)
    given = vg.Corpus.from_vectors(np.arange(12.0).reshape(4, 3) + 1)
    given.vectors()
    np.testing.assert_array_equal(given.take([2, 0]).vectors(), [[7, 8, 9], [1, 2, 3]])


def test_a_part_is_the_same_as_its_rows_alone():
    pool = vg.load(SAMPLE)
    rows = [9, 3, 3]
    part = pool.take(rows)
    assert part.rows() == [pool.rows()[row] for row in rows]
    assert part.column("id") == [pool.column("id")[row] for row in rows]
    part.write("part.jsonl")
    alone = vg.load("part.jsonl")
    for side in ("instruction", "response", "both"):
        assert part.texts(side).to_pylist() == alone.texts(side).to_pylist()
        assert part.text_digest(side) == alone.text_digest(side)
        np.testing.assert_array_equal(part.vectors(side), alone.vectors(side))
        np.testing.assert_array_equal(part.tokens(side).ids, alone.tokens(side).ids)


def test_clusters_are_those_of_the_corpus_that_they_are_fitted_on():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) * 9
    # Arrays have no names of their own: both references are called "vectors".
    references = [vg.Corpus.from_vectors(rng.normal(size=(60, 4)) * scale) for scale in ([9, 1, 1, 1], [1, 1, 1, 9])]
    used_twice = vg.Corpus.from_vectors(x)
    for reference in references:
        alone = vg.Corpus.from_vectors(x).topics("both", "kmeans:3", "static", reference)
        np.testing.assert_array_equal(used_twice.topics("both", "kmeans:3", "static", reference), alone)


def test_columns_come_in_the_order_of_the_rows():
    put("a.jsonl", PAIRS[:3])
    put("b.jsonl", PAIRS[3:])
    assert vg.load(["a.jsonl", "b.jsonl"]).take([6, 0, 4, 1]).column("n") == ["6", "0", "4", "1"]

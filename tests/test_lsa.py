"""Latent semantic analysis: its vectors against plain matrices, and the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import variegate as vg
from tests import reference
from tests.conftest import SAMPLE
from tests.fits import TRADES, forget_fits, made_up, mean_cosine
from variegate.views import embed
from variegate.views.lsa import fit as lsa_fit
from variegate.views.lsa import grams as lsa_grams
from variegate.views.lsa.names import fit_lsa


@pytest.fixture(autouse=True)
def no_fits() -> Iterator[None]:
    """Begin and end without fits in memory."""
    forget_fits()
    yield
    forget_fits()


def token_lists(corpus: vg.Corpus, side: Any = "both") -> list[list[int]]:
    tokens = corpus.tokens(side)
    return [tokens[row].tolist() for row in range(len(tokens))]


def distinct_tokens(corpus: vg.Corpus) -> list[list[int]]:
    return [list(text) for text in dict.fromkeys(map(tuple, token_lists(corpus)))]


def test_hashes_are_those_of_splitmix64():
    # The first outputs of the published generator from these states.
    found = lsa_grams.scattered(np.array([0, 1], np.uint64))
    assert found.tolist() == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1]


@pytest.mark.parametrize("side", ["both", "response"])
@pytest.mark.parametrize(("dimensions", "most"), [(256, 1 << 16), (8, 1 << 16), (8, 900)])
def test_vectors_are_those_of_whole_matrices(side, dimensions, most, monkeypatch):
    # As many directions as there are texts leave nothing to turn towards: the subspace is the whole of it.
    monkeypatch.setattr(lsa_fit, "SPARE", 1000)
    monkeypatch.setattr(lsa_fit, "MOST_GRAMS", most)
    pool = vg.load(SAMPLE).take(np.arange(0, 400, 5))
    ours = pool.vectors(side, f"lsa:{dimensions}")
    plain = reference.lsa(distinct_tokens(pool), token_lists(pool, side), dimensions, most)
    assert (ours.dtype, ours.shape) == (np.float32, plain.shape)
    np.testing.assert_allclose(ours @ ours.T, plain @ plain.T, atol=2e-4)
    if dimensions == 8:
        np.testing.assert_allclose(ours, plain, atol=2e-3)


def test_few_turns_capture_nearly_what_a_decomposition_does():
    pool, one = vg.load(SAMPLE), One()
    rows, _ = fit_lsa(pool, 1).weighed(lsa_grams.grams_of(pool.tokens("both"), 0, 400, one))
    leading = lsa_fit.leading_directions(rows, 32, one).astype(np.float64)
    assert np.abs(leading.T @ leading - np.eye(32)).max() < 1e-5
    largest = np.abs(leading).argmax(axis=0)
    assert (leading[largest, np.arange(32)] > 0).all()
    best = np.linalg.eigvalsh((rows @ rows.T).toarray().astype(np.float64))[::-1][:32]
    captured = np.square(rows @ leading).sum(axis=0)
    # No k directions capture more than the k leading ones.
    assert (np.cumsum(captured) < np.cumsum(best) * 1.0001).all()
    assert captured[0] > 0.999 * best[0] and captured.sum() > 0.9 * best.sum()


class One:
    """One thread."""

    def each(self, function: Any, parts: Any) -> Any:
        return map(function, parts)


def test_the_same_bytes_whatever_the_threads_and_blocks(monkeypatch):
    vg.use_cache("off")

    def made() -> tuple[str, bytes]:
        forget_fits()
        pool = vg.load(SAMPLE)
        return pool.made_by("lsa")["lsa_fit"], pool.vectors("instruction", "lsa").tobytes()

    expected = made()
    assert made() == expected
    for threads, rows, shard in ((1, 2048, 8192), (2, 37, 90), (2, 1, 1)):
        monkeypatch.setattr(lsa_grams, "BLOCK", 1000 * rows)
        monkeypatch.setattr(lsa_fit, "BLOCK_ROWS", rows if rows > 1 else 1000)
        monkeypatch.setattr(lsa_fit, "SHARD_ROWS", shard if shard > 1 else 400)
        monkeypatch.setattr(embed, "LSA_SHARD_ROWS", shard if shard > 1 else 7)
        with threadpool_limits(threads, user_api="blas"):
            assert made() == expected


def test_a_text_without_tokens_has_no_direction(tmp_path):
    rows = [{"instruction": text, "response": "b c"} for text in ("a b", "", "c d")]
    with pytest.raises(vg.DataError, match=r"instruction side: the vectors of row 2 are zero.*there is no text on this side"):
        vg.load(rows).vectors("instruction", "lsa")
    assert vg.load(rows).vectors("both", "lsa").shape[0] == 3


@pytest.mark.parametrize("language", ["zh", "ar", "hi"])
def test_other_scripts_spread_out_more_than_with_static(language):
    pool = vg.load(SAMPLE)
    at = [row for row, data in enumerate(pool.rows()) if data["language"] == language]
    spread, static = pool.vectors("both", "lsa")[at], pool.vectors("both", "static")[at]
    assert len(at) >= 3 and np.isfinite(spread).all()
    assert mean_cosine(spread) < mean_cosine(static) - 0.04


def test_tokens_that_the_fit_does_not_know_have_directions_of_their_own(tmp_path, told):
    english = vg.load([{"text": f"the {word} of the {word}"} for trade in TRADES for word in trade.split()])
    fit_lsa(english).save(tmp_path / "english.lsa")
    told.clear()
    texts = ["停车场里汽车", "请把王之涣的", "停车场里汽车", "बारिश इतनी कम", "لماذا ينحسر البحر"]
    vectors = vg.load([{"text": text} for text in texts]).vectors("both", f"lsa:{tmp_path / 'english.lsa'}")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    others = vectors[[0, 1, 3, 4]]
    assert mean_cosine(others) < 0.5
    (note,) = told
    assert "of the tokens are in none of the texts that lsa was fitted on" in note


def test_a_few_texts_in_another_script_are_not_all_alike(monkeypatch):
    english = [{"text": row["instruction"]} for row in made_up(300, 1)]
    others = [{"text": text} for text in ("停车场里有几辆汽车。", "请把王之涣的诗抄一遍。", "水为什么会结冰？", "我想学做面包。")]

    def near(left: float) -> float:
        monkeypatch.setattr(lsa_fit, "LEFT", left)
        forget_fits()
        return mean_cosine(vg.load(english + others).vectors("both", "lsa:4")[300:])

    assert near(0) > 0.9
    assert near(0.25) < 0.6


def test_half_precision_is_that_of_the_same_vectors():
    whole = vg.load(SAMPLE).vectors("both", "lsa:64")
    half = vg.load(SAMPLE, vector_storage="float16").vectors("both", "lsa:64")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, whole.astype(np.float16))

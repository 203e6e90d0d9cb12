"""The static embedder, against the library whose table it reads."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.embedding import TEXTS, corpus_of
from variegate.views import embed, tokens


def test_static_vectors_are_those_of_wordllama(tmp_path, monkeypatch):
    # The package sets up the root logger when it is imported, which is why variegate reads its files instead.
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    import wordllama

    theirs = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    ours = corpus_of(TEXTS, tmp_path).vectors(embedder="static")
    assert (ours.dtype, ours.shape) == (np.float32, (5, 256))
    np.testing.assert_allclose(ours, theirs.embed(TEXTS, norm=True), atol=1e-6)
    pool = vg.load(SAMPLE)
    for side in ("instruction", "response"):
        texts = pool.texts(side).to_pylist()
        np.testing.assert_allclose(pool.vectors(side, "static"), theirs.embed(texts, norm=True), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(pool.vectors(side, "static"), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("vector_rows", "token_rows", "batch_rows"), [(7, 11, 3), (1, 400, 1), (399, 1, 400)])
def test_static_vectors_do_not_depend_on_shards(vector_rows, token_rows, batch_rows, monkeypatch):
    whole = np.array(vg.load(SAMPLE).vectors(embedder="static"))
    vg.use_cache("off")
    monkeypatch.setattr(embed, "STATIC_SHARD_ROWS", vector_rows)
    monkeypatch.setattr(tokens, "SHARD_ROWS", token_rows)
    monkeypatch.setattr(tokens, "BATCH_ROWS", batch_rows)
    np.testing.assert_array_equal(vg.load(SAMPLE).vectors(embedder="static"), whole)


def test_static_vectors_do_not_depend_on_the_other_rows(tmp_path):
    together = corpus_of(TEXTS, tmp_path).vectors(embedder="static")
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(corpus_of([text], tmp_path).vectors(embedder="static")[0], vector)


def test_importing_wordllama_is_not_needed(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "wordllama"]:
        monkeypatch.delitem(sys.modules, name)
    corpus_of(TEXTS, tmp_path).vectors(embedder="static")
    assert "wordllama" not in sys.modules


def test_a_text_without_tokens_has_no_direction(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text(
        "".join(json.dumps({"instruction": text, "response": "b"}) + "\n" for text in ("a", "", "c", "")), encoding="utf-8"
    )
    with pytest.raises(
        vg.DataError, match=r"pool\.jsonl, instruction side: the vectors of rows 2, 4 are zero.*there is no text on this side"
    ):
        vg.load(path).vectors("instruction")
    assert vg.load(path).vectors("both").shape == (4, 256)

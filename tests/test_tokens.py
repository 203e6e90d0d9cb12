"""Token ids: the library's own, and words that mean the same in every process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from variegate.views.tokens import Tokens, tokenize_texts, wordllama_file

TEXTS = ["Hello world", "", "你好，世界。\nZweite Zeile", "emoji 🦙 and  two spaces", "<s> is plain text?"]


def chunked(texts, size: int = 2) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts[at : at + size], pa.large_string()) for at in range(0, len(texts), size)])


def test_llama2_is_the_bpe_without_special_tokens(monkeypatch):
    from tokenizers import Tokenizer

    monkeypatch.setattr("variegate.views.tokens.SHARD_ROWS", 3)
    monkeypatch.setattr("variegate.views.tokens.BATCH_ROWS", 2)
    plain = Tokenizer.from_file(str(wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json")))
    tokens = tokenize_texts(chunked(TEXTS), "llama2", "x")
    assert len(tokens) == len(TEXTS)
    for at, text in enumerate(TEXTS):
        assert tokens[at].tolist() == plain.encode(text, add_special_tokens=False).ids
    assert tokens.lengths[1] == 0


def test_words_are_split_at_white_space_with_case_kept():
    tokens = tokenize_texts(chunked(["The the  cat\n", "cat The", ""]), "words", "x")
    assert tokens.lengths.tolist() == [3, 2, 0]
    the, lower, cat = tokens[0].tolist()
    assert len({the, lower, cat}) == 3
    assert tokens[1].tolist() == [cat, the]


def test_words_have_the_same_ids_in_every_process():
    code = "from variegate.views.tokens import _word_id; print(_word_id('cat'), _word_id('Katze'))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_tokenizer_by_file_and_by_folder(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for name in (tmp_path, tmp_path / "tokenizer.json"):
        # The tokenizer's own truncation is for training, not for counting.
        assert tokenize_texts(chunked(["a b c a"]), str(name), "x")[0].tolist() == [1, 2, 0, 1]


def test_a_name_that_cannot_be_had_is_an_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(vg.DataError, match="nobody/nothing: no tokenizer could be loaded"):
        tokenize_texts(chunked(["a"]), "nobody/nothing", "x")


def test_take_against_plain_lists():
    lists = [[1, 2, 3], [], [4], [5, 6]]
    tokens = Tokens.from_lists(lists)
    for rows in ([], [3, 0], [1, 1], [2, 3, 0, 1]):
        taken = tokens.take(np.array(rows, np.int64))
        assert [taken[at].tolist() for at in range(len(taken))] == [lists[row] for row in rows]

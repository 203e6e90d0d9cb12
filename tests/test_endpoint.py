"""An embeddings endpoint that misbehaves: what is asked again, what is kept, what ends in an error."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.embedding import corpus_of
from variegate.views import endpoint


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
    assert len(server.requests) == 8
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
    kept = [path for path in Path(os.environ["VARIEGATE_CACHE"]).rglob("*") if path.is_file()]
    assert kept and all(b"secret" not in path.read_bytes() for path in kept)
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

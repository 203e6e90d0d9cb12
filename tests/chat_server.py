"""A chat model on this machine that misbehaves on purpose, and keeps a log of what it was asked."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(content: str | None, reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Return a chat completion with one choice."""
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content, **message}}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def tags_for(text: str) -> list[str]:
    """Return what the model says of a text when all is well."""
    return [f"subject {len(text) % 5}", f"words {len(text.split())}"]


def text_to_tag(body: dict[str, Any]) -> str:
    """Return the text that a request wants tags for."""
    content = body["messages"][-1]["content"]
    text: str = json.loads(content[content.rindex('{"text": ') :])["text"]
    return text


def comparison(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a request wants to have compared."""
    content = body["messages"][-1]["content"]
    found: dict[str, Any] = json.loads(content[content.index('{"before": ' if '{"before": ' in content else '{"turns": ') :])
    return found


GOOD = json.dumps({"tags": ["a", "b"]})
# How an answer can be bad though it comes with status 200: what is sent.
BAD_ANSWERS: dict[str, Any] = {
    "malformed": completion('{"tags": ["a", '),
    "no JSON": completion("Sure! The tags are maths and history."),
    "a list": completion('["a", "b"]'),
    "another key": completion('{"labels": ["a"]}'),
    "a key too many": completion('{"tags": ["a"], "note": "b"}'),
    "tags a string": completion('{"tags": "a, b"}'),
    "tags numbers": completion('{"tags": [1, 2]}'),
    "tags nested": completion('{"tags": [["a"]]}'),
    "no tags": completion('{"tags": []}'),
    "too many": completion(json.dumps({"tags": [f"t{at}" for at in range(9)]})),
    "empty tag": completion('{"tags": ["a", " "]}'),
    "only signs": completion('{"tags": ["!?"]}'),
    "an essay": completion(json.dumps({"tags": ["word " * 30]})),
    "control characters": completion(json.dumps({"tags": ["a\x00b"]})),
    "half a character": completion('{"tags": ["\\ud800"]}'),
    "empty": completion(""),
    "null": completion(None),
    "a refusal": completion(None, refusal="I cannot help with that."),
    "filtered": completion(GOOD, "content_filter"),
    "cut": completion('{"tags": ["a', "length"),
    "no choices": {**completion(""), "choices": []},
    "choices null": {**completion(""), "choices": None},
    "another object": {"error": {"message": "overloaded"}},
    "a bare list": [],
    "a bare null": None,
    "a web page": "<html>Welcome</html>",
    "deep": completion("[" * 100_000),
}


class ChatServer:
    """The server. `trouble` says how the next requests go wrong, `stubborn` which texts never get a good answer.

    Attributes:
        asked: how often each text was answered with a status of 200.
        requests: bodies, headers and paths of all requests.
        most_at_once: the largest number of requests under way together.
        refuse: says for a body what of it the server refuses with status 400, or None.
        subject: from a body to the text that `stubborn` and `asked` go by.
        says: from a body to what the model says when all is well.
        hold_after: answers no more after so many good answers, as if it thought for ever.
    """

    def __init__(self) -> None:
        self.asked: collections.Counter[str] = collections.Counter()
        self.requests: list[dict[str, Any]] = []
        self.trouble: list[str] = []
        self.stubborn: dict[str, str] = {}
        self.refuse: Callable[[dict[str, Any]], str | None] = lambda body: None
        self.subject: Callable[[dict[str, Any]], str] = text_to_tag
        self.says: Callable[[dict[str, Any]], str] = lambda body: json.dumps({"tags": tags_for(text_to_tag(body))})
        self.delay = 0.0
        self.hold_after: int | None = None
        self.now = self.most_at_once = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.now += 1
                    outer.most_at_once = max(outer.now, outer.most_at_once)
                try:
                    outer.answer(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer.lock:
                        outer.now -= 1

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.name = f"llm:m@{self.url}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        text = self.subject(body)
        with self.lock:
            trouble = self.stubborn.get(text) or (self.trouble.pop(0) if self.trouble else "")
            self.requests.append({"path": handler.path, "key": handler.headers["Authorization"], "text": text, **body})
        time.sleep(self.delay)
        refusal = self.refuse(body)
        if refusal is not None:
            self.send(handler, 400, {"error": {"message": refusal}})
        elif trouble == "429 later":
            self.send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"})
        elif trouble.isdigit():
            self.send(handler, int(trouble), {"error": {"message": "no"}})
        elif trouble == "hang up":
            handler.close_connection = True
        elif trouble == "too slow":
            self.released.wait(5)
        elif trouble in BAD_ANSWERS:
            self.send(handler, 200, BAD_ANSWERS[trouble])
        else:
            self.send_good(handler, text, self.says(body), cut=trouble == "cut off")

    def send_good(self, handler: BaseHTTPRequestHandler, text: str, said: str, cut: bool) -> None:
        with self.lock:
            if self.hold_after is not None and sum(self.asked.values()) >= self.hold_after:
                held = True
            else:
                held = False
                self.asked[text] += 1
        if held:
            self.released.wait(30)
            return
        self.send(handler, 200, completion(said), cut=cut)

    @staticmethod
    def send(
        handler: BaseHTTPRequestHandler, status: int, whole: Any, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        content = whole.encode() if isinstance(whole, str) else json.dumps(whole).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "text/html" if isinstance(whole, str) else "application/json")
        handler.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if cut else content)
        handler.close_connection = handler.close_connection or cut

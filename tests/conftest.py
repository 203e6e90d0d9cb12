"""What every test shares: the folders of outside data, and a cache of its own."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.chat_server import ChatServer, comparison
from tests.judging import better
from variegate import progress
from variegate.choices import from_defaults
from variegate.using import use
from variegate.views import cache
from variegate.views.asking import answers
from variegate.views.asking import questions as asking

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
SAMPLE = ROOT / "examples" / "sample.jsonl"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Read by libraries when they are imported: what they would ask of the Hub, they look for in its cache.
os.environ["HF_HUB_OFFLINE"] = "1"


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip a test where packages of an extra are not installed, and say which."""
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test an empty cache, and no choice left over from another."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
    with from_defaults():
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, and return it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine: a test that needs one fails, and says where it wanted to go."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
                pytest.fail(f"a test wanted to reach {address[0]}, and tests have no network")
            return plain(self, address)

        return call

    def looked_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host and host not in LOOPBACK:
            pytest.fail(f"a test wanted to look up {host}, and tests have no network")
        return getaddrinfo(host, *arguments, **options)

    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", guarded(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))


@pytest.fixture(scope="session")
def oracle() -> dict[str, Any]:
    """Values for the vectors of the oracle folder, computed elsewhere."""
    folder = SHARED / "oracles" / "vectors"
    if not folder.is_dir():
        pytest.skip("the oracles are not beside this checkout")
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return {"subset": np.load(folder / "subset.npy"), "reference": np.load(folder / "reference.npy"), **expected}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """Start a chat model that the test can make misbehave, and let the client lose no time over it."""
    pytest.importorskip("openai")
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", asking.REQUESTS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.002)
    monkeypatch.setattr(answers, "POLL_SECONDS", 0.01)
    running = ChatServer()
    yield running
    running.stop()


@pytest.fixture
def judge(server: ChatServer) -> ChatServer:
    """Have that model judge: of two answers, the one with more plus signs."""
    server.subject = lambda body: json.dumps(comparison(body))
    server.says = lambda body: json.dumps({"reasons": "so", "verdict": better(comparison(body))})
    return server


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have studies train and evaluate nothing."""
    from tests.pretend import only_pretend

    only_pretend(monkeypatch)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Collect what is announced."""
    messages: list[str] = []
    with use():
        progress.announce_by(messages.append)
        yield messages


def until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never came to that"
        time.sleep(0.01)

"""Tags by a chat model, asked by processes that are killed or work at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import variegate as vg
from tests.conftest import ROOT, until
from tests.tagging import TEXTS, corpus_of, expected, names
from variegate.views.asking import answers
from variegate.views.asking import questions as asking
from variegate.views.tags import request as tag_request
from variegate.views.tags.request import message_of

RUN = """
import sys
import variegate as vg
from variegate.views.asking import answers, chat
import openai._base_client as client
client.INITIAL_RETRY_DELAY, client.MAX_RETRY_DELAY, answers.POLL_SECONDS = 0.001, 0.002, 0.01
pool = vg.load(sys.argv[1])
print(len(pool.tags("instruction", sys.argv[2], pool)))
"""


def start(path: Path, tags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(path), tags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stored() -> int:
    total = 0
    for path in Path(os.environ["VARIEGATE_CACHE"]).rglob("answers.sqlite"):
        base = sqlite3.connect(path)
        total += base.execute("SELECT count(*) FROM answers").fetchone()[0]
        base.close()
    return total


def test_a_killed_run_goes_on_where_it_was(server, tmp_path):
    corpus_of(TEXTS, tmp_path)
    server.hold_after = 20
    run = start(tmp_path / "pool.jsonl", server.name)
    until(lambda: server.now == asking.REQUESTS_AT_ONCE and stored() == 20)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert len(server.asked) == 20
    server.hold_after = None
    # The dead process holds nothing up, and what it was told is not asked for again.
    assert names(corpus_of(TEXTS, tmp_path), server.name) == expected(TEXTS)
    assert server.asked == dict.fromkeys(TEXTS, 1)


def test_killed_at_any_moment_only_what_is_under_way_is_asked_again(server, tmp_path):
    texts = [f"{text}, once more" for text in TEXTS * 4]
    texts = [f"{at} {text}" for at, text in enumerate(texts)]
    corpus_of(texts, tmp_path)
    server.delay = 0.005
    kills = 3
    for kill in range(1, kills + 1):
        run = start(tmp_path / "pool.jsonl", server.name)
        until(lambda goal=30 * kill: len(server.asked) >= goal)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    assert names(corpus_of(texts, tmp_path), server.name) == expected(texts)
    assert set(server.asked) == set(texts)
    assert max(server.asked.values()) <= kills + 1
    assert sum(server.asked.values()) - len(texts) <= kills * asking.REQUESTS_AT_ONCE


def test_two_processes_at_once_ask_nothing_twice(server, tmp_path):
    corpus_of(TEXTS, tmp_path, "a.jsonl")
    corpus_of([*TEXTS[10:], "its own"], tmp_path, "b.jsonl")
    server.delay = 0.01
    runs = [start(tmp_path / name, server.name) for name in ("a.jsonl", "b.jsonl", "a.jsonl")]
    outputs = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    assert [int(out) for out, _ in outputs] == [40, 31, 40]
    assert server.asked == dict.fromkeys([*TEXTS, "its own"], 1)
    assert server.most_at_once <= asking.REQUESTS_AT_ONCE


def test_who_waits_is_told_and_goes_on_as_soon_as_all_is_answered(server, tmp_path, told):
    pool = corpus_of(TEXTS[:5], tmp_path)
    names(corpus_of(TEXTS[:4], tmp_path, "other.jsonl"), server.name)
    folder = next(Path(os.environ["VARIEGATE_CACHE"]).rglob("answers.sqlite")).parent
    holder = sqlite3.connect(folder / "asking.sqlite", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    other = answers.Answers(folder)
    settings = {"model": "m", "url": server.url, **tag_request.PROMPT_SETTINGS}
    key = answers.answer_key(settings, message_of(TEXTS[4]))
    timer = threading.Timer(0.1, other.keep, [key, ["by the other"], ""])
    timer.start()
    # The lock is never let go; the answer comes from who holds it.
    assert names(pool, server.name)[4] == ["by the other"]
    timer.join()
    other.close()
    holder.close()
    assert any("another process is asking this model already" in message for message in told)
    assert server.asked == dict.fromkeys(TEXTS[:4], 1)


def test_many_open_one_file_at_once(tmp_path):
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            with answers.open_answers("answers", {"model": "m"}) as own:
                for at in range(20):
                    own.keep(f"{number} {at}", ["tag"], "")
                assert len(own.known([f"{number} {at}" for at in range(2000)])) == 20
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert stored() == 160


def test_a_damaged_file_is_an_error_that_names_it(server, tmp_path):
    names(corpus_of(TEXTS[:3], tmp_path), server.name)
    path = next(Path(os.environ["VARIEGATE_CACHE"]).rglob("answers.sqlite"))
    path.write_bytes(b"no database at all " * 1000)
    with pytest.raises(
        vg.DataError, match=rf"{path.parent.name}: the answers kept here cannot be read or written .*move the folder away"
    ):
        names(corpus_of(TEXTS, tmp_path), server.name)

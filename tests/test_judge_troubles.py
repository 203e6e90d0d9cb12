"""A judge, or its server, that misbehaves: what is asked again, what is kept, what ends in an error."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import variegate as vg
from tests.chat_server import comparison
from tests.conftest import ROOT, until
from tests.judging import OTHER, RUN, better, task_of
from variegate.study.evaluation.judge import Judge, compare
from variegate.study.evaluation.judge_request import RULES, Template
from variegate.study.evaluation.replies import Replies
from variegate.views.asking import chat
from variegate.views.asking import questions as asking

# --- a judge and a server that misbehave


def test_a_server_that_is_slow_busy_or_gone_for_a_moment(judge, monkeypatch):
    monkeypatch.setattr(chat, "TIMEOUT_SECONDS", 1.0)
    judge.trouble = ["", "too slow", "429 later", "500", "hang up", "cut off", "malformed"]
    evaluation = compare(*task_of(3, 1, 0), Judge(judge.name)).evaluation("a")
    assert evaluation["values"]["win_rate"] == pytest.approx(0.75)
    assert evaluation["details"]["failed"] == 0
    assert len(judge.requests) >= 8 + 6


def test_what_is_no_verdict_is_asked_for_once_more_then_counts_as_failed(judge, told):
    prompts, run, other = task_of(3, 3, 0)
    texts = {}
    compare(prompts, run, other, Judge(f"{judge.name}/"))
    for text in list(judge.asked):
        texts.setdefault(json.loads(text)["turns"][0], []).append(text)
    judge.asked.clear()
    judge.requests.clear()
    judge.stubborn = {texts["question 1"][0]: "no JSON", texts["question 4"][1]: "a refusal"}
    found = compare(prompts, run, other, Judge(judge.name))
    tried = [request["text"] for request in judge.requests]
    assert [tried.count(text) for text in judge.stubborn] == [2, 2]
    assert set(found.failures) == {"p1", "p4"}
    assert "no verdict: the judge gave no verdict of A, B, tie (got 'Sure!" in found.failures["p1"]
    assert "no verdict: the model refused to answer" in found.failures["p4"]
    evaluation = found.evaluation("a")
    assert evaluation["values"]["win_rate"] == pytest.approx(2 / 4)
    assert (evaluation["details"]["failed"], evaluation["details"]["ties"]) == (2, 0)
    # A rerun gives the same and asks nothing; asked again, only these two.
    judge.stubborn = {}
    judge.requests.clear()
    assert compare(prompts, run, other, Judge(judge.name)).evaluation("a") == evaluation
    assert judge.requests == []
    healed = compare(prompts, run, other, Judge(judge.name), again=True)
    assert len(judge.requests) == 2
    assert healed.failures == {}
    assert compare(prompts, run, other, Judge(judge.name)).evaluation("a")["values"]["win_rate"] == pytest.approx(0.5)


def test_the_second_time_it_is_asked_otherwise(judge):
    judge.trouble = ["no JSON"]
    compare(*task_of(1, 0, 0), Judge(judge.name))
    first, second, *_ = (request["messages"][0]["content"] for request in judge.requests)
    assert first == RULES
    assert second.startswith(RULES) and "could not be read" in second


def test_a_verdict_that_is_cut_gets_more_room(judge):
    judge.trouble = ["cut"]
    assert compare(*task_of(1, 0, 0), Judge(judge.name)).failures == {}
    assert [request["max_tokens"] for request in judge.requests] == [512, 2048, 512]


def test_a_server_without_schemas(judge, told):
    judge.refuse = lambda body: "json_schema is not supported" if "response_format" in body else None
    judge.says = lambda body: f"A is fine. B is fine too.\n\n**[[{better(comparison(body))}]]**"
    assert compare(*task_of(2, 1, 1), Judge(judge.name)).outcomes() == {"p0": 1, "p1": 1, "p2": 0, "p3": 0.5}
    assert any("no JSON schema" in message for message in told)


def test_a_dead_endpoint_is_found_out_soon(judge):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(
        vg.VariegateError, match=r"The judge 'llm:m@http.*' gave up: 2 different comparisons failed .*APIConnectionError"
    ):
        compare(*task_of(3, 0, 0), Judge(f"llm:m@http://127.0.0.1:{port}/v1"))
    assert time.monotonic() - began < 30


def test_what_the_server_could_not_do_is_an_error_and_is_asked_again(judge):
    task = task_of(3, 1, 0)
    compare(*task, Judge(f"{judge.name}/"))
    judge.stubborn = {next(iter(judge.asked)): "500"}
    judge.asked.clear()
    with pytest.raises(
        vg.VariegateError, match=r"failed for 1 of 1 different comparisons without an answer.*for what is missing alone"
    ):
        compare(*task, Judge(judge.name))
    judge.stubborn = {}
    judge.requests.clear()
    assert compare(*task, Judge(judge.name)).evaluation("a")["values"]["win_rate"] == pytest.approx(0.75)
    assert len(judge.requests) == 1


def test_a_judge_that_never_gives_a_verdict(judge, monkeypatch):
    monkeypatch.setattr(asking, "GIVE_UP", 5)
    judge.says = lambda body: "I cannot say."
    task = task_of(5, 5, 5)
    with pytest.raises(vg.VariegateError, match=r"gave up: 5 different comparisons .*the judge gave no verdict"):
        compare(*task, Judge(judge.name))
    # Nothing of that is kept as if these prompts were at fault.
    judge.says = lambda body: json.dumps({"reasons": "", "verdict": better(comparison(body))})
    assert compare(*task, Judge(judge.name)).failures == {}


def test_who_is_not_let_in(judge):
    judge.subject = lambda body: "any"
    judge.stubborn = {"any": "401"}
    with pytest.raises(vg.VariegateError, match=r"The judge 'llm:m@.*' is refused \(AuthenticationError"):
        compare(*task_of(3, 1, 0), Judge(judge.name))
    assert len(judge.requests) == 1


# --- what is kept


def rows_in(folder: Path) -> list[dict]:
    (path,) = folder.rglob("answers.sqlite")
    base = sqlite3.connect(path)
    rows = [json.loads(answer) for (answer,) in base.execute("SELECT answer FROM answers")]
    base.close()
    return rows


def test_every_verdict_is_kept_with_all_that_it_is_about(judge, tmp_path):
    compare(*task_of(1, 0, 0), Judge(judge.name), folder=tmp_path)
    rows = sorted(rows_in(tmp_path), key=lambda row: row["A_is"])
    assert [(row["A_is"], row["B_is"], row["verdict"]) for row in rows] == [("gpt", "run 1", "B"), ("run 1", "gpt", "A")]
    assert rows[1] == {
        "verdict": "A", "text": '{"reasons": "so", "verdict": "A"}', "prompt": "p0", "turns": ["question 0"],
        "A": [f"{RUN} 0 +"], "B": [f"{OTHER} 0 "], "A_is": "run 1", "B_is": "gpt", "model": judge.name,
    }  # fmt: skip


def test_another_judge_template_or_answer_is_asked_anew(judge, tmp_path):
    prompts, run, other = task_of(1, 0, 0)
    own = Template("{prompt} {answer_a} {answer_b} [[A]]")
    judge.subject = lambda body: body["messages"][-1]["content"]
    judge.says = lambda body: "[[A]]"
    for judged, answers, asked in (
        (Judge(judge.name), run, 2),
        (Judge(judge.name), run, 2),
        # How a rate is computed changes no verdict, and the same answers of another run have been judged already.
        (Judge(judge.name, seed=3, answer_tokens=999), Replies("run 2", run.answers), 2),
        (Judge(f"llm:n@{judge.url}"), run, 4),
        (Judge(judge.name, own), run, 6),
        (Judge(judge.name), Replies("run", {"p0": ("another answer",)}), 8),
    ):
        compare(prompts, answers, other, judged, folder=tmp_path)
        assert len(judge.requests) == asked


SCRIPT = """
import sys
from pathlib import Path
from tests.judging import task_of
from variegate.study.evaluation.judge import Judge, compare
import openai._base_client as client
client.INITIAL_RETRY_DELAY, client.MAX_RETRY_DELAY = 0.001, 0.002
compare(*task_of(20, 15, 5), Judge(sys.argv[1]), folder=Path(sys.argv[2]))
"""


def test_a_killed_run_goes_on_where_it_was(judge, tmp_path):
    judge.hold_after = 30
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, judge.name, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(
        lambda: (
            judge.now == asking.REQUESTS_AT_ONCE and len(list(tmp_path.rglob("answers.sqlite"))) and len(rows_in(tmp_path)) == 30
        )
    )
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    judge.hold_after = None
    task = task_of(20, 15, 5)
    found = compare(*task, Judge(judge.name), folder=tmp_path)
    assert (found.plan.answered, found.plan.requests) == (30, 50)
    assert sorted(judge.asked.values()) == [1] * 80
    assert found.evaluation("a")["values"]["win_rate"] == pytest.approx(22.5 / 40)

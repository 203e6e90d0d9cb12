"""A judge whose ways are known: what it is asked, what is kept, and what win rates come out."""

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
from scipy.stats import binom

import variegate as vg
from tests.chat_server import BAD_ANSWERS, ChatServer, comparison
from tests.conftest import ROOT, until
from variegate.study.evaluation.judge import Judge, Verdicts, compare
from variegate.study.evaluation.judge_request import RULES, Template, messages_of, read_verdict
from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import Replies, reference_replies
from variegate.views.asking import chat
from variegate.views.asking import questions as asking
from variegate.views.asking.chat import Unusable

RUN, OTHER = "the run says", "the reference says"


def better(asked: dict) -> str:
    """Prefer the answer with more plus signs; the signs of both differ from prompt to prompt."""
    first, second = ("".join(asked[name]).count("+") for name in ("answers_A", "answers_B"))
    return "A" if first > second else "B" if first < second else "tie"


def longer(asked: dict) -> str:
    return "A" if len(asked["answers_A"][0]) > len(asked["answers_B"][0]) else "B"


@pytest.fixture
def judge(server: ChatServer) -> ChatServer:
    server.subject = lambda body: json.dumps(comparison(body))
    server.says = lambda body: json.dumps({"reasons": "so", "verdict": better(comparison(body))})
    return server


def task_of(wins: int, losses: int, ties: int) -> tuple[list[Prompt], Replies, Replies]:
    """Return prompts, and answers of which so many are better."""
    prompts, answers = [], {}
    for at in range(wins + losses + ties):
        reference = f"{OTHER} {at} " + ("+" if wins <= at < wins + losses else "")
        prompts.append(Prompt(f"p{at}", f"set{at % 2}", None, (f"question {at}",), (), {"gpt": (reference,)}))
        answers[f"p{at}"] = (f"{RUN} {at} " + ("+" if at < wins else ""),)
    return prompts, Replies("run 1", answers), reference_replies(prompts, "gpt")


# --- what comes out


def test_wins_ties_and_losses(judge):
    prompts, run, other = task_of(30, 50, 20)
    found = compare(prompts, run, other, Judge(judge.name, resamples=20_000))
    assert (found.plan.rows, found.plan.texts, found.plan.requests) == (200, 200, 200)
    assert found.failures == {} and found.waiting == []
    evaluation = found.evaluation("alpaca")
    assert (evaluation["name"], evaluation["kind"]) == ("alpaca", "judge")
    assert evaluation["values"]["win_rate"] == pytest.approx((30 + 20 / 2) / 100)
    assert evaluation["higher_is_better"] == {"win_rate": True, "length_controlled_win_rate": True}
    details = evaluation["details"]
    assert (details["wins"], details["ties"], details["losses"], details["failed"]) == (30, 20, 50, 0)
    assert details["orders_agree"] == 1
    assert details["first_wins_in_both_orders"] == details["second_wins_in_both_orders"] == 0
    assert details["outcomes"]["p0"] == 1 and details["outcomes"]["p30"] == 0 and details["outcomes"]["p99"] == 0.5
    assert details["by_set"] == {
        "set0": {"prompts": 50, "win_rate": pytest.approx(0.4)}, "set1": {"prompts": 50, "win_rate": pytest.approx(0.4)},
    }  # fmt: skip
    assert json.loads(json.dumps(evaluation)) == evaluation
    # Each prompt twice, with the answers the other way round.
    assert sorted(judge.asked.values()) == [1] * 200
    asked = [json.loads(text) for text in judge.asked]
    assert {(one["turns"][0], one["answers_A"][0].startswith(RUN)) for one in asked} == {
        (f"question {at}", first) for at in range(100) for first in (True, False)
    }


def test_the_interval_of_a_known_win_rate(judge):
    prompts, run, other = task_of(30, 70, 0)
    plain = compare(prompts, run, other, Judge(judge.name, resamples=20_000)).evaluation("a")["details"]["rates"]["plain"]
    assert plain["value"] == pytest.approx(0.3)
    # A resample's wins are binomial, so its quantiles are known.
    assert plain["low"] == pytest.approx(binom.ppf(0.025, 100, 0.3) / 100, abs=0.0101)
    assert plain["high"] == pytest.approx(binom.ppf(0.975, 100, 0.3) / 100, abs=0.0101)


@pytest.mark.parametrize(("place", "name"), [("A", "first"), ("B", "second")])
def test_a_judge_that_goes_by_position(place, name, judge):
    judge.says = lambda body: json.dumps({"reasons": "", "verdict": place})
    evaluation = compare(*task_of(15, 5, 0), Judge(judge.name)).evaluation("a")
    assert evaluation["details"]["rates"]["plain"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert evaluation["values"]["length_controlled_win_rate"] == pytest.approx(0.5)
    assert evaluation["details"][f"{name}_wins_in_both_orders"] == 1
    assert (evaluation["details"]["orders_agree"], evaluation["details"]["ties"]) == (0, 20)


def test_a_judge_that_likes_long_answers(judge):
    judge.says = lambda body: json.dumps({"reasons": "", "verdict": longer(comparison(body))})
    prompts = [Prompt(f"p{at}", "s", None, (f"question {at}",)) for at in range(100)]
    # Four of five answers of the run are the longer ones, by 10 to 800 characters.
    other = Replies("other", {f"p{at}": ("o" * 900,) for at in range(100)})
    longer_by = [10 * (at + 1) if at < 80 else -10 * (at - 79) for at in range(100)]
    run = Replies("run", {f"p{at}": ("r" * (900 + by),) for at, by in enumerate(longer_by)})
    evaluation = compare(prompts, run, other, Judge(judge.name)).evaluation("a")
    assert evaluation["values"]["win_rate"] == pytest.approx(0.8)
    assert evaluation["values"]["length_controlled_win_rate"] == pytest.approx(0.5, abs=0.1)
    controlled = evaluation["details"]["rates"]["length_controlled"]
    assert controlled["low"] < 0.5 < controlled["high"] < evaluation["details"]["rates"]["plain"]["low"]


@pytest.mark.parametrize(
    ("orders", "outcome", "agree"),
    [
        (("A", "B"), 1, True), (("B", "A"), 0, True), (("tie", "tie"), 0.5, True), (("A", "A"), 0.5, False),
        (("B", "B"), 0.5, False), (("A", "tie"), 0.5, False), (("tie", "A"), 0.5, False), (("B", "tie"), 0.5, False),
    ],
)  # fmt: skip
def test_two_orders_make_one_outcome(orders, outcome, agree):
    assert (Verdicts(*orders).outcome, Verdicts(*orders).agree) == (outcome, agree)


def test_the_same_answer_twice_is_a_tie_that_nobody_is_asked_for(judge):
    prompts, run, other = task_of(2, 2, 0)
    run = Replies("run", {**run.answers, "p0": other.answers["p0"]})
    found = compare(prompts, run, other, Judge(judge.name))
    assert found.plan.requests == 6
    assert found.outcomes() == {"p0": 0.5, "p1": 1, "p2": 0, "p3": 0}
    assert found.evaluation("a")["details"]["identical"] == 1


def test_prompts_without_an_answer_are_named_and_counted(judge):
    prompts, run, other = task_of(3, 1, 0)
    answers = {name: answer for name, answer in run.answers.items() if name != "p1"}
    found = compare(prompts, Replies("run", answers, {"p1": "too long"}), other, Judge(judge.name))
    assert found.failures == {"p1": "no answer of run: too long"}
    assert found.plan.requests == 6
    evaluation = found.evaluation("a")
    assert evaluation["values"]["win_rate"] == pytest.approx(2 / 3)
    assert evaluation["details"]["failed"] == 1
    with pytest.raises(vg.ParameterError, match=r"one answer of run to each of the 1 turns of p1. Got None"):
        compare(prompts, Replies("run", answers), other, Judge(judge.name))
    with pytest.raises(vg.VariegateError, match=r"a: none of 4 prompts has an outcome. p0: no answer of run: gone"):
        compare(prompts, Replies("run", {}, dict.fromkeys(run.answers, "gone")), other, Judge(judge.name)).evaluation("a")


# --- what is asked


def test_the_request(judge):
    compare(*task_of(1, 0, 0), Judge(judge.name, answer_tokens=99))
    request = judge.requests[0]
    assert (request["temperature"], request["max_tokens"]) == (0, 99)
    assert request["response_format"]["json_schema"]["schema"]["properties"]["verdict"]["enum"] == ["A", "B", "tie"]
    assert request["messages"][0] == {"role": "system", "content": RULES}


def test_several_turns_and_what_was_before(judge):
    before = ({"role": "system", "content": "Be brief"},)
    prompt = Prompt("p", "s", None, ("One?", "Two?"), before, {"gpt": ("1", "2+")})
    found = compare([prompt], Replies("run", {"p": ("I", "II")}), reference_replies([prompt], "gpt"), Judge(judge.name))
    assert found.outcomes() == {"p": 0}
    assert json.loads(next(iter(judge.asked))) in (
        {"before": [dict(before[0])], "turns": ["One?", "Two?"], "answers_A": ["I", "II"], "answers_B": ["1", "2+"]},
        {"before": [dict(before[0])], "turns": ["One?", "Two?"], "answers_A": ["1", "2+"], "answers_B": ["I", "II"]},
    )


def test_the_count_comes_before_the_first_request(judge, told):
    task = task_of(10, 5, 5)
    found = compare(*task, Judge(judge.name, answer_tokens=100), dry=True)
    assert (found.plan.rows, found.plan.answered, found.plan.requests, found.plan.answer_tokens) == (40, 0, 40, 4000)
    # The rules have about 370 tokens, a comparison about 60.
    assert 300 * 40 < found.plan.prompt_tokens < 700 * 40
    assert len(found.waiting) == 20
    with pytest.raises(vg.VariegateError, match="a: 20 of 20 prompts have not been judged in both orders"):
        found.evaluation("a")
    assert judge.requests == told == []
    judge.says = lambda body: json.dumps({"reasons": "", "verdict": "A"}) if told else "nothing has been said"
    compare(*task, Judge(judge.name))
    assert told[0].startswith(
        f"judging by m at {judge.url}: 40 comparisons, 40 different comparisons, 0 answered already: 40 requests"
    )


def test_a_limit_admits_whole_prompts_and_a_later_call_goes_on(judge):
    task = task_of(10, 5, 5)
    found = compare(*task, Judge(judge.name), limit=8)
    assert len(judge.requests) == 8
    assert (len(found.verdicts), len(found.waiting)) == (4, 16)
    with pytest.raises(vg.VariegateError, match=r"16 of 20 prompts .* without a limit"):
        found.evaluation("a")
    whole = compare(*task, Judge(judge.name)).evaluation("a")
    assert whole["values"]["win_rate"] == pytest.approx(12.5 / 20)
    assert sorted(judge.asked.values()) == [1] * 40
    with pytest.raises(vg.ParameterError, match="'limit' parameter of the study must be a number of requests of at least 0"):
        compare(*task, Judge(judge.name), limit=-1)


def test_so_many_at_once(judge, monkeypatch):
    judge.delay = 0.05
    monkeypatch.setenv(asking.REQUESTS_VARIABLE, "3")
    compare(*task_of(10, 5, 5), Judge(judge.name))
    assert 2 <= judge.most_at_once <= 3


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
from tests.test_judge import task_of
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


# --- verdicts and templates

GOOD = {
    '{"reasons": "Both [[B]] fine", "verdict": "A"}': "A",
    '```json\n{"verdict": "tie"}\n```': "tie",
    'My verdict: {"reasons": "x", "verdict": "B"}.': "B",
    '<think>{"verdict": "B"} or [[B]]?</think>{"verdict": "A"}': "A",
    "First [[A]], on reflection [[B]]": "B",
    "So it is **[[C]]**.\n": "tie",
    "[[tie]]": "tie",
}


@pytest.mark.parametrize("content", GOOD)
def test_verdicts(content):
    assert read_verdict(content, False) == {"verdict": GOOD[content], "text": content}


@pytest.mark.parametrize(
    "content",
    [
        "A", "Answer A is better.", "[[A]] because it is right", "[[D]]", '{"verdict": "C"}', '{"verdict": "a"}', '{"verdict": null}',
        '{"verdict": ["A"]}', '{"winner": "A"}', '["A"]', '<think>[[A]]</think>', '{"verdict": "A"',
    ],
)  # fmt: skip
def test_what_is_no_verdict(content):
    with pytest.raises(Unusable, match="the judge gave no verdict of A, B, tie"):
        read_verdict(content, False)


def test_no_bad_answer_is_a_verdict():
    from openai.types.chat import ChatCompletion

    from variegate.study.evaluation.judge_request import judging

    task = judging(Template(), 100)
    for sent in BAD_ANSWERS.values():
        if isinstance(sent, dict):
            with pytest.raises(Unusable):
                task.answer_in(
                    ChatCompletion.construct(**sent)
                    if "choices" not in sent or not sent["choices"]
                    else ChatCompletion.model_validate(sent)
                )


def test_a_template_of_ones_own():
    text = "Q: {prompt}\nOne: {answer_a}\nTwo: {answer_b}\nEnd with [[A]] or [[B]]."
    prompt = Prompt("p", "s", None, ("What is {answer_a}?",), ({"role": "system", "content": "Be brief"},))
    (message,) = messages_of(prompt, ("first {answer_b}",), ("second {prompt}",), Template(text))
    assert message == {
        "role": "user",
        "content": "Q: system: Be brief\n\nWhat is {answer_a}?\nOne: first {answer_b}\nTwo: second {prompt}\nEnd with [[A]] or [[B]].",
    }
    two = Prompt("p", "s", None, ("One?", "Two?"))
    (message,) = messages_of(two, ("1", "2"), ("I", "II"), Template(text))
    assert "Two: [turn 1]\nI\n\n[turn 2]\nII" in message["content"]


def test_a_template_of_ones_own_is_asked_without_rules_or_schema(judge):
    judge.subject = lambda body: body["messages"][-1]["content"]
    judge.says = lambda body: f"[[{'A' if RUN in body['messages'][-1]['content'].splitlines()[1] else 'B'}]]"
    judge.trouble = ["no JSON"]
    template = Template("{prompt}\n{answer_a}\n{answer_b}\nEnd with [[A]] or [[B]].")
    assert compare(*task_of(1, 1, 0), Judge(judge.name, template)).outcomes() == {"p0": 1, "p1": 1}
    first, second, *_ = judge.requests
    assert "response_format" not in first
    assert [message["role"] for message in first["messages"]] == ["user"]
    assert "could not be read" in second["messages"][0]["content"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Template("{prompt} {answer_a} [[A]]"), r"'judge.template' parameter .*without \{answer_b\}"),
        (lambda: Template("{prompt} {answer_a} {answer_b}"), r"'judge.template' parameter .*asks for \"\[\[A\]\]\""),
        (lambda: Judge("gpt-4"), "'judge.model' parameter of the study must be llm:MODEL"),
        (lambda: Judge("llm:m", answer_tokens=0), "'judge.answer_tokens' parameter of the study must be a whole number of at least 1"),
        (lambda: Judge("llm:m", resamples=1.5), "'judge.resamples' parameter"),
        (lambda: Judge("llm:m", seed=True), "'judge.seed' parameter"),
        (lambda: Judge("llm:m", confidence=95), "'judge.confidence' parameter"),
        (lambda: reference_replies(task_of(1, 0, 0)[0], "gtp"), r"'judge.against' parameter .*there are: gpt \(1 prompts\).*1 lack it, p0"),
        (lambda: reference_replies([Prompt("p", "s", None, ("a",))], "gpt"), r"there are: none"),
    ],
)  # fmt: skip
def test_what_is_refused(make, message):
    with pytest.raises(vg.ParameterError, match=message):
        make()

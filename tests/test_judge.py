"""A judge whose ways are known: what it is asked, and what win rates come out."""

from __future__ import annotations

import json

import pytest
from scipy.stats import binom

import variegate as vg
from tests.chat_server import comparison
from tests.judging import RUN, task_of
from variegate.study.evaluation.judge import Judge, Verdicts, compare
from variegate.study.evaluation.judge_request import RULES
from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import Replies, reference_replies
from variegate.views.asking import questions as asking


def longer(asked: dict) -> str:
    return "A" if len(asked["answers_A"][0]) > len(asked["answers_B"][0]) else "B"


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

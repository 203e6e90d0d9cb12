"""Verdicts as they are read, and templates of one's own."""

from __future__ import annotations

import pytest

import variegate as vg
from tests.chat_server import BAD_ANSWERS
from tests.conftest import needs
from tests.judging import RUN, task_of
from variegate.study.evaluation.judge import Judge, compare
from variegate.study.evaluation.judge_request import Template, judging, messages_of, read_verdict
from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import reference_replies
from variegate.views.asking.chat import Unusable

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


OTHERWISE_BAD = {
    **dict.fromkeys(("empty", "null"), "the answer is empty"),
    **dict.fromkeys(("a refusal", "filtered"), "the model refused to answer"),
    **dict.fromkeys(("no choices", "choices null", "another object"), "the server answered what is no chat completion"),
    "cut": "the answer was cut for its length",
}


@needs("openai")
@pytest.mark.parametrize("kind", [kind for kind, sent in BAD_ANSWERS.items() if isinstance(sent, dict)])
def test_no_bad_answer_is_a_verdict(kind):
    from openai.types.chat import ChatCompletion

    sent = BAD_ANSWERS[kind]
    whole = ChatCompletion.model_validate(sent) if sent.get("choices") else ChatCompletion.construct(**sent)
    with pytest.raises(Unusable, match=OTHERWISE_BAD.get(kind, "the judge gave no verdict of A, B, tie")):
        judging(Template(), 100).answer_in(whole)


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

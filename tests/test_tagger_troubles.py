"""Tags by a chat model that misbehaves on purpose: what is asked again, what ends in an error."""

from __future__ import annotations

import sys
import time

import pytest

import variegate as vg
from tests.chat_server import BAD_ANSWERS, completion, tags_for
from tests.conftest import needs
from tests.tagging import TEXTS, corpus_of, expected, names
from variegate.views.asking import chat
from variegate.views.asking import questions as asking
from variegate.views.asking.chat import Unusable
from variegate.views.tags import request as tag_request
from variegate.views.tags.request import TAGGING
from variegate.views.tags.tagger import tag_texts

REASONS = {
    **dict.fromkeys(BAD_ANSWERS, "the server answered what is no"),
    **dict.fromkeys(
        ("a list", "another key", "a key too many", "tags a string", "tags numbers", "tags nested"), "is not of the form"
    ),
    **dict.fromkeys(("malformed", "no JSON", "deep"), "the answer is no JSON"),
    **dict.fromkeys(
        ("empty tag", "only signs", "an essay", "control characters", "half a character"), "the answer holds what is no tag"
    ),
    **dict.fromkeys(("a refusal", "filtered"), "the model refused to answer"),
    **dict.fromkeys(("empty", "null"), "the answer is empty"),
    "no tags": "the answer has 0 tags",
    "too many": "the answer has 9 tags",
    "cut": "the answer was cut for its length",
}


@pytest.mark.parametrize(
    "trouble",
    [
        ["429 later", "500", "429"],
        ["503", "408", "409", "502"],
        ["hang up", "", "hang up"],
        ["cut off", "", "cut off"],
        ["malformed", "", "a refusal", "no choices"],
        ["malformed", "cut"],
        ["429 later", "hang up", "", "500", "malformed", "cut off", "429"],
    ],
    ids="-".join,
)
def test_a_server_that_recovers(trouble, server, tmp_path):
    server.trouble = list(trouble)
    assert names(corpus_of(TEXTS, tmp_path), server.name) == expected(TEXTS)
    assert len(server.requests) == len(TEXTS) + sum(one != "" for one in trouble)
    assert server.trouble == []


def test_a_server_that_says_when_to_come_back_is_heeded(server, tmp_path):
    server.trouble = ["429 later"]
    begun = time.monotonic()
    names(corpus_of(["a"], tmp_path), server.name)
    assert time.monotonic() - begun >= 0.05
    assert len(server.requests) == 2


def test_a_server_that_is_too_slow(server, tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "TIMEOUT_SECONDS", 0.2)
    server.trouble = ["too slow"]
    assert names(corpus_of(["a"], tmp_path), server.name) == expected(["a"])
    assert len(server.requests) == 2


def test_every_bad_answer_is_asked_again_then_named(server, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "GIVE_UP", 99)
    kinds = list(BAD_ANSWERS)
    server.stubborn = {kind: kind for kind in kinds}
    pool = corpus_of([*kinds, "a good one"], tmp_path)
    found = tag_texts(pool.texts("instruction"), server.name, pool.where, keep_failures=True)
    assert found.tags == [None] * len(kinds) + expected(["a good one"])
    assert {kind: found.failures[row] for row, kind in enumerate(kinds) if REASONS[kind] not in found.failures[row]} == {}
    tried = [request["text"] for request in server.requests]
    assert {kind: tried.count(kind) for kind in kinds} == dict.fromkeys(kinds, tag_request.ATTEMPTS)
    # Nothing of them was kept: the next run asks for them again, and for them alone.
    server.stubborn = {}
    assert names(corpus_of([*kinds, "a good one"], tmp_path), server.name) == expected([*kinds, "a good one"])
    assert server.asked == dict.fromkeys([*kinds, "a good one"], 1)


def test_a_cut_answer_gets_more_room(server, tmp_path):
    server.trouble = ["cut", "cut"]
    names(corpus_of(["a"], tmp_path), server.name)
    assert [request["max_tokens"] for request in server.requests] == [256, 1024, 4096]


@pytest.mark.parametrize(
    "content",
    [
        '{"tags": ["Maths ", "maths", "World  War"]}',
        '```json\n{"tags": ["maths", "world war"]}\n```',
        '<think>{"tags": []} would be too few</think>{"tags": ["maths", "world war"]}',
        'Here: {"tags":["maths","world war"]}.',
    ],
)
def test_good_answers(content):
    pytest.importorskip("openai")
    from openai.types.chat import ChatCompletion

    assert TAGGING.answer_in(ChatCompletion.model_validate(completion(content))) == ["maths", "world war"]


def test_one_stubborn_row_costs_no_other(server, tmp_path):
    texts = [*TEXTS, TEXTS[3], TEXTS[17]]
    server.stubborn = {TEXTS[3]: "too many", TEXTS[17]: "500"}
    chat_retries = chat.RETRIES
    pool = corpus_of(texts, tmp_path)
    message = r"pool\.jsonl, line 4: the answer has 9 tags where 1 to 8 were asked for .*Likewise .*line 18; .*line 41; .*line 42\. In all 4 of 42 rows"
    with pytest.raises(vg.VariegateError, match=message) as caught:
        names(pool, server.name)
    assert "running the command again asks for these rows only" in str(caught.value)
    assert server.asked == {text: 1 for text in TEXTS if text not in server.stubborn}
    tried = [request["text"] for request in server.requests]
    assert (tried.count(TEXTS[3]), tried.count(TEXTS[17])) == (tag_request.ATTEMPTS, chat_retries + 1)
    server.stubborn = {}
    before = len(server.requests)
    assert names(corpus_of(texts, tmp_path), server.name) == expected(texts)
    assert {request["text"] for request in server.requests[before:]} == {TEXTS[3], TEXTS[17]}


def test_rows_that_failed_can_be_kept_without_tags(server, tmp_path):
    server.stubborn = {TEXTS[3]: "a refusal"}
    pool = corpus_of(TEXTS, tmp_path)
    found = tag_texts(pool.texts("instruction"), server.name, pool.where, keep_failures=True)
    assert list(found.failures) == [3]
    assert "refused" in found.failures[3]
    assert found.tags == [None if text == TEXTS[3] else tags_for(text) for text in TEXTS]


def test_rows_that_stay_stubborn_do_not_look_like_a_server_that_is_down(server, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "GIVE_UP", 3)
    server.stubborn = dict.fromkeys(TEXTS[::2], "a refusal")
    pool = corpus_of(TEXTS, tmp_path)
    names(corpus_of(TEXTS[1::2], tmp_path, "good.jsonl"), server.name)
    with pytest.raises(
        vg.VariegateError, match=r"gave up: 3 texts .* 17 were not asked.*`variegate tag --on-failed null -o OUT`"
    ):
        names(pool, server.name)
    found = tag_texts(pool.texts("instruction"), server.name, pool.where, keep_failures=True)
    assert list(found.failures) == list(range(0, 40, 2))
    # A model that has never given an answer is another matter, and so is a server that fails.
    server.stubborn = dict.fromkeys(TEXTS, "a refusal")
    with pytest.raises(vg.VariegateError, match="gave up: 3 texts"):
        tag_texts(pool.texts("instruction"), f"{server.name}/", pool.where, keep_failures=True)
    server.stubborn = dict.fromkeys(TEXTS[::2], "500")
    with pytest.raises(vg.VariegateError, match="gave up: 3 texts"):
        tag_texts(pool.texts("instruction"), server.name, pool.where, keep_failures=True)


def test_a_server_that_is_not_there_is_found_out_soon(server, tmp_path):
    server.stubborn = dict.fromkeys(TEXTS, "hang up")
    with pytest.raises(
        vg.VariegateError, match=r"gave up: 2 texts failed .* the server failed \(APIConnectionError.* 38 were not asked"
    ):
        names(corpus_of(TEXTS, tmp_path), server.name)
    assert len(server.requests) == 2 * (chat.FIRST_RETRIES + 1)


def test_an_empty_text_is_not_asked(server, tmp_path):
    assert names(corpus_of(["a", " \n", "b"], tmp_path), server.name) == [tags_for("a"), [], tags_for("b")]
    assert set(server.asked) == {"a", "b"}


@pytest.mark.parametrize("trouble", ["500", "malformed", "hang up", "400"])
def test_a_server_that_never_answers_is_given_up(trouble, server, tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "FIRST_RETRIES", 1)
    monkeypatch.setattr(asking, "GIVE_UP", 5)
    good = TEXTS[:10]
    names(corpus_of(good, tmp_path), server.name)
    server.stubborn = dict.fromkeys(TEXTS, trouble)
    with pytest.raises(
        vg.VariegateError, match=r"gave up: 5 texts failed with no answer between them.*0 texts were answered .* 25 were not"
    ):
        names(corpus_of(TEXTS, tmp_path), server.name)
    server.stubborn = {}
    assert names(corpus_of(TEXTS, tmp_path), server.name) == expected(TEXTS)
    assert server.asked == dict.fromkeys(TEXTS, 1)


@pytest.mark.parametrize(
    ("status", "error"), [("401", "AuthenticationError"), ("403", "PermissionDeniedError"), ("404", "NotFoundError")]
)
def test_who_is_not_let_in_asks_no_further(status, error, server, tmp_path):
    server.stubborn = dict.fromkeys(TEXTS, status)
    with pytest.raises(vg.VariegateError, match=rf"The tagger 'llm:m@http.*' is refused \({error}"):
        names(corpus_of(TEXTS, tmp_path), server.name)
    assert len(server.requests) == 1


def test_a_key_or_a_url_is_needed(server, tmp_path, monkeypatch):
    pool = corpus_of(["a"], tmp_path)
    with pytest.raises(vg.ParameterError, match=r"The tagger 'llm:m' needs OPENAI_API_KEY, or a URL: llm:m@http://HOST/v1"):
        names(pool, "llm:m")
    with pytest.raises(vg.ParameterError, match=r"The tagger llm:NAME\[@URL\] lacks the model's name"):
        names(pool, f"llm:@{server.url}")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert names(pool, "llm:m") == expected(["a"])
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(vg.VariegateError, match=r"pip install 'variegate\[endpoint\]'"):
        names(corpus_of(["b"], tmp_path), server.name)


@needs("openai")
def test_an_unusable_answer_says_what_came():
    from openai.types.chat import ChatCompletion

    with pytest.raises(Unusable, match=r"the answer is no JSON \(got 'Sure"):
        TAGGING.answer_in(ChatCompletion.model_validate(completion("Sure, " * 99)))

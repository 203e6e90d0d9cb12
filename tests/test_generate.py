"""Answers of a model that has learnt a few by heart, from its folder and from a server: what comes, what is kept."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import variegate as vg
from tests.chat_server import ChatServer
from variegate.study.evaluation.generate import Generation, generate
from variegate.study.evaluation.prompts import Prompt
from variegate.study.models.local_model import LocalModel

TALKS = [
    ["one", "answer one"],
    ["two two", "the second answer is this"],
    ["three is a longer question than the others", "3"],
    ["four", "one two three four", "and then", "five six"],
    ["five", "five is it"],
]
PROMPTS = [Prompt(f"p{at}", "s", None, tuple(talk[::2])) for at, talk in enumerate(TALKS)]
ANSWERS = {f"p{at}": tuple(talk[1::2]) for at, talk in enumerate(TALKS)}
SHORT = Generation(max_new_tokens=10, batch_size=2)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.tiny_model import save_learnt

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = save_learnt(tmp_path_factory.mktemp("models") / "learnt", TALKS)
    torch.set_num_threads(before)
    return folder


# --- a model in a folder


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_what_was_learnt_is_said_whatever_the_batch(batch_size, learnt):
    """Answers end at the template's own end, which is not the end of text that model and tokenizer name."""
    found = generate(PROMPTS, learnt, Generation(max_new_tokens=10, batch_size=batch_size), identity="run", name="mine")
    assert found.answers == ANSWERS
    assert (found.name, found.failures, found.cut) == ("mine", {}, frozenset())


def test_where_an_answer_is_cut_it_is_said(learnt):
    found = generate(PROMPTS, learnt, Generation(max_new_tokens=2), identity="run")
    assert found.answers["p1"] == ("the second",)
    assert found.answers["p2"] == ("3",)
    # Two tokens are the whole answer but for its end.
    assert found.cut == {"p0", "p1", "p3", "p4"}


def test_the_tokens_that_end_an_answer(learnt, tmp_path):
    tokenizer = LocalModel(learnt).tokenizer
    assert LocalModel(learnt).stop_ids == sorted(tokenizer.convert_tokens_to_ids(["</s>", "<|end|>"]))
    other = shutil.copytree(learnt, tmp_path / "other")
    (other / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 3]}), encoding="utf-8")
    assert LocalModel(other).stop_ids == sorted({2, 3, tokenizer.convert_tokens_to_ids("<|end|>")})


def test_what_the_folder_says_of_sampling_does_not_matter(learnt, tmp_path):
    hot = shutil.copytree(learnt, tmp_path / "hot")
    options = {"do_sample": True, "temperature": 50.0, "top_k": 7, "max_length": 4, "repetition_penalty": 9.0, "eos_token_id": 2}
    (hot / "generation_config.json").write_text(json.dumps(options), encoding="utf-8")
    assert generate(PROMPTS, hot, SHORT, identity="hot").answers == ANSWERS


def test_draws_are_seeded_and_leave_other_draws_alone(learnt):
    import torch

    hot = [Generation(max_new_tokens=5, temperature=9.0, seed=seed) for seed in (1, 1, 2)]
    state = torch.random.get_rng_state()
    with vg.use(cache="off"):
        # Identities keep the answers apart, so that each is drawn anew.
        first, again, other = (generate(PROMPTS, learnt, one, identity=f"draw {at}").answers for at, one in enumerate(hot))
    assert first == again != other
    assert torch.equal(state, torch.random.get_rng_state())
    nearly_greedy = Generation(max_new_tokens=10, temperature=9.0, top_p=1e-6)
    assert generate(PROMPTS, learnt, nearly_greedy, identity="run").answers == ANSWERS


def test_a_call_that_ended_early_goes_on_where_it_was(learnt, monkeypatch):
    batches = []
    made = LocalModel._generated

    def counted(self, prompts, *more):
        if len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(len(prompts))
        return made(self, prompts, *more)

    monkeypatch.setattr(LocalModel, "_generated", counted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        generate(PROMPTS, learnt, SHORT, identity="run")
    assert batches == [2, 2]
    monkeypatch.setattr(
        LocalModel, "_generated", lambda self, prompts, *more: batches.append(len(prompts)) or made(self, prompts, *more)
    )
    assert generate(PROMPTS, learnt, SHORT, identity="run").answers == ANSWERS
    # The fifth prompt, then the one second turn.
    assert batches == [2, 2, 1, 1]


def test_what_is_answered_needs_no_model_any_more(learnt, tmp_path):
    gone = shutil.copytree(learnt, tmp_path / "gone")
    kept = generate(PROMPTS, gone, SHORT, identity="run", folder=tmp_path / "kept")
    shutil.rmtree(gone)
    assert generate(PROMPTS, gone, SHORT, identity="run", folder=tmp_path / "kept") == kept
    for other in (
        {"identity": "another run"},
        {"settings": Generation(max_new_tokens=11, batch_size=2)},
        {"settings": Generation(max_new_tokens=10, batch_size=3)},
        {"prompts": PROMPTS[:3]},
    ):
        given = {"prompts": PROMPTS, "model": gone, "settings": SHORT, "identity": "run", "folder": tmp_path / "kept", **other}
        with pytest.raises(vg.DataError, match="gone: no model could be loaded"):
            generate(**given)


def test_a_prompt_that_does_not_fit_is_named(learnt):
    long = Prompt("long", "s", None, ("one " * 60,))
    found = generate([*PROMPTS, long], learnt, SHORT, identity="run")
    assert found.failures == {"long": "turn 1: its 63 tokens and an answer of 10 do not fit into the model's 64"}
    assert found.answers == ANSWERS


def test_the_same_prompt_twice(learnt):
    twice = [PROMPTS[0], Prompt("again", "s", None, PROMPTS[0].turns)]
    assert generate(twice, learnt, SHORT, identity="run").answers == {"p0": ("answer one",), "again": ("answer one",)}


def test_chat_templates(learnt, tmp_path):
    bare = shutil.copytree(learnt, tmp_path / "bare")
    template = (bare / "chat_template.jinja").read_text(encoding="utf-8")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(vg.ParameterError, match=r"'generate.chat_template' .*bare has none"):
        generate(PROMPTS, bare, SHORT, identity="bare")
    given = Generation(max_new_tokens=10, batch_size=2, chat_template=template)
    assert generate(PROMPTS, bare, given, identity="bare").answers == ANSWERS
    strict = Generation(max_new_tokens=10, chat_template="{{ raise_exception('no system messages') }}")
    with pytest.raises(vg.DataError, match=r"cannot hold a conversation of user \(TemplateError: no system messages\)"):
        generate(PROMPTS, bare, strict, identity="bare")


def test_what_is_missing_is_said(learnt, tmp_path, monkeypatch):
    with pytest.raises(vg.DataError, match="absent: no model could be loaded"):
        generate(PROMPTS, tmp_path / "absent", SHORT, identity="run")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(vg.VariegateError, match=r"pip install 'variegate\[models\]'"):
        generate(PROMPTS, learnt, SHORT, identity="run")


# --- a server


@pytest.fixture
def parrot(server: ChatServer) -> ChatServer:
    """Start a server that has learnt the same."""
    server.subject = lambda body: " / ".join(message["content"] for message in body["messages"])
    said = {" / ".join(talk[:at]): talk[at] for talk in TALKS for at in range(1, len(talk), 2)}
    server.says = lambda body: said[server.subject(body)]
    return server


def test_a_server_gives_the_same(parrot, told):
    found = generate(PROMPTS, parrot.name, SHORT, identity="run", name="mine")
    assert (found.name, found.answers, found.failures, found.cut) == ("mine", ANSWERS, {}, frozenset())
    assert told[0].startswith(
        f"answering by m at {parrot.url}: 5 answers, 5 different conversations, 0 answered already: 5 requests"
    )
    assert len(parrot.requests) == 6
    request = parrot.requests[0]
    assert [message["role"] for message in request["messages"]] == ["user"]
    assert (request["temperature"], request["max_tokens"]) == (0, 10)
    assert not {"response_format", "seed", "top_p"} & set(request)
    # Nothing is asked twice, but another run under the same name and URL is another model.
    assert generate(PROMPTS, parrot.name, SHORT, identity="run", name="mine") == found
    assert len(parrot.requests) == 6
    generate(PROMPTS, parrot.name, SHORT, identity="another run")
    assert len(parrot.requests) == 12


def test_a_server_draws_with_a_seed(parrot):
    generate(PROMPTS[:1], parrot.name, Generation(temperature=0.5, top_p=0.9, seed=7), identity="run")
    assert {name: parrot.requests[0][name] for name in ("temperature", "top_p", "seed")} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
    }


def test_messages_before_the_first_turn_come_first(parrot):
    parrot.says = lambda body: json.dumps(body["messages"])
    before = (
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
    )
    found = generate([Prompt("p", "s", None, ("Why?",), before)], parrot.name, SHORT, identity="run")
    assert json.loads(found.answers["p"][0]) == [*before, {"role": "user", "content": "Why?"}]


def test_a_server_that_misbehaves(parrot):
    parrot.trouble = ["", "429 later", "500"]
    parrot.stubborn = {"two two": "cut", "five": "empty", "three is a longer question than the others": "a refusal"}
    found = generate(PROMPTS, parrot.name, SHORT, identity="run")
    # Any text is an answer of the model: what was cut, and saying nothing.
    assert found.answers == {**{name: ANSWERS[name] for name in ("p0", "p3")}, "p1": ('{"tags": ["a',), "p4": ("",)}
    assert found.cut == {"p1"}
    assert list(found.failures) == ["p2"]
    assert found.failures["p2"].startswith("turn 1: the model refused to answer")


def test_a_server_that_fails_is_an_error_and_what_it_said_is_kept(parrot):
    parrot.trouble = [""]
    parrot.stubborn = {"four": "500"}
    with pytest.raises(vg.VariegateError, match=r"The model 'llm:m@.*' failed for 1 of 1 different conversations"):
        generate(PROMPTS, parrot.name, SHORT, identity="run")
    parrot.stubborn = {}
    parrot.requests.clear()
    assert generate(PROMPTS, parrot.name, SHORT, identity="run").answers == ANSWERS
    assert [request["text"] for request in parrot.requests] == ["four", "four / one two three four / and then"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_new_tokens": 0}, "'generate.max_new_tokens' parameter of the study must be a whole number of at least 1. Got 0"),
        ({"batch_size": 1.5}, "'generate.batch_size'"),
        ({"seed": -1}, "'generate.seed'"),
        ({"temperature": -0.1}, "'generate.temperature' parameter of the study must be a number of at least 0"),
        ({"temperature": float("nan")}, "'generate.temperature'"),
        ({"temperature": True}, "'generate.temperature'"),
        ({"top_p": 0}, "'generate.top_p' parameter of the study must be a number above 0 and at most 1"),
        ({"device": 0}, "'generate.device' parameter of the study must be a text, or left out"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(vg.ParameterError, match=message):
        Generation(**given)


def test_a_server_decides_some_things_itself(parrot):
    for given in ({"device": "cpu"}, {"chat_template": "x"}):
        with pytest.raises(vg.ParameterError, match=rf"'generate.{next(iter(given))}' .*left out where a server has the model"):
            generate(PROMPTS, parrot.name, Generation(**given), identity="run")

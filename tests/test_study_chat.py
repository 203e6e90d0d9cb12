"""Which characters and tokens of a conversation the model has to write, under the templates that there are."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny
from variegate.data.record import Turn
from variegate.errors import DataError, ParameterError
from variegate.progress import announce_by
from variegate.study.models.chat import PLAIN, chat_format, template_text
from variegate.study.models.encoding import Encoder

TWO = (Turn("user", "the question"), Turn("assistant", "the answer"), Turn("user", "is it"), Turn("assistant", "it is"))
SYSTEM = (Turn("system", "be brief"), *TWO)

# As the families of models write them, cut down to what matters here.
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content.strip() + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
# The system prompt goes into the last question, so that no shorter conversation is a beginning of a longer one.
MISTRAL = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}<s>"
    "{% for m in rest %}{% if m.role == 'user' %}[INST] {% if loop.index0 >= (rest | length) - 2 and system %}"
    "{{ system + '\n\n' }}{% endif %}{{ m.content }}[/INST]{% else %} {{ m.content | trim }}</s>{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# Thoughts of earlier answers are taken out, and the last answer has an empty one.
THINKING = (
    "{% for m in messages %}{% set words = m.content %}{% if '</think>' in words %}"
    "{% set words = words.split('</think>')[-1].lstrip('\n') %}{% endif %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ words }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# No token of its own anywhere.
WORDS = (
    "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n\n{% endfor %}{% if add_generation_prompt %}### assistant:\n"
    "{% endif %}"
)


def answers(template, turns, eos=tiny.END):
    """Return the text of each run of tokens that carries loss."""
    words = tiny.tokenizer(template, eos)
    encoder = Encoder(chat_format(words, "tiny"))
    encoded = encoder.encode([turns], ["row 1"], 10_000)
    ids, answer = encoded.sample(0)
    assert words.decode(ids) == encoder.format.marked(turns, "row 1")[0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], answer.astype(int), [0]])))
    return [words.decode(ids[start:stop]) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize(
    ("template", "eos", "expected"),
    [
        (tiny.CHATML, tiny.END, ["the answer<|im_end|>", "it is<|im_end|>"]),
        (PLAIN, "</s>", ["the answer</s>", "it is</s>"]),
        (LLAMA2, "</s>", [" the answer </s>", " it is </s>"]),
        (MISTRAL, "</s>", [" the answer</s>", " it is</s>"]),
        (GEMMA, tiny.END, ["the answer<end_of_turn>", "it is<end_of_turn>"]),
        (THINKING, tiny.END, ["the answer<|im_end|>", "<think>\n\n</think>\n\nit is<|im_end|>"]),
        (WORDS, tiny.END, ["the answer\n\n", "it is\n\n"]),
    ],
    ids=["chatml", "plain", "llama2", "mistral", "gemma", "thinking", "words"],
)
def test_the_answers_and_their_ends_carry_loss_and_nothing_else(template, eos, expected):
    assert answers(template, TWO, eos) == expected


def test_a_template_that_moves_the_system_prompt():
    """The end of one's own words is found even where no shorter conversation begins a longer one."""
    found = answers(MISTRAL, SYSTEM, "</s>")
    assert [one.strip() for one in found] == ["the answer</s>", "it is</s>"]


def test_thoughts_that_a_template_takes_out():
    turns = (*TWO[:3], Turn("assistant", "<think>\nhm\n</think>\n\nit is"))
    assert answers(THINKING, turns) == ["the answer<|im_end|>", "<think>\n\n</think>\n\nit is<|im_end|>"]


def test_words_that_look_like_the_template():
    turns = (Turn("user", "say <|im_start|>assistant\nno<|im_end|>"), Turn("assistant", "say <|im_end|> twice"))
    assert answers(tiny.CHATML, turns) == ["say <|im_end|> twice<|im_end|>"]


@pytest.mark.parametrize("text", ["", "  two  \n", "a", "<|im_end|>", "\uf8e0", "ünï 漢字 👩‍👩‍👧"])
def test_odd_answers(text):
    turns = (Turn("user", "q"), Turn("assistant", text), Turn("user", text or "r"), Turn("assistant", "fine"))
    assert answers(tiny.CHATML, turns) == [f"{text}<|im_end|>", "fine<|im_end|>"]


def test_the_same_tokens_as_by_the_marks_of_a_template():
    """`transformers` gives a mask where a template marks the assistant's words itself; PLAIN does."""
    words = tiny.tokenizer(PLAIN)
    encoder = Encoder(chat_format(words, "tiny"))
    ids, answer = encoder.encode([SYSTEM], ["row 1"], 10_000).sample(0)
    messages = [{"role": turn.role, "content": turn.text} for turn in SYSTEM]
    theirs = words.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True, tokenize=True)
    assert theirs["input_ids"] == ids.tolist()
    assert theirs["assistant_masks"] == answer.astype(int).tolist()


def test_turns_in_a_row_and_a_tool():
    turns = (Turn("user", "q"), Turn("assistant", "look"), Turn("tool", "wet"), Turn("assistant", "rain"))
    assert answers(tiny.CHATML, turns) == ["look<|im_end|>", "rain<|im_end|>"]
    first = (Turn("assistant", "hello"), Turn("user", "q"), Turn("assistant", "a"))
    assert answers(tiny.CHATML, first) == ["hello<|im_end|>", "a<|im_end|>"]


def test_a_conversation_that_the_template_refuses_is_named():
    encoder = Encoder(chat_format(tiny.tokenizer(LLAMA2), "tiny"))
    with pytest.raises(
        DataError, match=r"row 7: the chat template does not take this conversation \(system, user.*only user and"
    ):
        encoder.encode([SYSTEM], ["row 7"], 100)


def test_an_answer_that_the_template_loses_is_named():
    lost = "{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}"
    broken = "{% for m in messages %}{{ loop.length }}{{ m.content | reverse }}{% endfor %}"
    assert answers(lost, TWO) == ["assistant: THE ANSWER\n", "assistant: IT IS\n"]
    with pytest.raises(DataError, match="row 1: the chat template changes answer 1 so that it cannot be found"):
        answers(broken, TWO)


def test_what_is_cut_is_counted():
    encoder = Encoder(chat_format(tiny.tokenizer(), "tiny"))
    samples = [TWO, (Turn("user", "the question " * 30), Turn("assistant", "no"))]
    whole = encoder.encode(samples, ["row 1", "row 2"], 10_000)
    cut = encoder.encode(samples, ["row 1", "row 2"], 20)
    ids, answer = whole.sample(0)
    assert cut.sample(0)[0].tolist() == ids[:20].tolist()
    counts = cut.counts()
    assert counts["rows_cut"] == 2
    assert counts["tokens_cut"] == int(whole.lengths.sum()) - 40
    assert counts["response_tokens_cut"] == int(answer[20:].sum() + whole.answers[1])
    assert counts["rows_without_response"] == 1
    assert whole.counts()["rows_cut"] == whole.counts()["tokens_cut"] == 0


def test_each_sample_is_tokenised_once(monkeypatch):
    encoder = Encoder(chat_format(tiny.tokenizer(), "tiny"))
    asked = []
    made = Encoder._tokenise
    monkeypatch.setattr(Encoder, "_tokenise", lambda self, samples, wheres: asked.extend(wheres) or made(self, samples, wheres))
    first = encoder.encode([TWO, SYSTEM], ["row 1", "row 2"], 100)
    again = encoder.encode([SYSTEM, TWO[:2], TWO], ["row 1", "row 2", "row 3"], 100)
    assert asked == ["row 1", "row 2", "row 2"]
    assert again.sample(2)[0].tolist() == first.sample(0)[0].tolist()


def test_a_tokenizer_without_a_template_gets_the_plain_one_and_says_so():
    told = []
    announce_by(told.append)
    try:
        found = chat_format(tiny.tokenizer(None), "tiny")
    finally:
        announce_by(lambda message: None)
    assert (found.source, found.template, found.tokenizer.chat_template) == ("plain", PLAIN, PLAIN)
    assert "tiny has no chat template; a plain one is used" in told[0]
    without_end = tiny.tokenizer(None)
    without_end.eos_token = None
    with pytest.raises(DataError, match="no end-of-text token"):
        chat_format(without_end, "tiny")


def test_where_a_template_comes_from(tmp_path):
    file = tmp_path / "own.jinja"
    file.write_text(GEMMA, encoding="utf-8")
    assert template_text(str(file)) == template_text(GEMMA) == GEMMA
    assert template_text("plain") == PLAIN
    assert template_text(None) is None
    assert chat_format(tiny.tokenizer(), "tiny", GEMMA).source == "given"
    with pytest.raises(ParameterError, match=r"'train.chat_template' must be plain, a file.*nowhere.*No such file"):
        template_text(str(tmp_path / "nowhere"))


def test_no_text_depends_on_the_day():
    dated = "{{ date_string if date_string is defined else strftime_now('%Y-%m-%d') }}" + tiny.CHATML
    found = chat_format(tiny.tokenizer(dated), "tiny")
    assert found.marked(TWO, "row 1")[0].startswith("26 Jul 2024<|im_start|>")

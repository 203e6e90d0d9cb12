"""Prompt files: what is read from each shape, what is refused and where it is said to stand, which prompts are drawn."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import pytest

import variegate as vg
from tests.conftest import SHARED
from variegate.study.evaluation.prompts import Prompt, choose_prompts, read_prompts, reference_names

EVAL = SHARED / "data" / "eval_prompts.jsonl"


def written(folder: Path, *rows: object, name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


SHAPES = {
    "prompt alone": ({"prompt": "Hi"}, Prompt("mine/0", "mine", None, ("Hi",))),
    "ours": (
        {
            "id": "a/1", "set": "a", "category": "c", "prompt": "Hi", "turns": ["Hi", "Again"],
            "references": {"gpt": ["Hello", "Hello again"], "none": None}, "extra": {"difficulty": 1},
        },
        Prompt("a/1", "a", "c", ("Hi", "Again"), (), {"gpt": ("Hello", "Hello again")}, {"difficulty": 1}),
    ),
    "one answer as a text": (
        {"prompt": "Hi", "references": {"gpt": "Hello"}},
        Prompt("mine/0", "mine", None, ("Hi",), (), {"gpt": ("Hello",)}),
    ),
    "MT-Bench": (
        {"question_id": 81, "category": "math", "turns": ["One?", "Two?"], "reference": ["1", "2"]},
        Prompt("mine/81", "mine", "math", ("One?", "Two?"), (), {"reference": ("1", "2")}),
    ),
    "Arena-Hard": (
        {"uid": "f00", "category": "hard", "turns": [{"content": "Why?"}]},
        Prompt("mine/f00", "mine", "hard", ("Why?",)),
    ),
    "AlpacaEval": (
        {"instruction": "Add", "input": "1 1", "output": "2", "generator": "davinci", "dataset": "helpful"},
        Prompt("mine/0", "mine", "helpful", ("Add\n1 1",), (), {"davinci": ("2",)}),
    ),
    "AlpacaEval without answers": ({"instruction": "Add", "input": ""}, Prompt("mine/0", "mine", None, ("Add",))),
    "messages": (
        {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}]},
        Prompt("mine/0", "mine", None, ("Hi",), ({"role": "system", "content": "Be brief"},)),
    ),
    "messages that are answered": (
        {
            "messages": [
                {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."},
            ]
        },
        Prompt(
            "mine/0", "mine", None, ("Why?",),
            ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}), {"reference": ("So.",)},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape, tmp_path):
    row, expected = SHAPES[shape]
    assert read_prompts(written(tmp_path, row)) == [expected]


BAD = {
    "no fields": ({"text": "Hi"}, "has none of the fields that hold a prompt: prompt, turns, messages, instruction"),
    "no object": ("[1]", "is a list, not an object"),
    "no JSON": ("{", "not valid JSON"),
    "empty": ({"prompt": " "}, "'prompt' must be a text that is not empty"),
    "number": ({"prompt": 1}, r"'prompt' must be a text that is not empty \(got 1\)"),
    "turns differ": ({"prompt": "a", "turns": ["b"]}, "'turns' must begin with what 'prompt' says"),
    "no turns": ({"turns": []}, "'turns' must be a list of texts"),
    "empty turn": ({"turns": ["a", ""]}, r"'turns\[1\]' must be a text"),
    "references a list": ({"prompt": "a", "references": ["b"]}, "'references' must be an object of names and answers"),
    "too few answers": (
        {"turns": ["a", "b"], "reference": ["c"]},
        "'references.reference' must have one answer a turn: 2, not 1",
    ),
    "answer a number": ({"prompt": "a", "references": {"x": [1]}}, "'references.x' must be a text, or a list"),
    "role": ({"messages": [{"role": "tool", "content": "a"}]}, r"'messages\[0\]' must have a 'role' of system, user, assistant"),
    "content": ({"messages": [{"role": "user", "content": ["a"]}]}, r"'messages\[0\].content' must be a text"),
    "no user": ({"messages": [{"role": "assistant", "content": "a"}]}, "'messages' must end with a message of the user"),
    "system last": ({"messages": [{"role": "system", "content": "a"}]}, "'messages' must end with a message of the user"),
    "category": ({"prompt": "a", "category": 3}, r"'category' must be a string \(got 3\)"),
    "id": ({"prompt": "a", "id": 1.5}, "'id' must be a string or a whole number"),
    "extra": ({"prompt": "a", "extra": 1}, "'extra' must be an object"),
    "twice": ({"prompt": "a", "id": "good"}, r"the id 'good' stands in .*mine\.jsonl, line 1 too"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_rows_are_named(kind, tmp_path):
    row, message = BAD[kind]
    with pytest.raises(vg.DataError, match=rf"mine\.jsonl, line 2: .*{message}"):
        read_prompts(written(tmp_path, {"prompt": "Hi", "id": "good"}, row))


def test_files_that_are_none(tmp_path):
    with pytest.raises(vg.DataError, match="cannot be read"):
        read_prompts(tmp_path / "absent.jsonl")
    with pytest.raises(vg.DataError, match="the file is empty"):
        read_prompts(written(tmp_path))
    with pytest.raises(vg.ParameterError, match="at least one file"):
        read_prompts()


def test_several_files(tmp_path):
    one, two = written(tmp_path, {"prompt": "a"}, name="one.jsonl"), written(tmp_path, {"prompt": "b"}, name="two.jsonl")
    assert [prompt.id for prompt in read_prompts(one, two)] == ["one/0", "two/0"]
    with pytest.raises(vg.DataError, match=r"the id 'one/0' stands in .*one\.jsonl, line 1 too"):
        read_prompts(one, one)


def prompts_of(number: int) -> list[Prompt]:
    return [
        Prompt(f"s{at % 2}/{at}", f"s{at % 2}", f"c{at % 3}" if at % 3 else None, ("Hi",), (), {"r": ("x",)} if at < 4 else {})
        for at in range(number)
    ]


def test_choosing(tmp_path):
    prompts = prompts_of(12)
    assert choose_prompts(prompts) == prompts
    assert [prompt.id for prompt in choose_prompts(prompts, sets=["s1"], categories=["c1"])] == ["s1/1", "s1/7"]
    assert choose_prompts(prompts, reference="r") == prompts[:4]
    assert reference_names(prompts) == {"r": 4}
    for given, message in (
        ({"sets": ["S1"]}, "Unknown prompt set 'S1'. Did you mean s1"),
        ({"categories": ["c9"]}, "Unknown category 'c9'"),
        ({"reference": "gpt"}, "Unknown reference 'gpt'. Known: r"),
        ({"number": 13}, r"a number of prompts in \[1, 12\]. Got 13"),
        ({"number": 0}, r"a number of prompts in \[1, 12\]. Got 0"),
    ):
        with pytest.raises(vg.ParameterError, match=message):
            choose_prompts(prompts, **given)
    with pytest.raises(vg.ParameterError, match="left out, since no prompt here has one"):
        choose_prompts(prompts[4:], reference="r")


def test_a_sample_is_seeded_nested_and_even():
    prompts = prompts_of(200)
    small, large = (choose_prompts(prompts, number=number, seed=1) for number in (20, 80))
    assert len(small) == 20
    assert [prompt for prompt in prompts if prompt in small] == small
    assert all(prompt in large for prompt in small)
    assert choose_prompts(prompts[::-1], number=20, seed=1) == small[::-1]
    assert choose_prompts(prompts, number=20, seed=2) != small
    # Each prompt is drawn about equally often: 40 of 200 in 300 draws, so 60 times with a deviation of 6.9.
    drawn = collections.Counter(prompt.id for seed in range(300) for prompt in choose_prompts(prompts, number=40, seed=seed))
    assert sum(drawn.values()) == 12_000
    assert 30 < min(drawn.values()) <= max(drawn.values()) < 90


@pytest.mark.skipif(not EVAL.is_file(), reason="the shared data is not beside this checkout")
def test_the_collected_prompt_sets():
    prompts = read_prompts(EVAL)
    assert len(prompts) == 5428
    assert collections.Counter(prompt.set for prompt in prompts)["alpaca_eval"] == 805
    assert reference_names(choose_prompts(prompts, sets=["alpaca_eval"])) == {
        "text_davinci_003": 805, "gpt4": 805, "gpt4_1106_preview": 805,
    }  # fmt: skip
    two_turns = choose_prompts(prompts, sets=["mt_bench"], reference="gpt-4")
    assert len(two_turns) == 30
    assert all(len(prompt.turns) == len(prompt.references["gpt-4"]) == 2 for prompt in two_turns)

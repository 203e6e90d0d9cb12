"""Data in the shapes that people have it in: what is read of a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import variegate as vg
from tests.shapes import CHAT, PLAY, jsonl, listing, said, sides_of_first, table, turn

RAW_SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "raw_samples"


pytestmark = pytest.mark.usefixtures("here")


ALPACA = {"instruction": "Sort the numbers.", "input": "3 1 2", "output": "1 2 3"}


SORTED = ("Sort the numbers.\n3 1 2", "1 2 3", "Sort the numbers.\n3 1 2\n1 2 3")


BARE = ("Sort the numbers.", "1 2 3", "Sort the numbers.\n1 2 3")


AHOY = ("Play a pirate.", "Ahoy!", "Play a pirate.\nAhoy!")


TREE = ("What is the tallest tree?", "The coast redwood.", "What is the tallest tree?\nThe coast redwood.")


VICUNA = {
    "id": "identity_3",
    "conversations": [
        said("human", "Who are you?"),
        said("gpt", "A parrot."),
        said("human", "Since when?"),
        said("gpt", "Monday."),
    ],
}


PARROT = ("Who are you?\nSince when?", "A parrot.\nMonday.", "Who are you?\nA parrot.\nSince when?\nMonday.")


CALL = {"name": "weather", "arguments": {"city": "Köln"}}


CALLED = json.dumps([CALL], ensure_ascii=False)


# name -> file, content, schema, instruction, response and both of the first row
LOADED: dict[str, tuple[str, bytes, str, str | None, str, str]] = {
    "alpaca": ("a.json", listing(ALPACA), "alpaca", *SORTED),
    "alpaca on one line, empty input": (
        "a.json", json.dumps([{**ALPACA, "input": ""}]).encode(), "alpaca", *BARE,
    ),
    "alpaca, input null": ("a.jsonl", jsonl({**ALPACA, "input": None}), "alpaca", *BARE),
    "alpaca in Chinese": (
        "a.json", listing({"instruction": "树有多高？", "input": "", "output": "一百米。"}), "alpaca",
        "树有多高？", "一百米。", "树有多高？\n一百米。",
    ),
    "alpaca, empty history": ("a.json", listing({**ALPACA, "history": []}), "alpaca", *SORTED),
    "alpaca, history": (
        "a.json",
        listing({"instruction": "And Italy?", "output": "Rome.", "history": [["France?", "Paris."], ["Spain?", "Madrid."]]}),
        "alpaca", "France?\nSpain?\nAnd Italy?", "Paris.\nMadrid.\nRome.", "France?\nParis.\nSpain?\nMadrid.\nAnd Italy?\nRome.",
    ),
    "alpaca, system": ("a.json", listing({**ALPACA, "system": "Be brief."}), "alpaca", *SORTED),
    "alpaca with other columns": (
        "a.jsonl", jsonl({**ALPACA, "id": 7, "text": "### Instruction: ...", "kwargs": {}}),
        "alpaca", *SORTED,
    ),
    "gpteacher": ("a.json", listing(PLAY), "instruction-response", *AHOY),
    "codealpaca, output and response alike": (
        "a.json", listing({"instruction": "Print 1.", "input": "", "output": "print(1)", "response": "print(1)"}),
        "alpaca", "Print 1.", "print(1)", "Print 1.\nprint(1)",
    ),
    "sharegpt": (
        "a.jsonl", jsonl({"id": "1f", "source": "evol", "conversations": [said("human", "Is 7 prime?"), said("gpt", "Yes.")]}),
        "sharegpt", "Is 7 prime?", "Yes.", "Is 7 prime?\nYes.",
    ),
    "sharegpt that begins with the model": (
        "a.json", listing({"conversations": [said("gpt", "Welcome."), said("human", "Thanks"), said("gpt", "Sure.")]}),
        "sharegpt", "Thanks", "Welcome.\nSure.", "Welcome.\nThanks\nSure.",
    ),
    "vicuna": ("a.json", listing(VICUNA), "sharegpt", *PARROT),
    "sharegpt with tools": (
        "a.json",
        listing({
            "conversations": [
                said("system", "You may call tools."), said("human", "Rain in Köln?"),
                said("function_call", '{"name": "weather"}'),
                said("observation", '{"rain": true}'), said("gpt", "Yes, it rains."),
            ],
            "system": "Be kind.", "tools": '[{"name": "weather"}]',
        }),
        "sharegpt", "Rain in Köln?", '{"name": "weather"}\nYes, it rains.',
        'Rain in Köln?\n{"name": "weather"}\n{"rain": true}\nYes, it rains.',
    ),
    "openai messages": ("a.jsonl", jsonl({"messages": [turn("system", "Be brief."), *CHAT["messages"]]}), "messages", *TREE),
    "openai messages, agent": (
        "a.jsonl",
        jsonl(
            {"messages": [
                turn("user", "Find x."), turn("assistant", "Action: search"),
                turn("user", "Observation: 4"), turn("assistant", "x = 4"),
            ]},
        ),
        "messages", "Find x.\nObservation: 4", "Action: search\nx = 4", "Find x.\nAction: search\nObservation: 4\nx = 4",
    ),
    "messages with content parts and weights": (
        "a.jsonl",
        jsonl({"messages": [
            turn("user", [{"type": "text", "value": "hi"}, {"type": "text", "value": "there"}], loss_weight=0.0),
            turn("assistant", [{"type": "text", "value": "Hello!"}], loss_weight=1.0),
        ]}),
        "messages", "hi\nthere", "Hello!", "hi\nthere\nHello!",
    ),
    "messages with reasoning and tool calls": (
        "a.jsonl",
        jsonl({"messages": [
            turn("user", [{"type": "text", "text": "Rain?"}, {"type": "image_url", "image_url": {"url": "x"}}]),
            turn(
                "assistant", [{"type": "reasoning", "value": "I must look."}, {"type": "text", "value": "One moment."}],
                tool_calls=[CALL],
            ),
            turn("tool", [{"type": "text", "text": "dry"}]),
            turn("assistant", None, tool_calls=[CALL]),
            turn("tool", "dry"),
            turn("assistant", [{"type": "thinking", "thinking": "So no."}, {"type": "text", "text": "No."}]),
        ]}),
        "messages", "Rain?", f"I must look.\nOne moment.\n{CALLED}\n{CALLED}\nSo no.\nNo.",
        f"Rain?\nI must look.\nOne moment.\n{CALLED}\ndry\n{CALLED}\ndry\nSo no.\nNo.",
    ),
    "kto": ("a.json", listing({**CHAT, "label": True}, {**CHAT, "label": False}), "messages", *TREE),
    "pretraining text": (
        "a.jsonl", jsonl({"text": "No problem. Trees grow."}), "text", None, "No problem. Trees grow.", "No problem. Trees grow.",
    ),
    "p3": (
        "a.jsonl", jsonl({"prompt": "Given: a dog.\nIs it a cat?", "completion": "No"}), "prompt-completion",
        "Given: a dog.\nIs it a cat?", "No", "Given: a dog.\nIs it a cat?\nNo",
    ),
    "prompt and completion as messages": (
        "a.jsonl", jsonl({"prompt": CHAT["messages"][:1], "completion": CHAT["messages"][1:]}), "prompt-completion", *TREE,
    ),
    "lines under .json": ("a.json", jsonl(PLAY, PLAY), "instruction-response", *AHOY),
    "a list under .jsonl": ("a.jsonl", listing(PLAY, PLAY), "instruction-response", *AHOY),
    "a list on one line under .jsonl": ("a.jsonl", json.dumps([PLAY, PLAY]).encode(), "instruction-response", *AHOY),
    "one row under .json": ("a.json", json.dumps(PLAY, indent=1).encode(), "instruction-response", *AHOY),
    "byte order mark, lines": ("a.jsonl", b"\xef\xbb\xbf" + jsonl(PLAY), "instruction-response", *AHOY),
    "byte order mark, list": ("a.json", b"\xef\xbb\xbf" + listing(PLAY), "instruction-response", *AHOY),
    "byte order mark, csv": (
        "a.csv", b"\xef\xbb\xbf" + table(["instruction", "response"], ["Hi", "Ho"]), "instruction-response", "Hi", "Ho", "Hi\nHo",
    ),
    "carriage returns, lines": ("a.jsonl", jsonl(PLAY, PLAY).replace(b"\n", b"\r\n"), "instruction-response", *AHOY),
    "carriage returns, list": ("a.json", listing(PLAY).replace(b"\n", b"\r\n"), "instruction-response", *AHOY),
    "carriage returns, csv": (
        "a.csv", table(["instruction", "response"], ['Say "a, b"\nnow', "a, b"], end="\r\n"), "instruction-response",
        'Say "a, b"\nnow', "a, b", 'Say "a, b"\nnow\na, b',
    ),
    "carriage returns, tsv": (
        "a.tsv", table(["prompt", "completion"], ["x, y", "z"], delimiter="\t", end="\r\n"), "prompt-completion", "x, y", "z",
        "x, y\nz",
    ),
    "capital ending": ("A.JSONL", jsonl(PLAY), "instruction-response", *AHOY),
    "line separators inside a text": (
        "a.jsonl", jsonl({"instruction": "a\u2028b\x85c", "response": "d\x0be"}), "instruction-response", "a\u2028b\x85c",
        "d\x0be", "a\u2028b\x85c\nd\x0be",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOADED)
def test_a_shape_that_loads(name):
    file, content, schema, instruction, response, both = LOADED[name]
    Path(file).write_bytes(content)
    pool = vg.load(file)
    (source,) = pool.sources
    assert (source.schema.name, source.detected) == (schema, True)
    expected = {"instruction": instruction, "response": response, "both": both}
    assert sides_of_first(pool) == {side: text for side, text in expected.items() if text is not None}
    assert bool(source.notes) == (name == "kto")


def test_kto_labels_are_told():
    Path("a.json").write_bytes(listing({**CHAT, "label": True}, {**CHAT, "label": False}))
    pool = vg.load("a.json")
    assert len(pool) == 2
    assert "KTO" in pool.sources[0].notes[0]


def test_vectors_under_a_capital_ending():
    import numpy as np

    with Path("V.NPY").open("wb") as stream:
        np.save(stream, np.eye(3))
    pool = vg.load("V.NPY")
    assert pool.vectors().shape == (3, 3)


# --- the real files

# What each is: the schema that it loads by, or what its refusal says.
REAL = {
    "alpaca_cleaned_25.json": "alpaca",
    "alpaca_instruction_input_output.json": "alpaca",
    "alpaca_zh.json": "alpaca",
    "botbots_utterances.json": "'utterances' is a list of lists",
    "dpo_chosen_rejected.json": "preference pairs",
    "flan_cot.tsv": "the first line does not look like field names",
    "gpteacher_instruction_input_response.json": "instruction-response",
    "ifeval_prompts.jsonl": "prompt-only",
    "instructionwild_prompts_only.jsonl": "prompts without responses",
    "kto_labelled.json": "messages",
    "lima_long_answers.json": "alpaca",
    "messages_content_parts_loss_weight.jsonl": "messages",
    "moss_plugin_calculator.json": "is one JSON object",
    "mt_bench_turns.jsonl": "prompts without responses",
    "nl2bash.cm": "line-parallel text files",
    "nl2bash.nl": "line-parallel text files",
    "openai_messages_chat.jsonl": "messages",
    "opengpt_nhs_raw_output.csv": "chat markers",
    "p3_prompt_completion.jsonl": "prompt-completion",
    "pretrain_text_only.jsonl": "text",
    "pubmedqa_keyed_dict_head.txt": "looks like JSON under an ending that is not known",
    "ruozhiba_zh.json": "alpaca",
    "sgd_dialogue_turns.json": "--columns messages=turns,role=speaker,content=utterance,user=USER,assistant=SYSTEM",
    "sharegpt_conversations.jsonl": "sharegpt",
    "sharegpt_multiturn_vicuna.json": "sharegpt",
    "shepherd_feedback.jsonl": "--columns instruction=question,response=answer",
    "super_ni_task_object.json": "'Instances'",
}


@pytest.mark.skipif(not RAW_SAMPLES.is_dir(), reason="the collection of raw files is not beside this checkout")
def test_every_real_file_loads_or_is_refused_by_name():
    files = sorted(RAW_SAMPLES.iterdir())
    assert {path.name for path in files} >= set(REAL)
    for path in files:
        expected = REAL.get(path.name)
        try:
            pool = vg.load(path)
        except vg.DataError as error:
            assert str(error).startswith(str(path))
            assert expected is None or expected in str(error), path.name
            continue
        assert len(pool) == pool.row_count > 0
        assert all(text.strip() for text in pool.texts("response" if "response" in pool.sides else "instruction").to_pylist())
        assert expected is None or pool.sources[0].schema.name == expected, path.name

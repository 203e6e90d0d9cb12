"""Data in the shapes that people have it in: what is read of a row, or a refusal whose way out is then taken."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

import variegate as vg
from variegate.cli.options import pairs

RAW_SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "raw_samples"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def listing(*rows: Any) -> bytes:
    return json.dumps(rows, indent=2, ensure_ascii=False).encode()


def table(*rows: list[str], delimiter: str = ",", end: str = "\n") -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    return stream.getvalue().encode()


def turn(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def said(who: str, value: str) -> dict[str, str]:
    return {"from": who, "value": value}


ALPACA = {"instruction": "Sort the numbers.", "input": "3 1 2", "output": "1 2 3"}
SORTED = ("Sort the numbers.\n3 1 2", "1 2 3", "Sort the numbers.\n3 1 2\n1 2 3")
BARE = ("Sort the numbers.", "1 2 3", "Sort the numbers.\n1 2 3")
PLAY = {"instruction": "Play a pirate.", "input": "", "response": "Ahoy!"}
AHOY = ("Play a pirate.", "Ahoy!", "Play a pirate.\nAhoy!")
CHAT = {"messages": [turn("user", "What is the tallest tree?"), turn("assistant", "The coast redwood.")]}
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


def sides_of_first(corpus: vg.Corpus) -> dict[str, str]:
    return {side: corpus.texts(side)[0].as_py() for side in corpus.sides}


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


# --- refusals, and the way out that each names


def refusal(file: str) -> str:
    with pytest.raises(vg.DataError, match=re.escape(file)) as refused:
        vg.load(file)
    return str(refused.value)


BOTBOTS = {"sample_id": 0, "agent1": "You sell.", "utterances": [["agent1", "Good day."], ["agent2", "I need a lamp."]]}
SGD = {
    "dialogue_id": "4_1", "services": ["Buses_1"],
    "turns": [
        {"frames": [], "speaker": "USER", "utterance": "A bus."}, {"frames": [], "speaker": "SYSTEM", "utterance": "Where to?"},
    ],
}  # fmt: skip
DPO = {"conversations": [said("human", "Name a game.")], "chosen": said("gpt", "Chess, and why."), "rejected": said("gpt", "No.")}
PUBMEDQA = {"21": {"QUESTION": "Do leaves fall?", "CONTEXTS": ["In autumn."], "LONG_ANSWER": "They do.", "final_decision": "yes"}}
SUPER_NI = {
    "Contributors": ["A. Nobody"], "Definition": ["Write a title."],
    "Positive Examples": [{"input": "x", "output": "y", "explanation": "z"}],
    "Instances": [{"id": "t-1", "input": f"Text {at}", "output": ["A title"]} for at in range(4)],
}  # fmt: skip
MOSS = {
    "conversation_id": 1,
    "meta_instruction": "You are ...",
    "num_turns": 1,
    "chat": {"turn_1": {"Human": "1 + 1?", "MOSS": "2"}},
    "category": "Math",
}
MARKED = '"<|user|> Is tea hot? <|eos|> <|ai|> Mostly. <|eos|> <|eod|>"'

# Refusals whose way out is an option: name -> file, content, the refusal, what it must tell to pass, instruction, response
OPTIONS: dict[str, tuple[str, bytes, str, str, str | None, str | None]] = {
    "dpo": ("a.json", listing(DPO), "preference pairs", "--schema preference", "Name a game.", "Chess, and why."),
    "dpo of strings": (
        "a.jsonl", jsonl({"prompt": "p", "chosen": "c", "rejected": "r"}), "preference pairs", "--schema preference", "p", "c",
    ),
    "dpo that repeats the prompt": (
        "a.jsonl", jsonl({"prompt": CHAT["messages"][:1], "rejected": [], "chosen": CHAT["messages"]}), "preference pairs",
        "--schema preference", "What is the tallest tree?", "The coast redwood.",
    ),
    "gsm8k": (
        "a.jsonl", jsonl({"question": "1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"}), "no schema",
        "--columns instruction=question,response=answer", "1 + 1?", "1 + 1 = <<1+1=2>>2\n#### 2",
    ),
    "shepherd": (
        "a.jsonl", jsonl({"id": 0, "dataset": "GSM8K", "question": "2 + 2?", "answer": "5", "feedback": "It is 4."}),
        "no schema", "--columns instruction=question,response=answer", "2 + 2?", "5",
    ),
    "ifeval": (
        "a.jsonl", jsonl({"key": 1000, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}),
        "prompts without responses", "--columns instruction=prompt --side instruction", "No commas.", None,
    ),
    "mt_bench": (
        "a.jsonl", jsonl({"question_id": 81, "category": "writing", "turns": ["Write a post.", "Now shorter."]}),
        "prompts without responses", "--columns instruction=turns --side instruction", "Write a post.\nNow shorter.", None,
    ),
    "instructionwild": (
        "a.jsonl", jsonl({"instruction": "Tell a joke."}), "prompts without responses",
        "--columns instruction=instruction --side instruction", "Tell a joke.", None,
    ),
    "sgd": (
        "a.json", listing(SGD), "'turns'", "--columns messages=turns,role=speaker,content=utterance,user=USER,assistant=SYSTEM",
        "A bus.", "Where to?",
    ),
    "chat markers in a csv": (
        "a.csv", f"text,raw_data_id\n{MARKED},0\n".encode(), "chat markers", "--schema text", None, MARKED.strip('"'),
    ),
    "codealpaca, output and response, the one": (
        "a.json", listing({"instruction": "Print 1.", "output": "print(1)", "response": "Use print."}),
        "both 'output' and 'response'",
        "--schema alpaca", "Print 1.", "print(1)",
    ),
    "codealpaca, output and response, the other": (
        "a.json", listing({"instruction": "Print 1.", "output": "print(1)", "response": "Use print."}),
        "both 'output' and 'response'",
        "--schema instruction-response", "Print 1.", "Use print.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_the_option_that_a_refusal_names_works(name):
    file, content, why, option, instruction, response = OPTIONS[name]
    Path(file).write_bytes(content)
    message = refusal(file)
    assert why in message
    assert option in message
    flag, value, *_ = option.split()
    pool = vg.load(file, schema=value) if flag == "--schema" else vg.load(file, columns=pairs(value, flag))
    found = sides_of_first(pool)
    assert (found.get("instruction"), found.get("response")) == (instruction, response)
    # Where the refusal names a side to measure, it is one that there is, and no other is.
    assert ("--side instruction" in option) == (list(found) == ["instruction"])


def asked_of_jq(message: str, document: Any) -> bytes:
    """Do what the refusal's jq command does."""
    path = re.search(r"""jq -c '\.(?:\["(?P<key>[^"]+)"\])?\[\]' FILE > rows\.jsonl""", message)
    assert path, message
    rows = document[path["key"]] if path["key"] else document
    return jsonl(*(rows.values() if isinstance(rows, dict) else rows))


def test_rows_under_a_key():
    document = {"version": 1, "data": [PLAY, PLAY], "tags": []}
    Path("a.json").write_text(json.dumps(document), encoding="utf-8")
    Path("rows.jsonl").write_bytes(asked_of_jq(refusal("a.json"), document))
    assert vg.load("rows.jsonl").rows() == [PLAY, PLAY]


def test_super_ni_says_at_the_end_what_is_in_the_way():
    Path("task.json").write_text(json.dumps(SUPER_NI, indent=4), encoding="utf-8")
    message = refusal("task.json")
    assert "is one JSON object" in message
    assert "'Instances'" in message
    Path("rows.jsonl").write_bytes(asked_of_jq(message, SUPER_NI))
    assert len(Path("rows.jsonl").read_bytes().splitlines()) == 4
    # The answers are there, as lists: these rows are no prompts without responses.
    assert re.search("'output' .*(list|must be a string)", refusal("rows.jsonl"))


def test_a_keyed_dictionary():
    Path("a.json").write_text(json.dumps({**PUBMEDQA, "22": PUBMEDQA["21"]}, indent=4), encoding="utf-8")
    message = refusal("a.json")
    assert "is one JSON object (keys: 21, 22)" in message
    Path("rows.jsonl").write_bytes(asked_of_jq(message, {**PUBMEDQA, "22": PUBMEDQA["21"]}))
    message = refusal("rows.jsonl")
    # The contexts are a list of texts, as prompts of several turns are, but there is an answer beside them.
    assert "instruction=CONTEXTS" not in message
    assert re.search(r"--columns instruction=(FIELD|QUESTION),response=", message)
    pool = vg.load("rows.jsonl", columns={"instruction": "QUESTION", "response": "LONG_ANSWER"})
    assert sides_of_first(pool) == {"instruction": "Do leaves fall?", "response": "They do.", "both": "Do leaves fall?\nThey do."}


def test_the_head_of_a_keyed_dictionary_under_txt():
    Path("head.txt").write_text(json.dumps(PUBMEDQA, indent=4)[:-40], encoding="utf-8")
    assert "looks like JSON under an ending that is not known. Rename it to .json or .jsonl" in refusal("head.txt")
    Path("head.txt").rename("head.json")
    assert re.search(r"head\.json, line \d+: is not valid JSON: .* at column \d+", refusal("head.json"))


def test_moss_is_one_object_and_wants_rows():
    Path("moss.json").write_text(json.dumps(MOSS, indent=4), encoding="utf-8")
    message = refusal("moss.json")
    assert "is one JSON object (keys: conversation_id, meta_instruction, num_turns, chat, category)" in message
    assert "Write it as a list of rows, each with the fields of one schema (`variegate list schemas`)" in message
    one = MOSS["chat"]["turn_1"]
    Path("rows.json").write_bytes(listing({"instruction": one["Human"], "response": one["MOSS"]}))
    assert sides_of_first(vg.load("rows.json"))["both"] == "1 + 1?\n2"


def test_botbots_wants_turns_as_objects_under_messages():
    Path("a.json").write_bytes(listing(BOTBOTS))
    message = refusal("a.json")
    assert "'utterances' is a list of lists" in message
    example = re.search(r"write each as an object, (\{.*?\}), under the name (\w+)", message)
    assert example
    assert set(json.loads(example[1])) == {"role", "content"}
    roles = {"agent1": "assistant", "agent2": "user"}
    turns = [turn(roles[who], text) for who, text in BOTBOTS["utterances"]]
    Path("b.json").write_bytes(listing({**BOTBOTS, example[2]: turns}))
    assert sides_of_first(vg.load("b.json")) == {
        "instruction": "I need a lamp.",
        "response": "Good day.",
        "both": "Good day.\nI need a lamp.",
    }


@pytest.mark.parametrize(("file", "delimiter"), [("cot.tsv", "\t"), ("cot.csv", ",")], ids=["tsv", "csv"])
def test_a_table_without_a_header(file, delimiter):
    rows = [["Could a snail win a marathon?", "no", "Snails are slow."], ["Is ice cold?", "yes", "It is frozen."]]
    Path(file).write_bytes(table(*rows, delimiter=delimiter))
    message = refusal(file)
    assert "does not look like field names ('Could a snail win a marathon?'" in message
    names = re.search(r"Put a line of names on top, for example: (.*)\.$", message)
    assert names
    Path(file).write_bytes(table([*names[1].split(", "), "rationale"], *rows, delimiter=delimiter))
    pool = vg.load(file)
    assert (len(pool), sides_of_first(pool)["both"]) == (2, "Could a snail win a marathon?\nno")


def test_two_line_parallel_files():
    asked, done = ["list all files", 'print the word "end" of a,b'], ["ls -a", "awk 'END { print \"end\" }'"]
    Path("bash.nl").write_text("\n".join(asked) + "\n", encoding="utf-8")
    Path("bash.cm").write_text("\n".join(done) + "\n", encoding="utf-8")
    for file in ("bash.nl", "bash.cm"):
        message = refusal(file)
        assert r"paste -d'\t' INSTRUCTIONS RESPONSES with a first line of names, saved as .tsv" in message
    joined = ["instruction\tresponse", *map("\t".join, zip(asked, done, strict=True))]
    Path("bash.tsv").write_text("\n".join(joined) + "\n", encoding="utf-8")
    pool = vg.load("bash.tsv")
    assert pool.texts("instruction").to_pylist() == asked
    assert pool.texts("response").to_pylist() == done


def test_line_parallel_files_with_a_quote_at_the_start_of_a_line():
    # paste knows no quotes, so what the refusal of such files proposes must not need any.
    joined = 'instruction\tresponse\n"ls" explained\tIt lists.\nprint all\t"$@"\n'
    Path("bash.tsv").write_text(joined, encoding="utf-8")
    pool = vg.load("bash.tsv")
    assert pool.texts("instruction").to_pylist() == ['"ls" explained', "print all"]
    assert pool.texts("response").to_pylist() == ["It lists.", '"$@"']


def test_a_list_that_is_never_closed():
    Path("a.json").write_bytes(listing(PLAY, PLAY).rstrip(b"]\n "))
    message = refusal("a.json")
    assert "the list that opens the file is never closed" in message
    assert "close the list with ']' after the last whole row" in message
    Path("a.json").write_bytes(Path("a.json").read_bytes() + b"]")
    assert vg.load("a.json").rows() == [PLAY, PLAY]


@pytest.mark.parametrize(("encoding", "file"), [("utf-16", "a.jsonl"), ("utf-16", "a.csv"), ("latin1", "b.csv")])
def test_the_conversion_that_a_refusal_names_works(encoding, file):
    text = (table(["instruction", "response"], ["Thé ?", "Café"]) if file.endswith("csv") else jsonl(PLAY)).decode()
    Path(file).write_bytes(text.encode(encoding))
    found = re.search(r"iconv -f (\S+) -t utf-8 FILE > NEW", refusal(file))
    assert found
    Path(f"new.{file}").write_text(Path(file).read_bytes().decode(found[1]), encoding="utf-8", newline="")
    assert len(vg.load(f"new.{file}")) == 1


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
    "ifeval_prompts.jsonl": "prompts without responses",
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
    assert files
    for path in files:
        expected = REAL.get(path.name)
        try:
            pool = vg.load(path)
        except vg.DataError as error:
            assert str(error).startswith(str(path))
            assert expected is None or expected in str(error), path.name
            continue
        assert len(pool) == pool.row_count > 0
        assert all(text.strip() for text in pool.texts("response").to_pylist())
        assert expected is None or pool.sources[0].schema.name == expected, path.name

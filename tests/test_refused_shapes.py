"""Data that is refused: the way out that a refusal names is taken, and leads there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import variegate as vg
from tests.shapes import CHAT, PLAY, jsonl, listing, said, sides_of_first, table, turn
from variegate.cli.options import pairs

pytestmark = pytest.mark.usefixtures("here")


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
    "questions alone": (
        "a.jsonl", jsonl({"key": 1000, "question": "No commas?"}),
        "prompts without responses", "--columns instruction=question --side instruction", "No commas?", None,
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
    # The answers are there, as lists of one text each: what is proposed reads them.
    assert "--columns instruction=input,response=output" in refusal("rows.jsonl")
    pool = vg.load("rows.jsonl", columns={"instruction": "input", "response": "output"})
    assert sides_of_first(pool) == {"instruction": "Text 0", "response": "A title", "both": "Text 0\nA title"}
    assert "lists of one text" in pool.sources[0].notes[0]


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

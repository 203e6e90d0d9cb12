"""Rows and vectors that cannot be used, in files that can be read."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa

from tests.bad_input.making import (
    COSINE,
    GOOD,
    LENGTH,
    NUMBERS,
    TALK,
    Case,
    Trap,
    alpaca,
    arrow,
    chat,
    file,
    lines,
    npy,
    npy_with_header,
    npz,
    parquet,
    shape,
    third,
    with_row,
)

ROWS = [
    shape("one.json", {**GOOD[0], "response": None}, ", row 1: field 'response' must be a string but is null"),
    file(
        "field.jsonl", third({"instruction": "a"}),
        r", line 3: lacks the field 'response' \(schema instruction-response, detected\). .*--on-bad-row skip",
    ),
    file("null.jsonl", third({"instruction": "a", "response": None}), ", line 3: field 'response' must be a string but is null"),
    file(
        "number.jsonl", third({"instruction": "a", "response": 4.5}),
        ", line 3: field 'response' must be a string but is a number",
    ),
    file(
        "bool.jsonl", third({"instruction": False, "response": "b"}),
        ", line 3: field 'instruction' must be a string but is a boolean",
    ),
    file(
        "list.jsonl", third({"instruction": "a", "response": ["b"]}), ", line 3: field 'response' must be a string but is a list",
    ),
    file(
        "dict.jsonl", third({"instruction": {"a": 1}, "response": "b"}),
        ", line 3: field 'instruction' must be a string but is an object",
    ),
    file(
        "nan.jsonl", third(b'{"instruction": NaN, "response": "b"}\n'),
        ", line 3: field 'instruction' must be a string but is a number",
    ),
    file("noresponse.jsonl", third({"instruction": "a", "response": ""}), ", line 3: has an empty response"),
    file("white.jsonl", third({"instruction": "a", "response": " \n\t\u3000"}), ", line 3: has an empty response"),
    file(
        "null.parquet", parquet([*GOOD[:2], {"instruction": "a", "response": None}]),
        ", row 3: field 'response' must be a string but is null",
    ),
    file("binary.parquet", parquet([{"instruction": b"\x89", "response": b"b"}]), ", row 1: field 'instruction' must be a string"),
    file("twice.parquet", parquet(pa.table([["a"], ["b"], ["c"]], ["instruction", "response", "response"])), ": .*response"),
    file("twice.arrow", arrow(pa.table([["a"], ["b"], ["c"]], ["instruction", "response", "response"])), ": .*response"),
    file(
        "dates.parquet", parquet(pa.table({"instruction": ["a"], "response": ["b"], "t": pa.array([2**62], pa.timestamp("us"))})),
        ".*(row 1|'t')",
    ),
    alpaca("input.jsonl", "field 'input' must be a string but is a number", input=3),
    alpaca("output.jsonl", "field 'output' must be a string but is a list", output=["a"]),
    alpaca("outputnull.jsonl", "field 'output' must be a string but is null", output=None),
    alpaca("outputblank.jsonl", "has an empty response", output="\n"),
    alpaca("system.jsonl", "field 'system' must be a string but is an object", system={}),
    alpaca("history.jsonl", r"field 'history' must be a list of \[user, assistant\] pairs but is a string", history="a"),
    alpaca("historyflat.jsonl", r"field 'history\[0\]' must be a \[user, assistant\] pair", history=["a", "b"]),
    alpaca("historyone.jsonl", r"field 'history\[1\]' must be a \[user, assistant\] pair", history=[["a", "b"], ["c"]]),
    alpaca("historynull.jsonl", r"field 'history\[0\]\[1\]' must be a string but is null", history=[["a", None]]),
    chat("msgstring.jsonl", "Hi", "field 'messages' must be a list of turns but is a string"),
    chat("msgnull.jsonl", None, "field 'messages' must be a list of turns but is null"),
    chat("msgempty.jsonl", [], "field 'messages' is an empty list"),
    chat("msgflat.jsonl", ["Hi", "Hello"], r"field 'messages\[0\]' must be an object but is a string"),
    chat("msgpair.jsonl", [*TALK, ["user", "Hi"]], r"field 'messages\[2\]' must be an object but is a list"),
    chat("norole.jsonl", [{"content": "Hi"}], r"lacks the field 'messages\[0\]\.role'"),
    chat(
        "role.jsonl", [*TALK, {"role": "wizard", "content": "Hi"}],
        r"field 'messages\[2\]\.role' holds the role 'wizard', which is none of user",
    ),
    chat("rolenumber.jsonl", [{"role": 1, "content": "Hi"}], r"field 'messages\[0\]\.role' holds the role 1"),
    chat("rolehalf.jsonl", [{"role": "\ud800", "content": "Hi"}], r"field 'messages\[0\]\.role' holds the role '\\ud800'"),
    chat("nocontent.jsonl", [{"role": "user"}, TALK[1]], r"lacks the field 'messages\[0\]\.content'"),
    chat(
        "contentnull.jsonl", [TALK[0], {"role": "assistant", "content": None}],
        r"field 'messages\[1\]\.content' must be a string but is null",
    ),
    chat(
        "contentnumber.jsonl", [{"role": "user", "content": 5}, TALK[1]],
        r"field 'messages\[0\]\.content' must be a string but is a number",
    ),
    chat(
        "contentobject.jsonl", [{"role": "user", "content": {"text": "a"}}, TALK[1]],
        r"field 'messages\[0\]\.content' must be a string but is an object",
    ),
    chat(
        "contentpart.jsonl", [TALK[0], {"role": "assistant", "content": ["a", 7]}],
        r"field 'messages\[1\]\.content' holds a part that is a number",
    ),
    chat("onlyuser.jsonl", TALK[:1], "has no assistant turn"),
    chat("onlysystem.jsonl", [{"role": "system", "content": "Be brief."}], "has no assistant turn"),
    chat("onlytool.jsonl", [TALK[0], {"role": "tool", "content": "4"}], "has no assistant turn"),
    chat("onlyimage.jsonl", [TALK[0], {"role": "assistant", "content": [{"type": "image"}]}], "has an empty response"),
    chat(
        "callhalf.jsonl", [TALK[0], {"role": "assistant", "content": None, "tool_calls": [{"name": "\udfff"}]}],
        "holds half of a surrogate pair in the assistant's text",
    ),
    file(
        "messages.parquet",
        parquet(pa.table({"messages": pa.array([None], pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))})),
        ", row 1: field 'messages' must be a list of turns but is null",
    ),
    file(
        "gpt.jsonl",
        lines(
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
            {"conversations": [{"from": "human", "value": "Hi"}]},
        ),
        ", line 2: has no assistant turn",
    ),
    shape(
        "gptvalue.jsonl", {"conversations": [{"from": "gpt"}]},
        r", line 1: lacks the field 'conversations\[0\]\.(value|content)'",
    ),
    shape("gptfrom.jsonl", {"conversations": [{"value": "Hi"}]}, r", line 1: lacks the field 'conversations\[0\]\.(from|role)'"),
    shape(
        "gptrole.jsonl", {"conversations": [{"from": "narrator", "value": "Hi"}]},
        r", line 1: field 'conversations\[0\]\.from' holds the role 'narrator'",
    ),
    shape("gptflat.jsonl", {"conversations": ["Hi", "Hello"]}, r", line 1: field 'conversations\[0\]' must be an object"),
    shape(
        "gptsystem.jsonl", {"system": 3, "conversations": [{"from": "gpt", "value": "a"}]},
        ", line 1: field 'system' must be a string but is a number",
    ),
    shape("prompt.jsonl", {"prompt": 5, "completion": "b"}, ", line 1: field 'prompt' must be .* but is a number"),
    file(
        "completion.jsonl", lines({"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": None}),
        ", line 2: field 'completion' must be .* but is null",
    ),
    shape("completionblank.jsonl", {"prompt": "a", "completion": "  "}, ", line 1: has an empty response"),
    shape("completionrole.jsonl", {"prompt": "a", "completion": [TALK[0]]}, ", line 1: has no assistant turn"),
    file("text.jsonl", lines({"text": "a"}, {"text": None}), ", line 2: field 'text' must be a string but is null"),
    shape("textlist.jsonl", {"text": ["a"]}, ", line 1: field 'text' must be a string but is a list"),
    shape("textblank.jsonl", {"text": "\n"}, ", line 1: has an empty response"),
    # rows that are no instruction data, or could be read in two ways
    shape("dpo.jsonl", {"prompt": "a", "chosen": "b", "rejected": "c"}, ": preference pairs .*Pass --schema preference"),
    shape(
        "dpochat.jsonl", {"messages": TALK[:1], "chosen": TALK[1], "rejected": TALK[1]},
        ": preference pairs .*Pass --schema preference",
    ),
    shape(
        "dponumber.jsonl", {"prompt": "a", "chosen": 5, "rejected": "c"}, ", line 1: field 'chosen' must be .* but is a number",
        f"{LENGTH} --schema preference",
    ),
    shape(
        "dponone.jsonl", {"prompt": "a", "rejected": "c"}, r", line 1: lacks the field 'chosen' \(schema preference, as asked\)",
        f"{LENGTH} --schema preference",
    ),
    shape(
        "prompts.jsonl", {"id": 1, "question": "a"},
        ": prompts without responses .*--columns instruction=question --side instruction",
    ),
    shape(
        "turns.jsonl", {"id": 1, "turns": ["a", "b"]},
        ": prompts without responses .*--columns instruction=turns --side instruction",
    ),
    shape("qa.jsonl", {"question": "a", "answer": "b"}, ": no schema .*--columns instruction=question,response=answer"),
    shape("answers.jsonl", {"input": "a", "output": ["b"]}, ": (?!prompts without responses).*'?output"),
    shape(
        "both.jsonl", {"instruction": "a", "output": "b", "response": "c"},
        ": rows hold both 'output' and 'response'.*--schema alpaca .*--schema instruction-response",
    ),
    *(
        shape(
            f"marks{at}.jsonl", {"text": text}, ": the field 'text' holds whole conversations with chat markers .*--schema text",
        )
        for at, text in enumerate((
            "<|user|> a <|ai|> b", "### Human: a\n### Assistant: b", "[INST] a [/INST] b", "<|im_start|>user\na",
            "Human: a\nAssistant: b", "<start_of_turn>user\na",
        ))
    ),
    shape(
        "dialogue.jsonl", {"turns": [{"speaker": "A", "utterance": "a"}, {"speaker": "B", "utterance": "b"}]},
        ": .*--columns messages=turns,role=speaker,content=utterance,user=A,assistant=B",
    ),
    shape("pairs.jsonl", {"utterances": [["A", "a"], ["B", "b"]]}, ": .*'utterances' is a list of lists"),
    shape("unknown.jsonl", {"foo": "a", "bar": "b"}, ": no schema has the fields foo, bar"),
]  # fmt: skip

VECTORS = [
    file(
        "flat.npy", npy(np.ones(5)), r": must hold floats of shape \(rows, dimensions\) but holds float64 of shape \(5,\)",
        COSINE,
    ),
    file("point.npy", npy(np.float64(3)), r": must hold floats .*of shape \(\)", COSINE),
    file("cube.npy", npy(np.ones((2, 2, 2))), r": must hold floats .*of shape \(2, 2, 2\)", COSINE),
    file("norows.npy", npy(np.ones((0, 4))), r": must hold floats .*of shape \(0, 4\)", COSINE),
    file("nocolumns.npy", npy(np.ones((4, 0))), r": must hold floats .*of shape \(4, 0\)", COSINE),
    *(
        file(f"{kind}.npy", npy(np.ones((4, 2)).astype(kind)), f": must hold floats .*but holds {shown}", COSINE)
        for kind, shown in (("int64", "int64"), ("bool", "bool"), ("complex128", "complex128"), ("str", "<U"))
    ),
    file("fields.npy", npy(np.zeros((3, 2), [("a", "f4")])), ": must hold floats", COSINE),
    file("objects.npy", npy(np.array([[Trap(), 1.0]], object), allow_pickle=True), r": is no readable \.npy file", COSINE),
    file("pickle.npy", pickle.dumps(Trap()), r": is no readable \.npy file", COSINE),
    file("archive.npy", npz(), ": must hold floats .*but holds an archive", COSINE),
    file("magic.npy", b"\x93NUMPY", r": is no readable \.npy file", COSINE),
    file("version.npy", b"\x93NUMPY\x09\x00" + bytes(60), r": is no readable \.npy file", COSINE),
    file(
        "header.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2"), r": is no readable \.npy file",
        COSINE,
    ),
    file(
        "type.npy", npy_with_header("{'descr': '<q9', 'fortran_order': False, 'shape': (3, 2), }"),
        r": is no readable \.npy file", COSINE,
    ),
    file(
        "minus.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 2), }"),
        r": is no readable \.npy file", COSINE,
    ),
    file(
        "larger.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000, 2), }"),
        r": is no readable \.npy file", COSINE,
    ),
    file(
        "endless.npy", npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**30}, 2), }}"),
        r": is no readable \.npy file", COSINE,
    ),
    file("nanrow.npy", npy(with_row(4, np.nan)), ": the vectors of row 5 hold values that are not finite", COSINE),
    file("infrow.npy", npy(with_row(0, -np.inf)), ": the vectors of row 1 hold values that are not finite", COSINE),
    file("zerorow.npy", npy(with_row(11, 0)), ": the vectors of row 12 are zero", COSINE),
    file("manyzero.npy", npy(NUMBERS * 0), r": the vectors of rows 1, 2, 3, 4, 5 and 7 more are zero", COSINE),
    file("huge.npy", npy(with_row(4, 1e200)), r".*\brow 5\b", COSINE),
    file("hugepool.npy", npy(NUMBERS * 1e200), r".*\brows 1, 2", "--metrics novelsum --reference hugepool.npy"),
    file("tiny.npy", npy(with_row(4, 1e-310)), r".*\brow 5\b", COSINE),
    file("single.npy", npy(NUMBERS[:1]), ".*distsum_cosine needs at least 2 samples, got 1", COSINE),
    file("notext.npy", npy(NUMBERS), ": holds vectors only", LENGTH),
    file(
        "notopic.npy", npy(NUMBERS), ": holds vectors only, so it has no field 'domain'", "--metrics topic_count --topics domain",
    ),
    file(
        "few.npy", npy(NUMBERS[:6]), ".*needs more than k = 10 distinct reference rows, but there are 6",
        "--metrics novelsum --reference few.npy",
    ),
    Case(
        "select with huge vectors", {"h.npy": npy(NUMBERS * 1e200)}, "select h.npy --size 3 --strategy k_center -o o.json",
        r"h\.npy.*\brows 1, 2",
    ),
    Case(
        "select with few reference rows", {"v.npy": npy(NUMBERS), "r.npy": npy(NUMBERS[:6])},
        "select v.npy --size 3 --reference r.npy -o o.json",
        r"[vr]\.npy.*needs more than k = 10 distinct reference rows, but there are \d",
    ),
    *(
        Case(
            f"vectors of other dimensions, {name}",
            {"v.npy": npy(NUMBERS), "wide.npy": npy(np.hstack([NUMBERS, NUMBERS[:, :1]]))}, command,
            r"(?=.*wide\.npy)(?=.*\b4\b)(?=.*\b3\b)",
        )
        for name, command in (
            ("measure", "measure v.npy --reference wide.npy --metrics novelsum --set novelsum.k=3"),
            ("select", "select v.npy --reference wide.npy --size 3 --set k=3 -o o.json"),
            ("topics", "measure v.npy --reference wide.npy --metrics topic_count --topics kmeans:3"),
            ("per sample", "measure v.npy --reference wide.npy --metrics distsum_cosine --per-sample n.csv --set novelsum.k=3"),
        )
    ),
]  # fmt: skip

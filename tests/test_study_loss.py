"""Held-out loss, against a loop over one row and one token at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests import tiny
from variegate.data.record import Turn
from variegate.errors import DataError, ParameterError
from variegate.study.evaluation.loss import heldout_loss, heldout_references, heldout_rows
from variegate.study.evaluation.prompts import read_prompts

TALKS = [
    [f"say {i} please " * (1 + i % 5), f"{i} it is " * (1 + i % 3), "more", "no " * (i % 7 + 1)][: 4 if i % 3 else 2]
    for i in range(20)
]
SOURCES = ["wiki" if i % 4 else "code" for i in range(20)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    pytest.importorskip("torch", reason="a held-out loss needs the package torch")
    return tiny.model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture
def rows(tmp_path):
    return tiny.rows(tmp_path / "heldout.jsonl", TALKS, source=SOURCES)


def slowly(base, conversations, max_length=96):
    """Return the loss of each row as a sum, and its tokens: one row, one token at a time, in float64."""
    import torch

    from variegate.study.models.loading import load_model, load_tokenizer

    model, words = load_model(base).double().eval(), load_tokenizer(base)
    found = []
    for texts in conversations:
        ids, carries = [], []
        for turn, text in enumerate(texts):
            head = f"<|im_start|>{('user', 'assistant')[turn % 2]}\n"
            for part, loss in ((head, False), (f"{text}<|im_end|>", bool(turn % 2)), ("\n", False)):
                piece = words(part, add_special_tokens=False)["input_ids"]
                ids += piece
                carries += [loss] * len(piece)
        total, count = 0.0, 0
        for at in range(1, min(len(ids), max_length)):
            if carries[at]:
                with torch.inference_mode():
                    logits = model(torch.tensor([ids[:at]])).logits[0, -1]
                total -= float(torch.log_softmax(logits, dim=-1)[ids[at]])
                count += 1
        found.append((total, count))
    return found


def test_the_loss_is_that_of_a_slow_loop(base, rows):
    found = heldout_loss(base, [heldout_rows("heldout", rows, by=["source"])], max_length=96, device="cpu")
    expected = slowly(base, TALKS)
    by_source = {}
    for name in ("wiki", "code"):
        part = [pair for pair, source in zip(expected, SOURCES, strict=True) if source == name]
        by_source[name] = sum(total for total, _ in part) / sum(count for _, count in part)
    values = found["values"]
    assert values["heldout"] == pytest.approx(sum(one for one, _ in expected) / sum(count for _, count in expected), rel=1e-5)
    assert values["heldout/by_source/wiki"] == pytest.approx(by_source["wiki"], rel=1e-5)
    assert values["heldout/by_source/code"] == pytest.approx(by_source["code"], rel=1e-5)
    assert values["heldout/macro"] == pytest.approx(sum(by_source.values()) / 2, rel=1e-5)
    assert set(values) == {"heldout", "heldout/by_source/wiki", "heldout/by_source/code", "heldout/macro"}
    assert found["higher_is_better"] == dict.fromkeys(values, False)
    assert found["tokens"]["heldout"]["response_tokens"] == sum(count for _, count in expected)
    assert (found["device"], found["dtype"]) == ("cpu", "float32")


@pytest.mark.parametrize("batch_tokens", [1, 50, 300, 100_000])
def test_no_value_depends_on_the_batches(base, rows, batch_tokens):
    sets = [heldout_rows("heldout", rows, by=["source"])]
    once = heldout_loss(base, sets, max_length=96, device="cpu", batch_tokens=8192)["values"]
    other = heldout_loss(base, sets, max_length=96, device="cpu", batch_tokens=batch_tokens)["values"]
    assert other == pytest.approx(once, rel=1e-5)
    assert heldout_loss(base, sets, max_length=96, device="cpu", batch_tokens=8192)["values"] == once


def test_bf16_says_about_the_same(base, rows):
    sets = [heldout_rows("heldout", rows)]
    full = heldout_loss(base, sets, max_length=96, device="cpu")
    half = heldout_loss(base, sets, max_length=96, device="cpu", precision="bf16")
    assert half["values"] != full["values"]
    assert half["values"] == pytest.approx(full["values"], rel=0.02)
    assert half["dtype"] == "bf16"


def test_rows_that_are_cut_are_counted(base, rows):
    found = heldout_loss(base, [heldout_rows("heldout", rows)], max_length=40, device="cpu")
    expected = slowly(base, TALKS, 40)
    assert found["values"]["heldout"] == pytest.approx(
        sum(one for one, _ in expected) / sum(count for _, count in expected), rel=1e-5
    )  # fmt: skip
    counts = found["tokens"]["heldout"]
    assert counts["rows_cut"] > 0
    assert counts["response_tokens"] == sum(count for _, count in expected)
    assert counts["rows_without_response"] == sum(count == 0 for _, count in expected) > 0
    # The model has 128 positions, whatever is asked for.
    assert heldout_loss(base, [heldout_rows("heldout", rows)], max_length=4096, device="cpu")["max_length"] == 128


def test_several_sets_and_columns_side_by_side(base, rows, tmp_path):
    other = tiny.rows(tmp_path / "other.jsonl", TALKS[:6], source=["a"] * 3 + ["b"] * 3, kind=["x", "y"] * 3)
    sets = [heldout_rows("heldout", rows), heldout_rows("other", other, by=["source", "kind"])]
    values = heldout_loss(base, sets, max_length=96, device="cpu")["values"]
    assert set(values) == {
        "heldout", "other", "other/by_source/a", "other/by_source/b", "other/macro_source", "other/by_kind/x",
        "other/by_kind/y", "other/macro_kind",
    }  # fmt: skip
    assert values["heldout"] != values["other"]
    with pytest.raises(ParameterError, match=r"Held-out sets must have different names. Got a, a"):
        heldout_loss(base, [heldout_rows("a", rows), heldout_rows("a", other)])
    with pytest.raises(DataError, match=r"lacks the field 'topic'. It has: messages, source"):
        heldout_rows("heldout", rows, by=["topic"])


def test_a_group_whose_responses_are_all_cut_is_named(base, tmp_path):
    rows = tiny.rows(tmp_path / "rows.jsonl", [["q", "a"], ["long " * 80, "a"]], source=["short", "long"])
    with pytest.raises(DataError, match="heldout: no sample whose 'source' is 'long' has a token of a response"):
        heldout_loss(base, [heldout_rows("heldout", rows, by=["source"])], max_length=64, device="cpu")


def test_a_model_that_diverged_has_no_loss(base, rows, tmp_path):
    from variegate.study.models.loading import load_model, load_tokenizer

    model = load_model(base)
    model.get_input_embeddings().weight.data.fill_(float("nan"))
    model.save_pretrained(tmp_path / "nan")
    load_tokenizer(base).save_pretrained(tmp_path / "nan")
    with pytest.raises(DataError, match="heldout: the model gives a loss that is no number"):
        heldout_loss(str(tmp_path / "nan"), [heldout_rows("heldout", rows)], max_length=96, device="cpu")


def put(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_reference_answers_of_prompts(base, tmp_path):
    path = put(
        tmp_path / "prompts.jsonl",
        {"id": "a", "set": "one", "prompt": "q", "references": {"gpt4": ["a"], "other": ["b"]}},
        {"id": "b", "set": "two", "prompt": "q", "turns": ["q", "r"], "references": {"gpt4": ["a", "b"]}},
        {"id": "c", "set": "two", "prompt": "q", "turns": ["q", "r"], "references": {"other": ["a", "b"]}},
        {"id": "d", "set": "two", "prompt": "q"},
    )
    prompts = read_prompts(path)
    found = heldout_references("references", prompts, ["gpt4"], by=["set"])
    assert list(found.conversations) == [
        (Turn("user", "q"), Turn("assistant", "a")),
        (Turn("user", "q"), Turn("assistant", "a"), Turn("user", "r"), Turn("assistant", "b")),
    ]
    assert found.groups == {"set": ["one", "two"]}
    values = heldout_loss(base, [found], max_length=96, device="cpu")["values"]
    expected = slowly(base, [["q", "a"], ["q", "a", "r", "b"]])
    assert values["references/by_set/two"] == pytest.approx(expected[1][0] / expected[1][1], rel=1e-5)
    assert len(heldout_references("references", prompts, ["gpt4", "other"]).conversations) == 3
    with pytest.raises(DataError, match=r"no prompt has a reference 'gpt5'. There are: gpt4, other"):
        heldout_references("references", prompts, ["gpt5"])
    with pytest.raises(ParameterError, match=r"Unknown column of prompts 'source'. Known: set, category"):
        heldout_references("references", prompts, ["gpt4"], by=["source"])


def test_losses_are_float64_sums(base, rows):
    values = heldout_loss(base, [heldout_rows("heldout", rows)], max_length=96, device="cpu")["values"]
    assert all(isinstance(value, float) and np.isfinite(value) for value in values.values())

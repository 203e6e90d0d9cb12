"""A small model from plain text: the same twice, and after a kill."""

from __future__ import annotations

import hashlib
import json
import math

import pytest

from variegate.errors import DataError, ParameterError
from variegate.study.models import base as base_model
from variegate.study.models.base import BaseModel, train_base

TEXTS = [f"The {word} of number {at} is {at * at}. " * 6 for at in range(60) for word in ("square", "power")]
SMALL = {
    "vocabulary": 300, "width": 32, "layers": 1, "heads": 2, "context": 32, "tokens": 6000, "batch_size": 8, "device": "cpu",
    "learning_rate": 1e-2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def installed():
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"a base model needs the package {package}")


def weights(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_same_model_twice_which_has_learnt_something(tmp_path):
    done = train_base(TEXTS, tmp_path / "one", BaseModel(**SMALL))
    train_base(TEXTS, tmp_path / "two", BaseModel(**SMALL))
    other = train_base(TEXTS, tmp_path / "three", BaseModel(**SMALL, seed=1))
    assert weights(tmp_path / "one") == weights(tmp_path / "two") != weights(tmp_path / "three")
    assert done["loss"][0] == pytest.approx(math.log(300), abs=0.3)
    assert done["loss"][-1] < 0.7 * done["loss"][0]
    assert done["steps"] == len(done["loss"]) == math.ceil(6000 / 256)
    assert done["loss"] != other["loss"]
    assert json.loads((tmp_path / "one" / "base_model.json").read_text(encoding="utf-8")) == done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "three", "two"]


def test_it_can_be_loaded_and_talked_to(tmp_path):
    from variegate.data.record import Turn
    from variegate.study.models.encoding import encoder_for
    from variegate.study.models.loading import load_model

    train_base(TEXTS, tmp_path / "base", BaseModel(**SMALL))
    encoder = encoder_for(str(tmp_path / "base"), None)
    turns = (Turn("user", "The square?"), Turn("assistant", "is 4"))
    ids, answer = encoder.encode([turns], ["row 1"], 32).sample(0)
    words = encoder.format.tokenizer
    assert words.decode(ids[answer]) == "is 4<|end|>"
    assert words.convert_ids_to_tokens(ids.tolist())[0] == "<|user|>"
    # One token each, and one for the end.
    assert [words.convert_ids_to_tokens(ids.tolist()).count(one) for one in ("<|user|>", "<|assistant|>", "<|end|>")] == [1, 1, 1]
    config = load_model(str(tmp_path / "base")).config
    assert (config.eos_token_id, config.max_position_embeddings) == (words.eos_token_id, 32)


def test_a_run_that_is_killed_goes_on(tmp_path, monkeypatch):
    wanted = BaseModel(**SMALL)
    expected = train_base(TEXTS, tmp_path / "whole", wanted)
    saved = base_model._save

    def killed(model, optimiser, losses, *more):
        saved(model, optimiser, losses, *more)
        if len(losses) == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(base_model, "_save", killed)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            train_base(TEXTS, tmp_path / "base", wanted, checkpoint_seconds=0)
    assert not (tmp_path / "base").exists()
    steps = []
    monkeypatch.setattr(BaseModel, "rate", lambda self, step, plain=BaseModel.rate: steps.append(step) or plain(self, step))
    done = train_base(TEXTS, tmp_path / "base", wanted)
    assert steps == list(range(9, done["steps"]))
    assert done["loss"] == expected["loss"]
    assert weights(tmp_path / "base") == weights(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "whole"]


def test_a_model_that_is_there_is_left_as_it_is(tmp_path, monkeypatch):
    done = train_base(TEXTS, tmp_path / "base", BaseModel(**SMALL))
    monkeypatch.setattr(base_model, "_train", None)
    assert train_base(TEXTS, tmp_path / "base", BaseModel(**SMALL)) == done
    with pytest.raises(DataError, match="base: holds files already, and nothing is overwritten"):
        train_base(TEXTS, tmp_path / "base", BaseModel(**SMALL, seed=2))
    with pytest.raises(DataError, match="base: holds files already"):
        train_base(TEXTS[1:], tmp_path / "base", BaseModel(**SMALL))


def test_what_cannot_be(tmp_path):
    with pytest.raises(ParameterError, match=r"'base.heads' must be such that 'width' is a multiple of twice it. Got 3 instead"):
        BaseModel(heads=3)
    with pytest.raises(ParameterError, match=r"'base.vocabulary' must be at least 262"):
        BaseModel(vocabulary=200)
    with pytest.raises(DataError, match=r"The texts hold [0-9]+ tokens, fewer than one context of 32"):
        train_base(["few words", " "], tmp_path / "base", BaseModel(**SMALL))


def test_the_rate_rises_and_falls_as_a_cosine():
    wanted = BaseModel(tokens=512 * 16 * 1000, learning_rate=1.0, warmup=0.1)
    rates = [wanted.rate(step) for step in range(wanted.steps)]
    assert wanted.steps == 1000
    assert rates[:100] == sorted(rates[:100])
    assert rates[100] == pytest.approx(1)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[550] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=1e-4)

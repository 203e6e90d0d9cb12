"""Fine-tuning: which tokens carry loss, how much a run sees, and that the same run comes out twice."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests import tiny
from variegate.errors import DataError, ParameterError
from variegate.loading import load
from variegate.progress import announce_by
from variegate.storage import whole_folder
from variegate.study.models.batches import Batcher, packed, stream
from variegate.study.models.encoding import encoder_for, turns_of
from variegate.study.training import Budget, Lora, Training, fine_tune

TALKS = [[f"say {i} please", f"{i} it is", "and again?", f"again {i * i}"][: 4 if i % 2 else 2] for i in range(12)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    tiny.need_training()
    return tiny.model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    return tiny.rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", TALKS)


def settings(base, **more):
    values = {"budget": Budget(epochs=1), "learning_rate": 1e-2, "batch_size": 4, "max_length": 96, "device": "cpu"}
    return Training(base, **{**values, **more})


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(Path(folder) / "model" / "model.safetensors")


def run(folder, rows, wanted, seed=0):
    folder.mkdir(exist_ok=True)
    return fine_tune(rows, folder, wanted, seed=seed)


def seen_batches(monkeypatch):
    """Return a list that gets the inputs of every batch that is really trained on."""
    from variegate.study.training.trainer import trainer_class

    batches = []
    kind = trainer_class()
    plain = kind.training_step

    def watched(self, model, inputs, *arguments, **more):
        batches.append({name: value.clone() for name, value in inputs.items()})
        return plain(self, model, inputs, *arguments, **more)

    monkeypatch.setattr(kind, "training_step", watched)
    return batches


@pytest.mark.parametrize("packing", [False, True])
def test_only_answers_and_their_ends_carry_loss(base, tmp_path, monkeypatch, packing):
    """Read off the labels that the trainer gets, on samples of two turns."""
    batches = seen_batches(monkeypatch)
    rows = tiny.rows(tmp_path / "rows.jsonl", [["one?", "uno", "two?", "dos"], ["three?", "tres"]])
    done = run(tmp_path / "run", rows, settings(base, packing=packing))
    words = encoder_for(base, None).format.tokenizer
    found, seen = [], 0
    for batch in batches:
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            seen += sum(label != -100 for label in labels)
            assert all(label in (-100, token) for label, token in zip(labels, ids, strict=True))
            edges = np.flatnonzero(np.diff([0, *(label != -100 for label in labels), 0]))
            found += [words.decode(ids[start:stop]) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    assert sorted(found) == ["dos<|im_end|>", "tres<|im_end|>", "uno<|im_end|>"]
    assert done["response_tokens_seen"] == seen
    assert done["tokens_seen"] == sum(int(batch["tokens"].sum()) for batch in batches) == done["data"]["tokens"]


def test_packed_samples_do_not_see_each_other(base, talks):
    """The losses of samples that share a sequence are those of each alone; a short sequence is filled up."""
    import torch

    from variegate.study.models.loading import answer_losses, load_model

    encoded = encoder_for(base, None).encode(*turns_of(load(talks)), 96)
    sequences = packed(np.arange(len(encoded)), encoded.lengths, 96, np.random.default_rng(0))
    assert sorted(at for samples in sequences for at in samples) == list(range(len(encoded)))
    assert max(len(samples) for samples in sequences) > 1
    model = load_model(base).eval()

    def losses(kept, room):
        batch = Batcher(encoded, kept, 1, room=room)([{"sequence": at} for at in range(len(kept))])
        given = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"]}
        with torch.inference_mode():
            return answer_losses(model, model, given, batch["labels"])

    alone = {at: losses([[at]], None) for at in range(len(encoded))}
    expected = torch.cat([alone[at] for samples in sequences for at in samples])
    torch.testing.assert_close(losses(sequences, 96), expected, rtol=1e-4, atol=1e-5)


def test_the_same_run_twice_and_another_seed(base, talks, tmp_path):
    wanted = settings(base, budget=Budget(epochs=2))
    first, again, other = (run(tmp_path / str(at), talks, wanted, seed) for at, seed in enumerate((5, 5, 6)))
    assert first["loss"] == again["loss"] != other["loss"]
    assert first["loss"][-1] < first["loss"][0]
    hashes = [hashlib.sha256((tmp_path / str(at) / "model" / "model.safetensors").read_bytes()).hexdigest() for at in range(3)]
    assert hashes[0] == hashes[1] != hashes[2]
    json.dumps(first, allow_nan=False)
    assert first["steps"] == len(first["loss"])
    assert (first["device"], first["dtype"], first["processes"], first["epochs"]) == ("cpu", "float32", 1, 2)
    assert first["versions"]["trl"]


def test_the_order_is_that_of_the_plan(base, talks, tmp_path, monkeypatch):
    """What is recorded by the seed is what was trained on, in that order."""
    from variegate.study.training.sft import plan_run

    batches = seen_batches(monkeypatch)
    wanted = settings(base, packing=False, budget=Budget(epochs=2), batch_size=5)
    run(tmp_path / "run", talks, wanted, 3)
    plan = plan_run(load(talks), encoder_for(base, None), wanted, 3)
    expected = [plan.encoded.sample(at)[0].tolist() for (at,) in plan.sequences]
    found = [ids[: int(n)].tolist() for one in batches for ids, n in zip(one["input_ids"], one["tokens"], strict=True)]
    assert found == expected
    assert found[:12] != found[12:]


def test_what_comes_out_can_be_loaded_with_its_template(base, talks, tmp_path):
    from variegate.study.models.loading import load_model, load_tokenizer

    own = tiny.CHATML.replace("<|im_start|>", "<s>")
    run(tmp_path / "run", talks, settings(base, chat_template=own))
    assert load_tokenizer(str(tmp_path / "run" / "model")).chat_template == own
    loaded = load_model(str(tmp_path / "run" / "model"))
    assert loaded.config.use_cache
    assert not np.array_equal(loaded.get_input_embeddings().weight.detach().numpy(), weights_of(base))


def weights_of(base):
    from safetensors.numpy import load_file

    return load_file(Path(base) / "model.safetensors")["model.embed_tokens.weight"]


def test_randomness_of_the_caller_is_left_alone(base, talks, tmp_path):
    import random

    import torch

    def drawn():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        yield
        yield random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002

    expected = list(drawn())[1]
    steps = drawn()
    next(steps)
    run(tmp_path / "run", talks, settings(base))
    assert next(steps) == expected


@pytest.mark.parametrize("packing", [False, True])
def test_parts_of_a_step_add_up(base, talks, tmp_path, packing):
    """Gradients in parts are those of the whole: each part counts by its tokens."""
    wanted = {"packing": packing, "max_length": 64}
    whole = run(tmp_path / "whole", talks, settings(base, **wanted))
    parts = run(tmp_path / "parts", talks, settings(base, gradient_accumulation=4, **wanted))
    assert parts["steps"] == whole["steps"] > 1
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-4)
    for name, values in weights(tmp_path / "whole").items():
        np.testing.assert_allclose(weights(tmp_path / "parts")[name], values, atol=2e-4)


def test_the_loss_is_that_of_trl(base, talks, tmp_path, monkeypatch):
    """On a processor the last layer is computed for answers alone; TRL's own way, which accelerators go, says the same."""
    from variegate.study.training.trainer import trainer_class

    ours = run(tmp_path / "ours", talks, settings(base))
    kind = trainer_class()
    begin = kind.__init__

    def theirs_only(self, *arguments, **more):
        begin(self, *arguments, **more)
        self.own_loss = False

    monkeypatch.setattr(kind, "__init__", theirs_only)
    theirs = run(tmp_path / "theirs", talks, settings(base))
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def test_the_first_loss_is_the_mean_over_answer_tokens(base, talks, tmp_path):
    """Against a model that is called on one sample at a time."""
    import torch

    from variegate.study.models.loading import load_model

    done = run(tmp_path / "run", talks, settings(base, batch_size=12, packing=False))
    encoded = encoder_for(base, None).encode(*turns_of(load(talks)), 96)
    model, total, count = load_model(base).eval(), 0.0, 0
    for at in range(len(encoded)):
        ids, answer = encoded.sample(at)
        with torch.inference_mode():
            logits = model(torch.from_numpy(ids.astype(np.int64))[None]).logits[0].double()
        chances = torch.log_softmax(logits, dim=-1)
        for place in np.flatnonzero(answer).tolist():
            total -= float(chances[place - 1, int(ids[place])])
            count += 1
    assert done["loss"][0] == pytest.approx(total / count, rel=1e-5)


def test_budgets():
    lengths, answers = np.array([10, 20, 30, 40]), np.array([4, 0, 6, 8])
    for seed in range(20):
        once = stream(lengths, answers, 1, None, None, seed)
        assert [sorted(order.tolist()) for order in once] == [[0, 2, 3]]
        part = stream(lengths, answers, 2.4, None, None, seed)
        assert [len(order) for order in part] == [3, 3, 1]
        seen = np.concatenate(stream(lengths, answers, None, 200, None, seed))
        assert 200 <= lengths[seen].sum() < 240
        assert lengths[seen[:-1]].sum() < 200
        seen = np.concatenate(stream(lengths, answers, None, None, 50, seed))
        assert 50 <= answers[seen].sum() < 58
        assert answers[seen[:-1]].sum() < 50
    assert [len(order) for order in stream(lengths, answers, 0.01, None, None, 0)] == [1]
    assert stream(lengths, answers, None, 80, None, 0)[0].tolist() != stream(lengths, answers, None, 80, None, 1)[0].tolist()
    with pytest.raises(DataError, match="no sample has a token of a response"):
        stream(lengths, answers * 0, 1, None, None, 0)


@pytest.mark.parametrize(("kind", "amount"), [("tokens", 900), ("response_tokens", 300), ("epochs", 1.5)])
def test_what_a_run_sees_is_what_its_budget_says(base, talks, tmp_path, kind, amount):
    done = run(tmp_path / "run", talks, settings(base, budget=Budget(**{kind: amount})))
    seen = {"tokens": done["tokens_seen"], "response_tokens": done["response_tokens_seen"], "epochs": done["epochs"]}[kind]
    assert seen == pytest.approx(amount, abs=0 if kind == "epochs" else 60)
    assert seen >= amount
    assert done["steps"] == math.ceil(done["sequences_seen"] / 4)


@pytest.mark.parametrize("room", [40, 64, 96, 128])
def test_packing_is_tight_and_whole(room):
    generator = np.random.default_rng(3)
    lengths = generator.integers(1, 41, 500)
    order = generator.permutation(500)[:300]
    sequences = packed(order, lengths, room, np.random.default_rng(0))
    assert sorted(at for samples in sequences for at in samples) == sorted(order.tolist())
    filled = [int(lengths[samples].sum()) for samples in sequences]
    assert max(filled) <= room
    assert len(sequences) <= math.ceil(lengths[order].sum() / room * 1.1) + 1


def test_rows_that_are_cut_are_counted_and_said(base, tmp_path):
    rows = tiny.rows(tmp_path / "rows.jsonl", [["short", "yes"], ["long " * 60, "no"], ["q", "long " * 60]])
    told = []
    announce_by(told.append)
    try:
        done = run(tmp_path / "run", rows, settings(base, max_length=64))
    finally:
        announce_by(lambda message: None)
    assert (done["data"]["rows_cut"], done["data"]["rows_without_response"]) == (2, 1)
    assert done["sequences_seen"] == 2
    assert "2 of 3 rows" in told[0]
    assert "1 rows" in told[1]
    with pytest.raises(DataError, match=r"rows.jsonl: no sample has a token of a response within 'train.max_length'"):
        run(tmp_path / "run", rows, settings(base, max_length=4))


def test_adapters_train_little_and_are_merged(base, talks, tmp_path):
    done = run(tmp_path / "run", talks, settings(base, lora=Lora(rank=2, alpha=4), budget=Budget(epochs=2)))
    assert 0 < done["trained_parameters"] < done["parameters"] / 5
    before, after = weights(Path(base).parent), weights(tmp_path / "run")
    assert before.keys() == after.keys()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {name for name in before if "_proj" in name}
    assert done["loss"][-1] < done["loss"][0]


def test_bf16_is_used_and_recorded(base, talks, tmp_path):
    full = run(tmp_path / "full", talks, settings(base))
    half = run(tmp_path / "half", talks, settings(base, precision="bf16"))
    again = run(tmp_path / "again", talks, settings(base))
    assert (half["dtype"], half["weights"], half["saved_weights"]) == ("bf16", "float32", "float32")
    assert half["loss"] != full["loss"] == again["loss"]
    assert half["loss"] == pytest.approx(full["loss"], rel=0.05)


def bloom(words):
    """Return a model that takes no positions: it gets a mask of what is filled up in their place."""
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=words, hidden_size=32, n_layer=2, n_head=2))


def opt(words):
    """Return a model that takes positions, and does not keep samples apart by them."""
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 32}
    return OPTForCausalLM(OPTConfig(vocab_size=words, max_position_embeddings=128, **sizes))


@pytest.mark.parametrize("kind", [bloom, opt])
def test_a_model_whose_samples_would_see_each_other_is_not_packed_for(talks, tmp_path, kind):
    tiny.need_training()
    words = tiny.tokenizer()
    made = kind(len(words))
    made.save_pretrained(tmp_path / "base")
    words.save_pretrained(tmp_path / "base")
    base = str(tmp_path / "base")
    with pytest.raises(ParameterError, match=rf"'train.packing' must be false for a {type(made).__name__}"):
        run(tmp_path / "run", talks, settings(base))
    assert not (tmp_path / "run" / "model").exists()
    done = run(tmp_path / "run", talks, settings(base, packing=False))
    assert done["loss"][-1] < done["loss"][0]


def test_what_a_killed_run_left_gives_way(base, talks, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    expected = run(folder, talks, settings(base))
    left = folder / ".123.abc.model"
    left.mkdir()
    (left / "half").touch()
    (folder / "model" / "model.safetensors").write_bytes(b"old")

    def killed(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("variegate.study.training.sft._save", killed)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            run(folder, talks, settings(base))
    assert not list(folder.iterdir())
    assert run(folder, talks, settings(base))["loss"] == expected["loss"]
    assert [path.name for path in folder.iterdir()] == ["model"]


def test_settings_that_a_model_cannot_have(base, talks, tmp_path):
    with pytest.raises(ParameterError, match=r"'train.max_length' must be at most 128, the positions that"):
        run(tmp_path / "run", talks, settings(base, max_length=129))
    with pytest.raises(ParameterError, match=r"'train.arguments' cannot be used.*nonsense"):
        run(tmp_path / "run", talks, settings(base, arguments={"nonsense": 1}))
    with pytest.raises(DataError, match="nowhere/at/all: no tokenizer could be loaded"):
        run(tmp_path / "run", talks, settings("nowhere/at/all"))
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "q"}\n' * 3, encoding="utf-8")
    with pytest.raises(DataError, match=r"prompts.jsonl: has no responses, so there is nothing to train on"):
        run(tmp_path / "run", prompts, settings(base))


def test_a_worker_writes_what_it_did_or_what_is_wrong(base, talks, tmp_path):
    """One process of those that are launched, here alone and in this process."""
    from dataclasses import asdict

    from variegate.study.training.worker import main

    wanted = settings(base, lora=Lora(rank=2, targets=("q_proj",)), arguments={"adam_beta2": 0.9})
    here = run(tmp_path / "here", talks, wanted, 4)
    with whole_folder(tmp_path / "model") as target:
        job = {"rows": str(talks), "target": str(target), "result": str(tmp_path / "result"), "seed": 4}
        (tmp_path / "job").write_text(json.dumps({**job, "settings": asdict(wanted)}), encoding="utf-8")
        main(str(tmp_path / "job"))
    done = json.loads((tmp_path / "result").read_text(encoding="utf-8"))
    assert done["loss"] == here["loss"]
    for name, values in weights(tmp_path).items():
        np.testing.assert_array_equal(weights(tmp_path / "here")[name], values)
    (tmp_path / "job").write_text(
        json.dumps({**job, "settings": asdict(settings(base, max_length=1000))}), encoding="utf-8"
    )  # fmt: skip
    with pytest.raises(SystemExit, match=r"error: 'train.max_length' must be at most 128"):
        main(str(tmp_path / "job"))
    assert "at most 128" in json.loads((tmp_path / "result").read_text(encoding="utf-8"))["error"]

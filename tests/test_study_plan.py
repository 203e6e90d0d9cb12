"""What a study's file comes to: its sets, its files, and what each change makes anew."""

from __future__ import annotations

import re
import string

import pytest
import yaml

from tests import study
from tests.conftest import ROOT, SAMPLE
from tests.plans import HARNESS, JUDGE, MICRO, PROMPTS, evaluate, lay_around, read, subsets
from tests.study import LOSS, RANDOM
from variegate.errors import DataError
from variegate.study.conduct import plan_study, starter, write_starter
from variegate.study.keys import Keys
from variegate.study.plan import Variant, read_study
from variegate.study.stages import Measure
from variegate.study.training import Budget, Command
from variegate.viewing import Views


@pytest.fixture(autouse=True)
def around(tmp_path, monkeypatch):
    lay_around(tmp_path, monkeypatch)


def test_what_was_measured_is_found_again():
    """By names that stay: a folder of a study that was begun with another version of the code goes on."""
    plain = Measure(("novelsum", "hdd"), ("both", "response"), "static", Views(embedder="static"))
    assert plain.id == "1883aeb935d39454"
    views = Views(embedder="lsa:256@0123456789abcdef", tokenizer="words", topics="source", tags="normalized:keyphrases")
    variant = Variant("n2", "novelsum", {"alpha": 2}, False)
    assert Measure(("novelsum",), ("both",), "lsa", views, variant).id == "55a34a4078b96bdf"


def test_a_strategy_has_no_other_set_for_what_it_does_not_look_at(tmp_path):
    entry = {"strategy": ["random", "token_coverage", "k_center"], "side": ["instruction", "response"], "size": 12}
    found = read(tmp_path, subsets({**entry, "embedder": ["static", "lsa"]})).subsets
    assert [(one.strategy, one.side, one.embedder) for one in found] == [
        ("random", "both", "static"), ("token_coverage", "instruction", "static"), ("token_coverage", "response", "static"),
        *(("k_center", side, embedder) for side in ("instruction", "response") for embedder in ("static", "lsa")),
    ]  # fmt: skip


def test_a_control_without_a_label_is_not_the_baseline(tmp_path):
    found = read(
        tmp_path, subsets(RANDOM, {**RANDOM, "copies": 3}, {**RANDOM, "only": ["domain", 2]}, {**RANDOM, "match_length": "pool"})
    )
    assert [one.arm for one in found.subsets] == ["random", "random, 3 copies", "random, 2 of domain", "random, lengths matched"]
    assert [one.name for one in found.subsets][1] == "random, 3 copies, both, 12 rows, seed 0"


def test_files_stand_relative_to_the_study(tmp_path, monkeypatch):
    """Wherever it is called from; and folders that have the name of an embedder by chance are none."""
    for name in ("base", "static", "llama2"):
        (tmp_path / "plans" / name).mkdir(parents=True)
        (tmp_path / "plans" / name / "config.json").write_text("{}", encoding="utf-8")
    study.rows(tmp_path / "plans" / "pool.jsonl", study.sample()[:40])
    wanted = study.small(
        pool={"data": "pool.jsonl"}, subsets=[{"strategy": "k_center", "size": 5, "embedder": "hf:base"}, {"strategy": "random", "size": 5}],
        measures={"embedders": ["static", "hf:base"]}, evaluate=[{**LOSS, "data": "pool.jsonl"}],
    )  # fmt: skip
    file = study.write(tmp_path / "plans" / "study.yaml", wanted)
    found = []
    for folder, name in ((tmp_path, "plans/study.yaml"), (tmp_path / "plans", "study.yaml"), (tmp_path, file)):
        monkeypatch.chdir(folder)
        work = plan_study(name)
        found.append(
            ([run.id for run in work.all_runs], [one.id for one in work.measures], [one.id for one in work.study.evaluations])
        )
        assert [one.arm for one in work.study.subsets] == ["k_center [hf:base]", "random"]
        assert work.study.measures.embedders[0] == "static"
    assert found[0] == found[1] == found[2]
    # Moved, with all that it names.
    (tmp_path / "plans").rename(tmp_path / "moved")
    work = plan_study(tmp_path / "moved" / "study.yaml")
    assert ([run.id for run in work.all_runs], [one.id for one in work.measures]) == found[0][:2]


def test_the_starter_is_a_study(tmp_path):
    for name in ("pool.jsonl", "heldout.jsonl"):
        study.rows(tmp_path / name, study.sample()[:4])
    found = read_study(write_starter(tmp_path / "study.yaml"))
    assert len(found.subsets) == 3 + 9 + 30 + 1
    assert found.training.budget == Budget(epochs=3)
    with pytest.raises(DataError, match="is there already, and nothing is overwritten"):
        write_starter(tmp_path / "study.yaml")
    with pytest.raises(DataError, match="no such folder"):
        write_starter(tmp_path / "none" / "study.yaml")


def test_what_the_starter_has_as_a_comment_can_be_said(tmp_path):
    for name in ("pool.jsonl", "heldout.jsonl"):
        study.rows(tmp_path / name, study.sample()[:4])
    study.rows(tmp_path / "alpaca_eval.jsonl", PROMPTS)
    freed = re.sub(r"^( +)# (?=- \{|- name|  \w+: |\w+: )(?!More|In place|Another)", r"\1", starter(), flags=re.MULTILINE)
    assert freed.count("\n  #") <= 5
    found = read_study(study.write(tmp_path / "study.yaml", freed))
    assert [one.name for one in found.evaluations] == ["heldout", "tasks", "alpaca"]
    assert (found.pool.half, found.keep_models, found.training.lora.rank) == ("design", True, 16)
    assert found.analysis.families == {"losses": ("heldout/macro",), "tasks": ("tasks/arc_easy/acc_norm",)}


def test_every_key_stands_in_the_starter_or_the_docs(tmp_path, monkeypatch):
    known = set()
    done = Keys.done

    def noted(self):
        known.update(re.sub(r"\[\d+\]", "", self.path(one)) for one in self.known)
        done(self)

    monkeypatch.setattr(Keys, "done", noted)
    read(tmp_path, evaluate(LOSS, HARNESS, JUDGE))
    said = (
        starter()
        + (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
        + (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    )
    own = {path.rpartition(".")[2] for path in known if not path.startswith(("train.", "evaluate"))} - {"families"}
    assert not [key for key in own if not re.search(rf"\b{key}\b", said)]


def test_the_command_of_the_docs_is_one(tmp_path):
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(train:.*?)```", page, flags=re.DOTALL)
    found = read(tmp_path, {**study.small(), **yaml.safe_load(block)})
    assert isinstance(found.training, Command)
    assert found.training_seeds == (0, 1)


# What a change makes anew: subsets, measures of one, runs, evaluations; nothing for what changes no number.
CHANGES = {
    "nothing": ({}, ""),
    "names": ({"name": "Another"}, ""),
    "labels": ({"subsets": [{**one, "label": f"way {at}"} for at, one in enumerate(study.SMALL["subsets"])]}, ""),
    "analysis": ({"analysis": {"resamples": 300, "confidence": 0.9, "held": []}}, ""),
    "keep_models": ({"train": {"keep_models": True}}, ""),
    "processes": ({"train": {"processes": 1}}, ""),
    "3 and 3.0": ({"train": {"budget": {"epochs": 1.0}, "max_grad_norm": 1, "warmup": 3e-2}}, ""),
    "batch_tokens": ({"evaluate": [{**LOSS, "batch_tokens": 64}]}, ""),
    "a file elsewhere": ({"evaluate": [{**LOSS, "data": "copy.jsonl"}], "pool": {"data": "copy.jsonl"}}, ""),
    "pool": ({"pool": {"half": "test"}}, "subsets runs"),
    "pool rows": ({"pool": {"rows": 100}}, "subsets runs"),
    "seed": ({"seed": 1, "train": {"seeds": [0]}}, "subsets runs"),
    "training seed": ({"train": {"seeds": [1]}}, "runs"),
    "rate": ({"train": {"learning_rate": 2e-2}}, "runs"),
    "device": ({"train": {"device": "auto"}}, "runs"),
    "arguments": ({"train": {"arguments": {"adam_beta1": 0.5}}}, "runs"),
    "model": ({"train": {"model": "other"}}, "runs"),
    "metrics": ({"measures": {"metrics": ["novelsum"]}}, "measures"),
    "sides": ({"measures": {"sides": ["both"]}}, "measures"),
    "tokenizer": ({"measures": {"tokenizer": "words"}}, "measures"),
    "variant": ({"measures": {"variants": [{"name": "novelsum alone", "metric": "novelsum"}]}}, "measures"),
    "samples": ({"evaluate": [{**LOSS, "most": 2}]}, "evaluations"),
    "by": ({"evaluate": [{**LOSS, "by": "language"}]}, "evaluations"),
    "evaluation device": ({"evaluate": [{**LOSS, "device": "auto"}]}, "evaluations"),
}  # fmt: skip


def planned(folder, wanted):
    work = plan_study(study.write(folder / "study.yaml", wanted))
    return {
        "subsets": {run.subset_id for run in work.all_runs}, "measures": {one.id for one in work.measures},
        "runs": {run.id for run in work.all_runs}, "evaluations": {one.id for one in work.study.evaluations},
    }  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_anew_what_depends_on_it(change, tmp_path):
    changes, anew = CHANGES[change]
    for at, name in enumerate(("base", "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(f'{{"width": {at}}}', encoding="utf-8")
    (tmp_path / "copy.jsonl").write_bytes(SAMPLE.read_bytes())
    before, after = planned(tmp_path, study.small()), planned(tmp_path, study.small(**changes))
    differ = {kind for kind in before if before[kind] != after[kind]}
    assert differ == set(anew.split())
    # And all of it: a part of the old would be taken for the new.
    partly = {"seed": {"subsets", "runs"}, "variant": {"measures"}, "metrics": {"measures"}}
    for kind in differ - partly.get(change, set()):
        assert not before[kind] & after[kind]


def test_what_is_added_leaves_the_rest(tmp_path):
    before = planned(tmp_path, study.small())
    more = study.small(
        measures={"embedders": ["static", "lsa"]}, subsets=[*study.SMALL["subsets"], MICRO], train={"seeds": [0, 1]},
        evaluate=[LOSS, {**LOSS, "name": "again", "most": 2}],
    )  # fmt: skip
    after = planned(tmp_path, more)
    for kind in before:
        assert before[kind] < after[kind], kind


def test_files_count_by_what_they_hold(tmp_path):
    """A change in the middle of a large file too, and a file below the folder, and a tokenizer's."""
    for name in ("base", "embedder"):
        (tmp_path / name / "1_Pooling").mkdir(parents=True)
        (tmp_path / name / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
        (tmp_path / name / "model.safetensors").write_bytes(bytes(20 << 20))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    wanted = study.small(
        subsets=[
            {"strategy": "k_center", "size": 9, "embedder": "embedder"}, {"strategy": "token_coverage", "size": 9, "tokenizer": "tokenizer.json"},
        ],
        measures={"embedders": ["embedder"], "metrics": ["novelsum"], "tokenizer": "tokenizer.json"},
    )  # fmt: skip
    before = planned(tmp_path, wanted)
    with (tmp_path / "base" / "model.safetensors").open("r+b") as stream:
        stream.seek(10 << 20)
        stream.write(b"x")
    after = planned(tmp_path, wanted)
    assert {kind for kind in before if before[kind] != after[kind]} == {"runs"}
    (tmp_path / "embedder" / "1_Pooling" / "config.json").write_text("{ }", encoding="utf-8")
    again = planned(tmp_path, wanted)
    assert {kind for kind in before if after[kind] != again[kind]} == {"subsets", "runs", "measures"}
    assert len(after["subsets"] & again["subsets"]) == 1
    (tmp_path / "tokenizer.json").write_text("{ }", encoding="utf-8")
    last = planned(tmp_path, wanted)
    assert len(last["subsets"] & again["subsets"]) == 1
    assert not last["measures"] & again["measures"]
    # What only says how a model came about changes nothing.
    (tmp_path / "base" / "base_model.json").write_text("{}", encoding="utf-8")
    assert planned(tmp_path, wanted) == last


def test_the_grids_of_the_examples_are_good(tmp_path):
    places = {"pool": SAMPLE, "heldout": SAMPLE, "prompts": "prompts.jsonl", "base": "base", "half": "test", "epochs": 1}
    grids = sorted((ROOT / "examples" / "mini_study").glob("*.yaml"))
    assert {path.stem for path in grids} >= {"smoke", "laptop", "design", "gpu"}
    for path in grids:
        text = string.Template(path.read_text(encoding="utf-8"))
        study.write(tmp_path / "study.yaml", text.substitute(**places, rate=1e-3, device="cpu", minilm="org/minilm"))
        assert read_study(tmp_path / "study.yaml").subsets

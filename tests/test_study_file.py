"""What a study's file may say: every key, right and wrong."""

from __future__ import annotations

import pytest
import yaml

from tests import study
from tests.conftest import SAMPLE
from tests.plans import HARNESS, JUDGE, MICRO, evaluate, lay_around, read, subsets
from tests.study import LOSS, RANDOM
from variegate.errors import DataError, ParameterError
from variegate.study.conduct import plan_study
from variegate.study.evaluation.settings import HarnessTasks, JudgedAnswers
from variegate.study.plan import Variant, read_study
from variegate.study.training import Budget


@pytest.fixture(autouse=True)
def around(tmp_path, monkeypatch):
    lay_around(tmp_path, monkeypatch)


def test_all_that_may_be_said(tmp_path):
    wanted = study.small(
        name="All keys", seed=3,
        pool={"data": [str(SAMPLE)], "half": "test", "rows": 150},
        subsets=[
            {"strategy": "random", "size": 12},
            {
                "strategy": ["novelselect", "k_center"], "side": ["instruction", "both"], "size": [10, 12], "seed": [0, 1],
                "embedder": ["static", "lsa:16"], "tokenizer": "words", "match_length": [None, "pool"], "length_range": "5:5000", "response_share": 0.25,
                "only": ["domain", 3], "pool_sample": 100, "copies": 2, "options": {"first": 0},
            },
            {"strategy": "micro", "budget_tokens": 3000, "level": [0, 100], "side": "response"},
            {"strategy": "macro", "size": 12, "level": 2, "topics": "kmeans:7", "embedder": "static"},
            {"strategy": "meso", "size": 12, "level": [50], "tags": "domain", "label": "by domain"},
            {"strategy": "repr_filter", "size": 12, "quality": "score"},
        ],
        measures={
            "metrics": ["novelsum", "micro"], "sides": ["response", "both"], "tokenizer": "words", "topics": "domain",
            "tags": "domain", "embedders": ["static", {"name": "lsa", "sides": ["both"]}],
            "variants": [{"name": "near", "metric": "novelsum", "params": {"duplicates": "near"}, "reference": False}],
        },
        train={"seeds": [4, 5], "keep_models": True, "chat_template": "template.jinja", "budget": {"epochs": None, "tokens": 900}},
        evaluate=[
            {**LOSS, "precision": "float32", "batch_tokens": 512, "chat_template": "plain"},
            {
                "name": "answers", "kind": "loss", "prompts": "prompts.jsonl", "references": ["gpt4", "human"], "by": ["set"],
                "sets": ["own"],
            },
            {
                **HARNESS, "few_shot": 2, "limit": 5, "batch_size": 4, "apply_chat_template": True, "device": "cpu", "seed": 7,
            },
            {
                **JUDGE, "sets": ["own"], "number": 2, "seed": 1, "verdict_tokens": 99, "template": "{prompt}: {answer_a} or {answer_b}? Say [[A]] or [[B]].",
                "generate": {"max_new_tokens": 9, "temperature": "1e-1", "top_p": 0.5, "seed": 2, "batch_size": 3, "device": "cpu"},
            },
        ],
        analysis={
            "families": {"losses": ["heldout/macro", "answers"], "rest": ["tasks/arc_easy/acc", "alpaca/win_rate"]},
            "held": ["mean_tokens"], "baseline": "by domain", "confidence": 0.9,
            "resamples": 150, "permutations": 120,
        },
    )  # fmt: skip
    found = read(tmp_path, wanted)
    assert (found.name, found.seed, found.pool.half, found.pool.rows) == ("All keys", 3, "test", 150)
    # Two strategies, sides, sizes, seeds, embedders, and lengths matched or not; an entry without a seed has the study's.
    assert [one.strategy for one in found.subsets].count("novelselect") == 2**5
    assert len(found.subsets) == 1 + 2 * 2**5 + 2 + 2 + 1 + 1
    assert {one.seed for one in found.subsets if one.strategy == "random"} == {3}
    assert {(one.level, one.budget_tokens, one.size) for one in found.subsets if one.strategy == "micro"} == {
        (0.0, 3000, None), (100.0, 3000, None),
    }  # fmt: skip
    measures = found.measures
    assert measures.variants == (Variant("near", "novelsum", {"duplicates": "near"}, False),)
    assert (measures.embedders, measures.embedder_sides) == (("static", "lsa"), {"lsa": ("both",)})
    assert (measures.tokenizer, measures.topics, measures.tags) == ("words", "domain", "domain")
    assert found.training_seeds == (4, 5)
    assert found.keep_models
    assert (found.training.budget, found.training.chat_template) == (Budget(tokens=900), "{{ messages }}")
    loss, answers, tasks, judge = found.evaluations
    assert (loss.headline, answers.headline) == (("heldout/macro",), ("answers/macro",))
    assert isinstance(tasks, HarnessTasks)
    assert (tasks.headline, tasks.harness.few_shot, tasks.harness.seed) == (("tasks/arc_easy/acc",), 2, 7)
    assert isinstance(judge, JudgedAnswers)
    assert (judge.generation.temperature, judge.judge.answer_tokens, judge.number) == (0.1, 99, 2)
    assert found.analysis.families["losses"] == ("heldout/macro", "answers")
    assert (found.analysis.held, found.analysis.confidence, found.analysis.resamples) == (("mean_tokens",), 0.9, 150)


def test_what_is_left_out_has_its_default(tmp_path):
    found = read(tmp_path, study.small(name=None, measures=None, analysis=None, subsets=[RANDOM]))
    assert (found.name, found.seed, found.training_seeds, found.keep_models) == ("study", 0, (0,), False)
    assert (found.measures.metrics, found.measures.sides) == (None, ("instruction", "response", "both"))
    assert (found.measures.embedders, found.measures.topics) == (("static",), "kmeans:100")
    assert found.analysis.families == {"heldout": ("heldout/macro",)}
    assert (found.analysis.held, found.analysis.baseline) == (("mean_response_tokens",), "random")
    assert read(tmp_path, study.small(analysis={"held": []})).analysis.held == ()


# What is wrong, where in the file, and what is said.
WRONG = {
    "name": (study.small(name=5), "name: 5", r"'name' must be a text. Got 5 instead"),
    "seed": (study.small(seed=-1), "seed: -1", r"'seed' must be a whole number of at least 0. Got -1"),
    "seed true": (study.small(seed=True), "seed: true", r"'seed' must be a whole number of at least 0. Got True"),
    "unknown": (study.small(mesures={}), "mesures", r"Unknown key in .*: 'mesures'. Did you mean measures"),
    "pool": (study.small(pool=None), None, r"study.yaml: 'pool' is missing. .*variegate study init"),
    "pool list": (study.small(pool=["x"]), "pool:", r"'pool' must be a mapping of keys to values. Got \['x'\]"),
    "data": (study.small(pool={"data": None}), "pool:", r"'pool.data' is missing. It must be a file of samples, a Hub name"),
    "data 5": (study.small(pool={"data": [5]}), "- 5", r"'pool.data\[0\]' must be a text. Got 5"),
    "half": (study.small(pool={"half": "train"}), "half: train", r"'pool.half' must be one of design, test. Got 'train'"),
    "rows": (study.small(pool={"rows": 0}), "rows: 0", r"'pool.rows' must be a whole number of at least 1. Got 0"),
    "pool key": (study.small(pool={"hlaf": "test"}), "hlaf", r"'pool.hlaf'. Did you mean pool.half"),
    "subsets": (study.small(subsets=None), None, r"'subsets' is missing. It must be a list of grids"),
    "subsets mapping": (study.small(subsets=RANDOM), "subsets:", r"'subsets' must be a list. Got \{"),
    "subsets text": (subsets("random"), "- random", r"'subsets\[0\]' must be a mapping of keys to values. Got 'random'"),
    "strategy": (subsets({"strategy": "randm", "size": 9}), "randm", r"value of 'subsets\[0\].strategy' .* 'randm'. Did you mean random"),
    "no strategy": (subsets({"size": 9}), "- size", r"'subsets\[0\].strategy' is missing. It must be one of novelselect_rich,"),
    "side": (subsets({**MICRO, "side": "answer"}), "side: answer", r"'subsets\[0\].side' .*'answer'"),
    "level": (subsets({**MICRO, "level": "x"}), "level: x", r"'subsets\[0\].level' must be a number of steps from 2 to 21"),
    "level 50": (subsets({**MICRO, "level": 50}), "level: 50", r"or a list of levels in \[0, 100\]. Got 50"),
    "level true": (subsets({**MICRO, "level": True}), "level: true", r"Got True"),
    "level 101": (subsets({**MICRO, "level": [101]}), "level:", r"'subsets\[0\].level' .*Got \[101\]"),
    "level of text": (subsets({**MICRO, "level": ["a"]}), "level:", r"'subsets\[0\].level' .*Got \['a'\]"),
    "no level": (subsets({**RANDOM, "level": [0]}), "level:", r"'subsets\[0\].level' is nothing that random looks at. Leave it out"),
    "no side": (subsets({**RANDOM, "side": "both"}), "side:", r"'subsets\[0\].side' is nothing that random looks at"),
    "no embedder": (subsets({**MICRO, "embedder": "lsa"}), "embedder:", r"is nothing that micro looks at"),
    "no topics": (subsets({**MICRO, "topics": "x"}), "topics:", r"is nothing that micro looks at"),
    "no tags": (subsets({**MICRO, "tags": "x"}), "tags:", r"is nothing that micro looks at"),
    "size": (subsets({"strategy": "random", "size": 0}), "size: 0", r"'subsets\[0\].size' must be a whole number of at least 1. Got 0"),
    "sizes": (subsets({"strategy": "random", "size": [5, "x"]}), "- x", r"'subsets\[0\].size\[1\]' must be .* Got 'x'"),
    "budget": (subsets({"strategy": "random", "budget_tokens": 1.5}), "budget_tokens", r"Got 1.5"),
    "no size": (subsets({"strategy": "random"}), "- strategy", r"'subsets\[0\]' takes either 'size' \(rows\) or 'budget_tokens'"),
    "two sizes": (subsets({**RANDOM, "budget_tokens": 9}), "- strategy", r"takes either 'size'"),
    "subset seed": (subsets({**RANDOM, "seed": [-1]}), "- -1", r"'subsets\[0\].seed\[0\]' must be a whole number of at least 0"),
    "no seeds": (subsets({**RANDOM, "seed": []}), "seed: []", r"'subsets\[0\].seed' must be .*, or a list of these. Got \[\]"),
    "embedder": (subsets({"strategy": "k_center", "size": 9, "embedder": 3}), "embedder: 3", r"'subsets\[0\].embedder' must be a text"),
    "tokenizer": (subsets({**RANDOM, "tokenizer": 3}), "tokenizer: 3", r"'subsets\[0\].tokenizer' must be a text"),
    "topics": (subsets({"strategy": "macro", "size": 9, "topics": 3}), "topics: 3", r"'subsets\[0\].topics' must be a text"),
    "tags": (subsets({"strategy": "meso", "size": 9, "tags": 3}), "tags: 3", r"'subsets\[0\].tags' must be a text"),
    "match": (subsets({**RANDOM, "match_length": "x"}), "match_length: x", r"'subsets\[0\].match_length' must be pool or null. Got 'x'"),
    "match budget": (
        subsets({"strategy": "random", "budget_tokens": 9, "match_length": "pool"}), "match_length",
        r"must be left out, since lengths that are matched take a 'size' and no 'budget_tokens'",
    ),
    "range": (subsets({**RANDOM, "length_range": "5-9"}), "length_range", r"must be LOW:HIGH in tokens .*such as \"50:500\". Got '5-9'"),
    "share": (subsets({**RANDOM, "response_share": 50}), "response_share", r"must be a number in \[0, 1\]. Got 50"),
    "range in minutes": ("length_range: 20:50", "length_range", r"in quotes, .*Got 1250 instead"),
    "quality": (subsets({**RANDOM, "quality": "score"}), "quality", r"'subsets\[0\].quality': .*random must be left out, since it weighs no"),
    "options": (subsets({**RANDOM, "options": [1]}), "options:", r"'subsets\[0\].options' must be a mapping of names to numbers, texts"),
    "option": (
        subsets({"strategy": "novelselect", "size": 9, "options": {"betta": 0}}), "options:",
        r"'subsets\[0\].options': Unknown parameter of novelselect 'betta'. Did you mean beta",
    ),
    "option of select": (subsets({**RANDOM, "options": {"reference": "x"}}), "options:", r"'subsets\[0\].options': .*reference"),
    "option level": (subsets({**MICRO, "options": {"level": 5}}), "options:", r"'level' has a key of its own"),
    "option date": ("options: {x: 2020-01-01}", "options:", r"must be a mapping of names to numbers, texts, lists and mappings"),
    "only": (subsets({**RANDOM, "only": ["domain", True]}), "only:", r"'subsets\[0\].only' must be a column and a number"),
    "pool_sample": (subsets({**RANDOM, "pool_sample": 0}), "pool_sample: 0", r"must be a whole number of at least 1"),
    "pool_sample 5": (subsets({**RANDOM, "pool_sample": 5}), "pool_sample: 5", r"must be at least the 12 rows of 'size'. Got 5"),
    "copies": (subsets({**RANDOM, "copies": 0}), "copies: 0", r"'subsets\[0\].copies' must be a whole number of at least 1"),
    "label": (subsets({**RANDOM, "label": 3}), "label: 3", r"'subsets\[0\].label' must be a text"),
    "subset key": (subsets({**RANDOM, "pool_smaple": 9}), "pool_smaple", r"'subsets\[0\].pool_smaple'. Did you mean subsets\[0\].pool_sample"),
    "twice": (subsets(RANDOM, {**RANDOM, "label": "again"}), "- strategy", r"'subsets\[1\]' describes a set that 'random, both, 12 rows, seed 0'"),
    "one name": (
        subsets({**RANDOM, "label": "x"}, {**RANDOM, "label": "x", "copies": 3}), "- strategy",
        r"'subsets\[1\]' is called 'x', as is a set that is chosen otherwise.*Give it a 'label' of its own",
    ),
    "metric": (study.small(measures={"metrics": ["novelsmu"]}), "novelsmu", r"'measures.metrics\[0\]': Unknown metric 'novelsmu'. Did you"),
    "metric 3": (study.small(measures={"metrics": 3}), "metrics: 3", r"'measures.metrics' must be a text. Got 3"),
    "sides": (study.small(measures={"sides": ["all"]}), "- all", r"'measures.sides\[0\]' .*'all'"),
    "sides twice": (study.small(measures={"sides": ["both"] * 2}), "sides:", r"'measures.sides' must be values that are all different"),
    "embedders": (study.small(measures={"embedders": [3]}), "- 3", r"'measures.embedders\[0\]' must be an embedder, or a mapping with"),
    "embedders twice": (study.small(measures={"embedders": ["lsa", "lsa"]}), "embedders:", r"'measures.embedders' must be values that are"),
    "embedder name": (study.small(measures={"embedders": [{"sides": ["both"]}]}), "sides:", r"'measures.embedders\[0\].name' is missing"),
    "embedder key": (
        study.small(measures={"embedders": [{"name": "lsa", "side": "both"}]}), "side: both",
        r"'measures.embedders\[0\].side'. Did you mean measures.embedders\[0\].sides",
    ),
    "measure key": (study.small(measures={"metric": []}), "metric:", r"'measures.metric'. Did you mean measures.metrics"),
    "variants": (study.small(measures={"variants": {"a": 1}}), "variants:", r"'measures.variants' must be a list"),
    "variant name": (study.small(measures={"variants": [{"metric": "novelsum"}]}), "- metric", r"'measures.variants\[0\].name' is missing"),
    "variant metric": (study.small(measures={"variants": [{"name": "x", "metric": "novelsun"}]}), "novelsun", r"'novelsun'. Did you mean novelsum"),
    "variant of own": (study.small(measures={"variants": [{"name": "mtld", "metric": "novelsum"}]}), "name: mtld", r"must be a name that no metric"),
    "variant params": (
        study.small(measures={"variants": [{"name": "x", "metric": "novelsum", "params": {"duplicate": "near"}}]}), "params:",
        r"'measures.variants\[0\].params': Unknown parameter of novelsum 'duplicate'. Did you mean duplicates",
    ),
    "variant reference": (
        study.small(measures={"variants": [{"name": "x", "metric": "novelsum", "reference": "no"}]}), "reference:",
        r"'measures.variants\[0\].reference' must be true or false. Got 'no'",
    ),
    "train": (study.small(train=None), None, r"'train' is missing"),
    "seeds": (study.small(train={"seeds": [0, 0]}), "seeds:", r"'train.seeds' must be values that are all different. Got \[0, 0\]"),
    "keep": (study.small(train={"keep_models": "yes"}), "keep_models", r"'train.keep_models' must be true or false. Got 'yes'"),
    "model": (study.small(train={"model": "./nowhere"}), "model:", r"'train.model' must be a Hub id, or the path of a model that is there"),
    "no model": (study.small(train={"model": None}), "train:", r"'train.model' is missing"),
    "budget key": (study.small(train={"budget": {"epoch": 3}}), "epoch: 3", r"'train.budget.epoch'. Did you mean train.budget.epochs"),
    "rate": (study.small(train={"learning_rate": 0}), "learning_rate", r"'train.learning_rate' must be a number above 0. Got 0"),
    "train key": (study.small(train={"sedes": [0]}), "sedes", r"'train.sedes'. Did you mean train.seeds"),
    "arguments": ("arguments: {x: .nan}", "arguments:", r"'train.arguments' must be a mapping of names to numbers"),
    "evaluate": (study.small(evaluate=None), None, r"'evaluate' is missing. It must be a list of evaluations"),
    "evaluation name": (evaluate({"kind": "loss"}), "- kind", r"'evaluate\[0\].name' is missing"),
    "slash": (evaluate({**LOSS, "name": "a/b"}), "name: a/b", r"'evaluate\[0\].name' must be a name without '/' that no other"),
    "same name": (evaluate(LOSS, {**LOSS, "most": 2}), "- name: heldout", r"'evaluate\[1\].name' must be a name without '/'"),
    "kind": (evaluate({**LOSS, "kind": "perplexity"}), "kind:", r"'evaluate\[0\].kind' must be one of loss, harness, judge. Got 'perplexity'"),
    "no kind": (evaluate({"name": "x"}), "- name", r"'evaluate\[0\].kind' is missing. It must be one of loss, harness, judge"),
    "no data": (evaluate({"name": "x", "kind": "loss"}), "- name", r"'evaluate\[0\]' takes either 'data' \(samples\) or 'prompts'"),
    "both": (evaluate({**LOSS, "prompts": "prompts.jsonl"}), "- name", r"'evaluate\[0\]' takes either 'data'"),
    "references": (evaluate({"name": "x", "kind": "loss", "prompts": "prompts.jsonl"}), "- name", r"'evaluate\[0\].references' is missing"),
    "by": (evaluate({**LOSS, "by": 3}), "by: 3", r"'evaluate\[0\].by' must be a text"),
    "most": (evaluate({**LOSS, "most": 0}), "most: 0", r"'evaluate\[0\].most' must be a whole number of at least 1"),
    "evaluation half": (evaluate({**LOSS, "half": "x"}), "half: x", r"'evaluate\[0\].half' must be one of design, test"),
    "length": (evaluate({**LOSS, "max_length": 1}), "max_length: 1", r"'evaluate\[0\].max_length' must be a whole number of at least 2"),
    "device": (evaluate({**LOSS, "device": "tpu"}), "device: tpu", r"'evaluate\[0\].device' must be one of auto, cpu, cuda"),
    "precision": (evaluate({**LOSS, "precision": "fp8"}), "precision", r"'evaluate\[0\].precision' must be one of auto, float32, bf16"),
    "batch": (evaluate({**LOSS, "batch_tokens": 0}), "batch_tokens", r"'evaluate\[0\].batch_tokens' must be a whole number of at least 1"),
    "loss key": (evaluate({**LOSS, "mots": 3}), "mots", r"'evaluate\[0\].mots'. Did you mean evaluate\[0\].most"),
    "headline": (evaluate({**HARNESS, "headline": []}), "headline", r"'evaluate\[0\].headline'"),
    "no headline": (evaluate({"name": "x", "kind": "harness", "tasks": ["a"]}), "- name", r"'evaluate\[0\].headline' is missing"),
    "no tasks": (evaluate({"name": "x", "kind": "harness", "headline": ["a/b"]}), "- name", r"'evaluate\[0\]': .*tasks.*at least one name"),
    "few_shot": (evaluate({**HARNESS, "few_shot": -1}), "few_shot", r"'evaluate\[0\].few_shot' must be a whole number"),
    "limit": (evaluate({**HARNESS, "limit": 0}), "limit", r"'evaluate\[0\].limit' must be a whole number of at least 1"),
    "harness key": (evaluate({**HARNESS, "limits": 3}), "limits", r"'evaluate\[0\].limits'. Did you mean evaluate\[0\].limit"),
    "judge": (evaluate({**JUDGE, "judge": "gpt4"}), "- name", r"'evaluate\[0\]': .*llm:MODEL or llm:MODEL@URL. Got 'gpt4'"),
    "no judge": (evaluate({**JUDGE, "judge": None}), "judge: null", r"'evaluate\[0\].judge' must be a text. Got None"),
    "prompts": (evaluate({"name": "x", "kind": "judge"}), "- name", r"'evaluate\[0\].prompts' is missing"),
    "generate": (evaluate({**JUDGE, "generate": {"max_new_tokens": 0}}), "max_new", r"'evaluate\[0\].generate.max_new_tokens' must be"),
    "generate key": (evaluate({**JUDGE, "generate": {"temp": 0}}), "temp: 0", r"'evaluate\[0\].generate.temp'. Did you mean"),
    "temperature": (evaluate({**JUDGE, "generate": {"temperature": "hot"}}), "hot", r"must be a number in \[0, inf\]. Got 'hot'"),
    "template": (evaluate({**JUDGE, "template": "nowhere.txt"}), "nowhere", r"nowhere.txt cannot be read as the 'evaluate\[0\].template'"),
    "family": (
        study.small(analysis={"families": {"a": ["heldout/maccro"]}}), "maccro",
        r"value of 'analysis.families.a\[0\]' .*'heldout/maccro'. Did you mean heldout/macro",
    ),
    "family of nothing": (study.small(analysis={"families": {"a": []}}), "a: []", r"'analysis.families.a' must be a text, or a list"),
    "family twice": (study.small(analysis={"families": {"a": ["heldout"] * 2}}), "a:", r"'analysis.families.a' must be values that are all"),
    "families": (
        study.small(analysis={"families": {"A b": ["heldout"], "a_B": ["heldout/macro"]}}), "families:",
        r"'analysis.families' must be families whose names differ in their letters and digits.* Got 'A b'",
    ),
    "together": (study.small(analysis={"families": {"Together": ["heldout"], "x": ["heldout/macro"]}}), "families:", r"Got 'Together'"),
    "held": (study.small(analysis={"held": ["tokns"]}), "tokns", r"'analysis.held\[0\]' .*'tokns'. Did you mean tokens"),
    "baseline": (study.small(analysis={"baseline": "rnd"}), "baseline", r"'analysis.baseline' must be one of random, k_center, four copies"),
    "confidence": (study.small(analysis={"confidence": 95}), "confidence", r"'analysis.confidence' must be a number in \[0.5, 0.999\]. Got 95"),
    "resamples": (study.small(analysis={"resamples": 9}), "resamples", r"'analysis.resamples' must be a whole number of at least 100"),
    "permutations": (study.small(analysis={"permutations": 9}), "permutations", r"must be a whole number of at least 100. Got 9"),
    "analysis key": (study.small(analysis={"baselin": "x"}), "baselin", r"'analysis.baselin'. Did you mean analysis.baseline"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_named_with_its_line(case, tmp_path):
    wanted, needle, said = WRONG[case]
    if isinstance(wanted, str):
        # As YAML itself takes it, which no dump would write.
        key = "subsets" if "arguments" not in wanted else "train"
        text = yaml.safe_dump(study.small(), sort_keys=False)
        wanted = text.replace(
            f"{key}:\n{'- ' if key == 'subsets' else '  '}", f"{key}:\n{'- ' if key == 'subsets' else '  '}{wanted}\n  ", 1
        )
    file = study.write(tmp_path / "study.yaml", wanted)
    with pytest.raises((ParameterError, DataError), match=said) as error:
        read_study(file)
    assert error.value.exit_code == 2
    lines = file.read_text(encoding="utf-8").splitlines()
    if needle is None:
        assert f"{file}:" in str(error.value)
    else:
        # The last, where two entries begin alike.
        at = max(number for number, line in enumerate(lines, 1) if needle in line)
        assert f"{file}, line {at}:" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pool: {a: 1\nb: 2", r"study.yaml, line 2: is not valid YAML"),
        ("pool: {data: x}\npool: {data: y}", r"study.yaml, line 2: has the key 'pool' twice. Take one out"),
        ("? [a]\n: 1", r"study.yaml, line 1: a key must be a text, and this one is a list or mapping"),
        ("- a", r"study.yaml: 'the file' must be a mapping of keys to values. Got \['a'\]"),
        ("", r"'the file' must be a mapping of keys to values. Got None"),
        ("on: 5", r"must be a mapping whose keys are texts, in quotes.* Got True"),
        ("pool: &a [*a]", r"study.yaml: is not valid YAML"),
        ("pool: !!python/name:os.system", r"line 1: is not valid YAML"),
    ],
)
def test_files_that_are_no_study(text, said, tmp_path):
    with pytest.raises((DataError, ParameterError), match=said):
        read_study(study.write(tmp_path / "study.yaml", text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.yaml: cannot be read \(No such file"):
        plan_study(tmp_path / "nowhere.yaml")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        plan_study(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"bytes.yaml: is not valid"):
        read_study(tmp_path / "bytes.yaml")
    with pytest.raises(DataError, match=r"plan: has no ending, so its folder cannot have its name. Call it .*plan.yaml"):
        plan_study(study.write(tmp_path / "plan", study.small()))

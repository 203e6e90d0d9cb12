"""lm-evaluation-harness on a model that has learnt a few answers by heart, with tasks and data made here."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

import variegate as vg
from variegate.study.evaluation.harness import Harness, _evaluation, check_harness, run_harness

TALKS = [
    ["one", "answer one"],
    ["two two", "the second answer is this"],
    ["three is a longer question than the others", "3"],
    ["five", "five is it"],
]
# Of four questions the last has a right answer that the model has not learnt.
DOCUMENTS = [
    {"q": "one", "choices": ["answer one", "five is it"], "gold": 0},
    {"q": "two two", "choices": ["answer one", "the second answer is this"], "gold": 1},
    {"q": "three is a longer question than the others", "choices": ["3", "answer one"], "gold": 0},
    {"q": "five", "choices": ["five is it", "answer one"], "gold": 1},
]
COMMON = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
"""
CHOOSE = (
    COMMON
    + """
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 3.0}}
"""
)
WRITE = (
    COMMON
    + """
output_type: generate_until
doc_to_text: "{{{{q}}}}"
doc_to_target: "{{{{choices[gold]}}}}"
generation_kwargs: {{until: ["###"], max_gen_toks: 12, do_sample: false}}
filter_list:
  - {{name: stripped, filter: [{{function: remove_whitespace}}, {{function: take_first}}]}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
)
SURPRISE = (
    COMMON
    + """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{q}}}}"
metric_list:
  - {{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}}
metadata: {{version: 1.0}}
"""
)
GROUP = """
group: tiny_both
task: [tiny_choose, tiny_again]
aggregate_metric_list:
  - {metric: acc, aggregation: mean, weight_by_size: true}
"""
QUIET = pytest.mark.filterwarnings("ignore:::lm_eval|datasets|evaluate|transformers|multiprocess|torch")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'variegate[evaluate]'")
    from tests.tiny_model import save_learnt

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = save_learnt(tmp_path_factory.mktemp("models") / "learnt", TALKS)
    torch.set_num_threads(before)
    return folder


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    data = folder / "documents.jsonl"
    data.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS), encoding="utf-8")
    for name, text in (("choose", CHOOSE), ("again", CHOOSE), ("write", WRITE), ("surprise", SURPRISE)):
        (folder / f"{name}.yaml").write_text(text.format(name=f"tiny_{name}", data=data), encoding="utf-8")
    (folder / "group.yaml").write_text(GROUP, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def own_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what `datasets` makes of the documents out of the user's cache, and the network out of the tests."""
    if "datasets" in sys.modules or pytest.importorskip("datasets"):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@QUIET
@pytest.mark.parametrize("batch_size", [1, 4])
def test_tasks_of_a_folder(batch_size, learnt, tasks):
    harness = Harness(
        ("tiny_choose/acc", "tiny_write", "tiny_surprise"), str(tasks), apply_chat_template=True, batch_size=batch_size
    )
    found = run_harness(learnt, harness, "mine")
    assert (found["name"], found["kind"]) == ("mine", "harness")
    assert list(found["values"]) == list(found["higher_is_better"]) == list(found["details"]["stderr"])
    # Three of four; in what is written too, which ends at the template's end of a turn.
    assert found["values"]["tiny_choose/acc"] == pytest.approx(0.75)
    assert found["values"]["tiny_write/exact_match,stripped"] == pytest.approx(0.75)
    assert found["values"]["tiny_surprise/bits_per_byte"] > 0
    assert found["higher_is_better"] == {
        "tiny_choose/acc": True, "tiny_write/exact_match,stripped": True, "tiny_surprise/bits_per_byte": False,
    }  # fmt: skip
    details = found["details"]
    # Of three right and one wrong: the root of 3/16 x 4/3 is the deviation, half of it the error of the mean.
    assert details["stderr"]["tiny_choose/acc"] == pytest.approx(0.25)
    assert details["stderr"]["tiny_surprise/bits_per_byte"] is None
    assert details["documents"] == dict.fromkeys(("tiny_choose", "tiny_write", "tiny_surprise"), 4)
    assert details["task_versions"]["tiny_choose"] == 3.0
    assert details["lm_eval"]
    assert json.loads(json.dumps(found)) == found


@QUIET
def test_a_group_has_one_value_and_its_tasks_stand_in_the_details(learnt, tasks):
    found = run_harness(learnt, Harness(("tiny_both",), str(tasks), apply_chat_template=True), "mine")
    assert found["values"] == {"tiny_both/acc": pytest.approx(0.75)}
    assert found["higher_is_better"] == {"tiny_both/acc": True}
    assert set(found["details"]["subtasks"]) == {
        f"tiny_{task}/{metric}" for task in ("choose", "again") for metric in ("acc", "acc_norm")
    }


@QUIET
def test_a_limit_and_few_shot_examples_are_kept_to(learnt, tasks):
    state = random.getstate()
    harness = Harness(("tiny_choose",), str(tasks), limit=2, few_shot=0)
    found = run_harness(learnt, harness, "mine")
    assert found["details"]["documents"] == {"tiny_choose": 2}
    assert found["details"]["harness"]["limit"] == 2
    assert set(found["values"]) == {"tiny_choose/acc", "tiny_choose/acc_norm"}
    # The harness seeds the whole process; that is put back.
    assert random.getstate() == state


@QUIET
def test_what_cannot_be_run_is_said(learnt, tasks, tmp_path):
    with pytest.raises(vg.ParameterError, match=r"Unknown task 'tiny_chose' of lm-evaluation-harness. Did you mean tiny_choose"):
        check_harness(Harness(("tiny_chose",), str(tasks)))
    check_harness(Harness((), str(tasks)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(vg.ParameterError, match=r"'harness.folder' parameter of the study must be a folder of YAML tasks"):
        check_harness(Harness((), str(tmp_path / "empty")))
    with pytest.raises(vg.ParameterError, match=r"The task 'tiny_choose' has no metric 'f1'. It has: acc, acc_norm"):
        run_harness(learnt, Harness(("tiny_choose/f1",), str(tasks), limit=1), "mine")
    with pytest.raises(vg.DataError, match="absent: no model could be loaded"):
        run_harness(tmp_path / "absent", Harness(("tiny_choose",), str(tasks)), "mine")
    (tmp_path / "broken.yaml").write_text(CHOOSE.format(name="broken", data=tmp_path / "none.jsonl"), encoding="utf-8")
    with pytest.raises(vg.VariegateError, match=r"mine: lm-evaluation-harness [\d.]+ failed on broken with .*none\.jsonl"):
        run_harness(learnt, Harness(("broken",), str(tmp_path)), "mine")


@QUIET
def test_tasks_that_come_with_the_package_are_known(learnt):
    check_harness(Harness(("arc_easy/acc_norm", "hellaswag", "mmlu")))


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(vg.VariegateError, match=r"needs the package 'lm-eval'.* pip install 'variegate\[evaluate\]'"):
        run_harness("any", Harness(("arc_easy",)), "mine")


# --- what the results become; these need no harness


def results(**more: object) -> dict:
    row = {"alias": "t", "acc,none": 0.5, "acc_stderr,none": "N/A", "sample_len": 4}
    return {"results": {"t": row}, "higher_is_better": {"t": {"acc": True}}, **more}


def test_values_errors_and_orientation_of_results():
    found = _evaluation(results(), {"t": set()}, Harness(("t",)), "mine", "9")
    assert (found["values"], found["higher_is_better"], found["details"]["stderr"]) == (
        {"t/acc": 0.5},
        {"t/acc": True},
        {"t/acc": None},
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"higher_is_better": {"t": {"acc": None}}}, "t/acc: the task does not say whether larger is better"),
        ({"higher_is_better": {}}, "t/acc: the task does not say whether larger is better"),
        ({"results": {"t": {"acc,none": float("nan")}}}, "mine: lm-evaluation-harness came to no number for t/acc"),
        ({"results": {"t": {"alias": "t"}}}, "mine: lm-evaluation-harness came to no number for t"),
    ],
)
def test_no_number_comes_of_what_is_none(more, message):
    with pytest.raises(vg.DataError, match=message):
        _evaluation(results(**more), {"t": set()}, Harness(("t",)), "mine", "9")


def test_a_group_without_a_metric_of_its_own_has_those_of_its_tasks():
    given = results(groups={}, group_subtasks={"g": ["t"]})
    assert _evaluation(given, {"g": set()}, Harness(("g",)), "mine", "9")["values"] == {"t/acc": 0.5}
    with pytest.raises(vg.ParameterError, match=r"The task 'g' has no metric 'acc'. It has none of its own; name its tasks"):
        _evaluation(given, {"g": {"acc"}}, Harness(("g/acc",)), "mine", "9")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"'harness.tasks' .*at least one name, unless there is a folder"),
        ({"tasks": "arc_easy"}, r"'harness.tasks' parameter of the study must be a list of names. Got 'arc_easy'"),
        ({"tasks": ("a", "")}, "'harness.tasks'"),
        ({"folder": "/absent"}, "'harness.folder' parameter of the study must be a folder of YAML tasks. Got '/absent'"),
        ({"tasks": ("a",), "few_shot": -1}, "'harness.few_shot' parameter of the study must be a whole number of at least 0"),
        ({"tasks": ("a",), "limit": 0}, "'harness.limit' .*at least 1"),
        ({"tasks": ("a",), "batch_size": "auto"}, "'harness.batch_size'"),
        ({"tasks": ("a",), "seed": True}, "'harness.seed'"),
        ({"tasks": ("a",), "apply_chat_template": "yes"}, "'harness.apply_chat_template' .*true or false"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(vg.ParameterError, match=message):
        Harness(**given)

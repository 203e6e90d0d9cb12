"""Fine-tuning by a command of another package: what it gets, and what is made of how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import tiny
from tests.conftest import until
from variegate.errors import DataError, ParameterError
from variegate.study.training import Command, fine_tune
from variegate.study.training.external import fill_in, filled

# A trainer that writes what it was given beside a model, and says how it went.
TRAINER = """
import json, pathlib, sys
config, output = sys.argv[1:3]
print("step 1 of 1", flush=True)
text = pathlib.Path(config).read_text(encoding="utf-8")
place = pathlib.Path(output)
(place / "config.json").write_text("{}", encoding="utf-8")
(place / "model.safetensors").write_bytes(b"weights")
(place / "given.json").write_text(json.dumps({"config": text, "words": sys.argv[3:]}), encoding="utf-8")
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run"
    made.mkdir()
    tiny.rows(made / "rows.jsonl", [["q", "a"], ["r", "b"]])
    return made


def command(script, *words, **more):
    return Command("hub/base", (sys.executable, "-c", script, *words), **more)


def test_a_command_gets_its_places_and_leaves_a_model(folder):
    config = {
        "model_name_or_path": "{model}", "dataset": "{dataset}", "dataset_dir": "{folder}", "output_dir": "{output}",
        "seed": "{seed}", "stages": ["sft", {"name": "run-{seed}"}], "rate": 1e-5,
    }  # fmt: skip
    wanted = command(TRAINER, "{config}", "{output}", "{data}", "--seed={seed}", "{{braces}}", config=config)
    done = fine_tune(folder / "rows.jsonl", folder, wanted, seed=7)
    given = json.loads((folder / "model" / "given.json").read_text(encoding="utf-8"))
    told = yaml.safe_load(given["config"])
    assert given["words"] == [str(folder / "rows.jsonl"), "--seed=7", "{braces}"]
    assert (told["model_name_or_path"], told["dataset"], told["seed"], told["rate"]) == ("hub/base", "rows", 7, 1e-5)
    assert (told["dataset_dir"], told["stages"]) == (str(folder), ["sft", {"name": "run-7"}])
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    assert (info["rows"]["file_name"], info["rows"]["formatting"]) == ("rows.jsonl", "sharegpt")
    assert "step 1 of 1" in (folder / "train.log").read_text(encoding="utf-8")
    assert done["method"] == "command"
    # It left no word of what it saw, so nobody knows.
    assert [done[name] for name in ("tokens_seen", "response_tokens_seen", "steps", "epochs")] == [None] * 4
    assert done["seconds"] > 0


def test_what_a_trainer_says_of_itself_is_taken_over(folder):
    state = {"num_input_tokens_seen": 1234, "global_step": 5, "epoch": 2.5, "log_history": [{"loss": 2.0}, {"eval": 1}]}
    script = TRAINER + f"(place / 'trainer_state.json').write_text({json.dumps(json.dumps(state))}, encoding='utf-8')"
    done = fine_tune(folder / "rows.jsonl", folder, command(script, "{config}", "{output}"), seed=0)
    assert (done["tokens_seen"], done["response_tokens_seen"]) == (1234, None)
    assert (done["steps"], done["epochs"], done["loss"]) == (5, 2.5, [2.0])
    uncounted = (
        TRAINER + f"(place / 'trainer_state.json').write_text({json.dumps(json.dumps({**state, 'num_input_tokens_seen': 0}))})"
    )
    assert fine_tune(folder / "rows.jsonl", folder, command(uncounted, "{config}", "{output}"), seed=0)["tokens_seen"] is None
    broken = TRAINER + "(place / 'trainer_state.json').write_text('[]')"
    with pytest.raises(DataError, match=r"trainer_state.json: is not what a trainer writes"):
        fine_tune(folder / "rows.jsonl", folder, command(broken, "{config}", "{output}"), seed=0)


def test_a_command_that_fails_is_an_error_with_the_end_of_its_log(folder):
    script = "import sys\nfor at in range(100): print('line', at)\nprint('CUDA out of memory', file=sys.stderr)\nsys.exit(3)"
    with pytest.raises(DataError, match=r"(?s)failed with exit code 3. The end of .*train.log:\n.*line 99\n  CUDA out of mem"):
        fine_tune(folder / "rows.jsonl", folder, command(script), seed=0)
    assert not (folder / "model").exists()
    with pytest.raises(DataError, match=r"was ended by signal 9"):
        fine_tune(folder / "rows.jsonl", folder, command("import os; os.kill(os.getpid(), 9)"), seed=0)
    with pytest.raises(DataError, match=r"no-such-trainer: cannot be run, since there is no such program"):
        fine_tune(folder / "rows.jsonl", folder, Command("base", "no-such-trainer {config}"), seed=0)


def test_a_command_that_leaves_no_model_has_not_trained(folder):
    script = TRAINER.replace('(place / "model.safetensors").write_bytes(b"weights")', "")
    with pytest.raises(
        DataError, match=r"(?s)ended well, but left no \*.safetensors in {output}, where there is config.json, giv"
    ):
        fine_tune(folder / "rows.jsonl", folder, command(script, "{config}", "{output}"), seed=0)
    assert not (folder / "model").exists()
    kept = command(script, "{config}", "{output}", expects=("given.json",))
    assert fine_tune(folder / "rows.jsonl", folder, kept, seed=0)["method"] == "command"


def test_rows_of_another_schema_are_written_as_messages(folder):
    rows = folder / "pool.csv"
    rows.write_text("instruction,output\nq,a\nr,b\n", encoding="utf-8")
    fine_tune(rows, folder, command(TRAINER, "{config}", "{output}", "{data}"), seed=0)
    given = json.loads((folder / "model" / "given.json").read_text(encoding="utf-8"))
    assert given["words"] == [str(folder / "data.parquet")]
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    assert info["data"]["file_name"] == "data.parquet"


def test_a_command_ends_with_the_one_who_asked_for_it(folder, monkeypatch):
    """What it has started ends too: it would train on, and write into a folder that is gone."""
    from variegate.study.training import process

    script = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(folder / 'pid')!r}).write_text(str(child.pid))\ntime.sleep(600)"
    )
    wait = process.subprocess.Popen.wait

    def interrupted(self, timeout=None):
        if timeout is None:
            while not (folder / "pid").exists() or not (folder / "pid").read_text(encoding="utf-8"):
                process.subprocess.Popen.poll(self)
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(process.subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fine_tune(folder / "rows.jsonl", folder, command(script), seed=0)
    state = Path("/proc") / (folder / "pid").read_text(encoding="utf-8") / "stat"
    if not Path("/proc").is_dir():
        pytest.skip("processes are looked up in /proc")
    assert not state.exists() or state.read_text(encoding="utf-8").split(")")[1].split()[0] == "Z"


def test_a_command_ends_with_one_who_is_killed(tmp_path):
    """Nobody can catch SIGKILL, and the study that goes on in its place would train beside it."""
    if not Path("/proc").is_dir():
        pytest.skip("processes are looked up in /proc")
    sleeper = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"path = pathlib.Path({str(tmp_path / 'pids')!r})\n"
        "path.with_suffix('.new').write_text(f'{os.getpid()} {child.pid}')\npath.with_suffix('.new').rename(path)\ntime.sleep(600)"
    )
    asks = (
        "import pathlib, sys\nfrom variegate.study.training.process import run_logged\n"
        f"run_logged([sys.executable, '-c', {sleeper!r}], pathlib.Path({str(tmp_path / 'train.log')!r}))"
    )
    asking = subprocess.Popen([sys.executable, "-c", asks])
    until((tmp_path / "pids").exists)
    asking.kill()
    asking.wait()

    def gone(pid):
        stat = Path("/proc") / pid / "stat"
        try:
            return stat.read_text(encoding="utf-8").split(")")[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(lambda: all(map(gone, (tmp_path / "pids").read_text(encoding="utf-8").split())))


def test_places():
    places = {"seed": "3", "output": "/a b"}
    assert fill_in("{output}/x", places, "train.command") == "/a b/x"
    assert filled({"a": ["{seed}", "s{seed}", 2, None]}, places, "train.config") == {"a": [3, "s3", 2, None]}
    with pytest.raises(ParameterError, match=r"'train.config.a' names {ouput}, and there are {seed}, {output}. Write {{ouput}}"):
        filled({"a": "{ouput}"}, places, "train.config")

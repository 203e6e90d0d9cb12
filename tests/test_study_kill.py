"""A study that is killed again and again, by SIGKILL, ends with the very files of one that was left alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests import study, tiny
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="attempts are forks, which this system has not")


def killed(file, pretending, folders):
    """Do a study in several folders, killed as each says; return what became of each attempt."""
    plan = file.with_name("plan.json")
    plan.write_text(
        json.dumps({"study": str(file), "pretend": pretending, "folders": {str(one): kills for one, kills in folders.items()}}),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed", str(plan)], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(attempts, folders):
    """Every kill came, every last attempt ended well, and all folders hold the same."""
    first, *others = folders
    for folder in folders:
        *ends, last = [one for one in attempts if one["folder"] == str(folder)]
        assert all(one["killed"] for one in ends), ends
        assert (last["killed"], last["status"]) == (False, 0), last
        left = [path for path in Path(folder).rglob(".*") if not path.name.startswith(".shard")]
        assert not left
    for other in others:
        assert study.contents(other) == study.contents(first)
        assert study.stamps(other).keys() == study.stamps(first).keys()
        # Times of day stand in the records of runs, and nowhere on the page.
        assert (other / "page.html").read_bytes() == (first / "page.html").read_bytes()


def small(folder, model):
    return study.write(
        folder / "study.yaml",
        study.small(train={"model": str(model)}, subsets=[{"strategy": "random", "size": 8, "seed": [0, 1, 2]}]),
    )


def test_kills_at_every_kind_of_change_on_the_disk(tmp_path):
    """With a training that only pretends, so that there can be many kills: each before one of the next few changes."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}", encoding="utf-8")
    draw = random.Random(3)
    kills = [{"event": draw.randint(12, 60)} for _ in range(10)] + [{"event": event} for event in (6, 21, 33, 41)]
    folders = {tmp_path / "alone": [], tmp_path / "killed": kills}
    attempts = killed(small(tmp_path, tmp_path / "base"), True, folders)
    # A study that is done leaves little to kill.
    ends = [one for one in attempts if one["folder"].endswith("killed")]
    assert sum(one["killed"] for one in ends) >= 8
    assert {one["stage"] for one in ends if one["killed"]} >= {"subsets", "train", "correlate"}
    check([one for one in attempts if one["killed"] or one is ends[-1] or one is attempts[0]], folders)


def test_kills_in_each_stage_of_a_real_study(tmp_path):
    tiny.need_training()
    pytest.importorskip("matplotlib", reason="the page is drawn")
    stages = ("subsets", "measures", "train", "evaluate", "correlate", "page")
    draw = random.Random(2)
    kills = [{"stage": stage, "seconds": draw.uniform(0, 0.02)} for stage in stages]
    folders = {tmp_path / "alone": [], tmp_path / "killed": kills}
    attempts = killed(small(tmp_path, study.base(tmp_path / "base")), False, folders)
    assert [one["killed"] for one in attempts] == [False] + [True] * len(stages) + [False]
    check(attempts, folders)

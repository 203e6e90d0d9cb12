"""A study in stages and shares, by calls that work at once."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests import pretend, study
from tests.conftest import until
from tests.study import begin, table
from variegate.errors import ParameterError
from variegate.progress import announce_by
from variegate.storage import alone_in
from variegate.study import conduct as conducting
from variegate.study import stages
from variegate.study.conduct import conduct
from variegate.study.execute import read_shard

pytestmark = pytest.mark.usefixtures("pretending")


def test_stage_by_stage(tmp_path, capsys):
    file, folder = begin(tmp_path), tmp_path / "study"

    def there():
        names = ("subsets/*/subset.json", "subsets/*/measures/*", "runs/*/training.json", "runs/*/evaluations/*", "page.html")
        return [len(list(folder.glob(name))) for name in names]

    for stage, expected in {
        "correlate": [0, 0, 0, 0, 0], "measures": [0, 0, 0, 0, 0], "subsets": [6, 0, 0, 0, 0], "evaluate": [6, 0, 0, 0, 0],
        "train": [6, 0, 6, 0, 0], "measures again": [6, 12, 6, 0, 0], "evaluate again": [6, 12, 6, 6, 0],
        "correlate again": [6, 12, 6, 6, 1],
    }.items():  # fmt: skip
        assert study.run(file, "--only", stage.split()[0]) == 0
        assert there() == expected, stage
    said = capsys.readouterr()
    for note in (
        "note: there are no two subsets with finished runs that differ, so nothing can be compared yet",
        "note: 6 subsets are not chosen yet, and are not measured", "note: 6 runs have no model, and are not evaluated; `--only train`",
    ):  # fmt: skip
        assert note in said.err
    assert "6 of 6 runs are finished" in said.out
    assert study.run(file, "--only", "trian") == 2
    assert "Unknown stage 'trian'. Did you mean train?" in capsys.readouterr().err
    assert study.run(file, "--only", "page", "--dry-run") == 2


@pytest.mark.parametrize("share", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_shares_that_there_are_not(share, tmp_path, capsys):
    with pytest.raises(ParameterError, match=f"--shard takes I/N with I from 1 to N, such as 1/8. Got '{share}'"):
        read_shard(share)
    assert study.run(begin(tmp_path), f"--shard={share}") == 2
    assert "--shard takes I/N" in capsys.readouterr().err


def test_overlapping_shares_do_each_run_once(tmp_path, monkeypatch):
    """One call for everything and one for a share of it, at once."""
    file, trained = begin(tmp_path), []

    def slowly(rows, folder, settings, *, seed):
        trained.append(folder.name)
        time.sleep(0.05)
        return pretend.fine_tune(rows, folder, settings, seed=seed)

    monkeypatch.setattr(stages, "fine_tune", slowly)
    shares = [(1, 1), (1, 2), (2, 2)]
    threads = [threading.Thread(target=conduct, args=(file,), kwargs={"shard": share}) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(trained) == sorted(run["run"] for run in study.ids(tmp_path / "study")["runs"])
    assert len(table(tmp_path / "study")) == 6


def test_the_call_that_ends_last_has_all_runs(tmp_path, monkeypatch):
    """A share that was overtaken while it made its tables leaves those of the other alone."""
    file = begin(tmp_path)
    analyse, waiting, overtaken = conducting.analyse, threading.Event(), threading.Event()

    def slowly(finished, analysis):
        if len(finished) == 3:
            waiting.set()
            # Longer than the other takes, were it not kept waiting.
            overtaken.wait(3)
        return analyse(finished, analysis)

    monkeypatch.setattr(conducting, "analyse", slowly)
    first = threading.Thread(target=conduct, args=(file,), kwargs={"shard": (1, 2)})
    first.start()
    waiting.wait(300)
    conduct(file, shard=(2, 2))
    overtaken.set()
    first.join()
    assert len(table(tmp_path / "study")) == 6
    found = json.loads((tmp_path / "study" / "tables" / "12_rows" / "heldout" / "findings.json").read_text(encoding="utf-8"))
    assert found["runs"] == 6
    assert "6 of 6 runs are finished" in (tmp_path / "study" / "page.html").read_text(encoding="utf-8")


def test_a_second_call_waits_for_the_first_and_says_so(tmp_path):
    file = begin(tmp_path)
    room = tmp_path / "study" / ".shard-1-of-1"
    room.mkdir(parents=True)
    said: list[str] = []

    def second():
        announce_by(said.append)
        conduct(file, only="correlate")

    with alone_in(room):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: bool(said))
        assert waiting.is_alive()
    waiting.join()
    assert said[0] == f"note: another process works in {room}; this one goes on when that has ended"

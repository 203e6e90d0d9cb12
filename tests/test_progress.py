"""How far long work is: a bar on a terminal (tests/test_cli.py), a line now and then in a log, nothing unless asked for."""

import itertools

import pytest

import variegate as vg
from variegate import progress


@pytest.fixture
def clock(monkeypatch):
    """A second passes at each look at the clock."""
    seconds = itertools.count()
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))


def test_a_log_has_a_line_every_ten_seconds(clock, capsys):
    with vg.use(progress=True), progress.track("embedding", 3000) as advance:
        for _ in range(30):
            advance(100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "embedding: 1,000 of 3,000 rows, 100 rows/s, 20 s left",
        "embedding: 2,000 of 3,000 rows, 100 rows/s, 10 s left",
        "embedding: 3,000 of 3,000 rows, 100 rows/s, 0 s left",
    ]


def test_a_slow_rate_keeps_its_digits(clock, capsys):
    with vg.use(progress=True), progress.track("asking", 1000, "requests") as advance:
        for step in range(10):
            advance(step % 2)
    assert capsys.readouterr().err == "asking: 5 of 1,000 requests, 0.5 requests/s, 33 min 10 s left\n"


def test_quick_work_has_no_line(capsys):
    with vg.use(progress=True), progress.track("embedding", 10) as advance:
        advance(10)
    assert capsys.readouterr().err == ""


def test_the_inner_of_two_phases_is_not_shown(clock, capsys):
    with vg.use(progress=True), progress.track("outer", 20) as outer, progress.track("inner", 20) as inner:
        for _ in range(12):
            outer(1)
            inner(1)
    assert {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()} == {"outer"}


def test_nothing_is_shown_unless_asked_for(clock, capsys):
    def work():
        with progress.track("embedding", 100) as advance:
            for _ in range(50):
                advance(1)
        return capsys.readouterr().err

    assert work() == ""
    with vg.use(progress=True):
        assert work()
        with vg.use(progress=False):
            assert work() == ""
        # The block has ended, and what held before it holds again.
        assert work()
    assert work() == ""

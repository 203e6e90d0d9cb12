"""The cache: resumes after a kill, mends damage, and is safe for two processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from variegate.views.cache import cache_root, cached_arrays

SETTINGS = {"content": "abc", "model": "m"}


class Counter:
    """Arrays whose rows are their own numbers, and a record of what was computed."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        self.asked.append((start, stop))
        rows = np.arange(start, stop)
        return {"x": rows[:, None] * np.ones((1, 3), np.float32), "flat": np.repeat(rows, 2)}


def build(compute, rows: int = 25, settings=SETTINGS):
    return cached_arrays("vectors", settings, rows, 10, compute, "test")


def folder() -> Path:
    root = cache_root()
    assert root is not None
    (found,) = (root / "vectors").iterdir()
    return found


def check(arrays) -> None:
    np.testing.assert_array_equal(arrays["x"][:, 2], np.arange(25))
    np.testing.assert_array_equal(arrays["flat"], np.repeat(np.arange(25), 2))


def test_computed_once_then_memory_mapped():
    first = Counter()
    check(build(first))
    assert first.asked == [(0, 10), (10, 20), (20, 25)]
    again = Counter()
    arrays = build(again)
    check(arrays)
    assert again.asked == []
    assert isinstance(arrays["x"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        arrays["x"][0] = 1
    assert sorted(path.name for path in folder().iterdir()) == ["flat.npy", "manifest.json", "settings.json", "x.npy"]


def test_other_settings_are_another_key():
    build(Counter())
    other = Counter()
    build(other, settings={**SETTINGS, "model": "n"})
    assert len(other.asked) == 3


def test_a_failure_half_way_keeps_the_shards_that_are_done():
    class Failing(Counter):
        def __call__(self, start: int, stop: int):
            if start == 20:
                raise RuntimeError("power cut")
            return super().__call__(start, stop)

    with pytest.raises(RuntimeError, match="power cut"):
        build(Failing())
    assert not (folder() / "manifest.json").exists()
    rest = Counter()
    check(build(rest))
    assert rest.asked == [(20, 25)]


@pytest.mark.parametrize("damage", ["shard", "whole", "manifest"])
def test_damage_is_mended(damage):
    if damage == "shard":

        class Stops(Counter):
            def __call__(self, start: int, stop: int):
                if start == 20:
                    raise KeyboardInterrupt
                return super().__call__(start, stop)

        with pytest.raises(KeyboardInterrupt):
            build(Stops())
        shard = folder() / "000001.npz"
        shard.write_bytes(shard.read_bytes()[:100])
        expected = [(10, 20), (20, 25)]
    else:
        build(Counter())
        if damage == "whole":
            path = folder() / "x.npy"
            path.write_bytes(path.read_bytes()[:-50])
        else:
            (folder() / "manifest.json").write_text("{")
        expected = [(0, 10), (10, 20), (20, 25)]
    mended = Counter()
    check(build(mended))
    assert mended.asked == expected


def test_off_keeps_nothing(tmp_path):
    vg.use_cache("off")
    arrays = build(Counter())
    check(arrays)
    assert cache_root() is None


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    vg.use_cache(str(tmp_path / "file"))
    with pytest.raises(vg.DataError, match=r"the cache cannot be written here .* --cache"):
        build(Counter())


SLOW = """
    import sys, time
    import numpy as np
    import variegate as vg
    from variegate.views import embed

    real = embed._mean_pooled
    embed.STATIC_SHARD_ROWS = 20

    def slow(*arguments):
        time.sleep(float(sys.argv[2]))
        print("shard", flush=True)
        return real(*arguments)

    embed._mean_pooled = slow
    vg.use_cache(sys.argv[1])
    np.save(sys.argv[3], vg.load("pool.jsonl").vectors())
"""


@pytest.fixture
def slow_embedding(tmp_path: Path):
    """Start a process that embeds 200 rows in ten shards, slowly."""
    from tests.conftest import SAMPLE

    (tmp_path / "pool.jsonl").write_bytes(b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:200]))
    (tmp_path / "slow.py").write_text(textwrap.dedent(SLOW))
    running = []

    def start(cache: str, seconds: float, out: str) -> subprocess.Popen[str]:
        command = [sys.executable, "slow.py", cache, str(seconds), out]
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield start, tmp_path
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_killed_run_goes_on_and_gives_the_same_vectors(slow_embedding):
    start, where = slow_embedding
    killed = start("cache", 0.3, "none.npy")
    assert killed.stdout is not None
    for _ in range(4):
        assert killed.stdout.readline() == "shard\n"
    time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    resumed = start("cache", 0, "resumed.npy")
    shards, _ = resumed.communicate()
    assert resumed.returncode == 0
    # The shard in the works when the run was killed may or may not have been written.
    assert 10 - 5 <= shards.count("shard") <= 10 - 3
    undisturbed = start("other", 0, "undisturbed.npy")
    assert undisturbed.communicate()[0].count("shard") == 10
    assert (where / "resumed.npy").read_bytes() == (where / "undisturbed.npy").read_bytes()
    assert not list((where / "cache").rglob("*.npz"))


def test_two_processes_at_once_do_not_harm_each_other(slow_embedding):
    start, where = slow_embedding
    both = [start("cache", 0.05, f"{name}.npy") for name in ("one", "two")]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    assert (where / "one.npy").read_bytes() == (where / "two.npy").read_bytes()
    left = [path.name for path in (where / "cache" / "vectors").rglob("*") if path.is_file()]
    assert sorted(left) == ["manifest.json", "settings.json", "vectors.npy"]

"""Where and how to compute: chosen for a block, and put back whatever happens in it; nothing leaks into the next command."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.test_cli import run
from tests.test_reading import command
from variegate.choices import Choice, chosen
from variegate.cli.reading import Reading
from variegate.geometry import active_device, asked_for, memory_allowed
from variegate.progress import announce, track
from variegate.views import cache
from variegate.views.cache import cache_root

DEFAULT = 8 << 30
OPTIONS = "--device torch --memory 256M --neighbours approximate --cache off"
# For each option a value that is not possible, and what is said of it.
IMPOSSIBLE = {
    "device": ("gpu", "The device must be auto"),
    "memory": ("1K", "The memory must be at least 128M"),
    "neighbours": ("roughly", "The neighbours must be exact"),
}


class Broken(Exception):
    """What goes wrong inside a block."""


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt, SystemExit, None])
def test_a_block_puts_all_back_however_it_ends(error):
    before = chosen()
    with ExitStack() as around:
        if error is not None:
            around.enter_context(pytest.raises(error, match=r"^$"))
        with vg.use(memory="1G", cache="off"):
            vg.use(memory="512M")
            vg.use_cache("elsewhere")
            assert (memory_allowed(), cache_root().name) == (512 << 20, "elsewhere")
            if error is not None:
                raise error
    assert chosen() == before


def test_a_call_holds_from_there_on():
    assert memory_allowed() == DEFAULT
    vg.use(memory="1G")
    assert memory_allowed() == 1 << 30
    with vg.use(memory="512M", cache="off"):
        assert (memory_allowed(), cache_root()) == (512 << 20, None)
        vg.use_cache("elsewhere")
        with vg.use(memory="256M"):
            assert cache_root().name == "elsewhere"
        assert memory_allowed() == 512 << 20
    assert memory_allowed() == 1 << 30
    assert cache_root().name != "elsewhere"


@pytest.mark.parametrize("seed", range(12))
def test_blocks_in_blocks_are_as_a_stack_would_have_them(seed):
    """Blocks and plain calls at random, some of them ended by an error, against a list of what each block goes back to."""
    rng = np.random.default_rng(seed)
    state = {"memory": DEFAULT, "cache": cache._chosen.value}
    log = []

    def seen():
        return {"memory": memory_allowed(), "cache": cache._chosen.value}

    def some():
        wanted = {"memory": int(rng.integers(1, 9)) << 28, "cache": f"folder{rng.integers(9)}"}
        return {name: value for name, value in wanted.items() if rng.random() < 0.7}

    def steps(depth):
        for _ in range(rng.integers(1, 4)):
            choice = some()
            if depth == 4 or rng.random() < 0.4:
                vg.use(**choice)
                state.update(choice)
            else:
                back = dict(state)
                state.update(choice)
                try:
                    with vg.use(**choice):
                        log.append(depth)
                        assert seen() == state
                        steps(depth + 1)
                        if rng.random() < 0.4:
                            raise Broken
                except Broken:
                    log.append("broken")
                state.clear()
                state.update(back)
            assert seen() == state

    while "broken" not in log:
        steps(0)


def test_one_object_begins_several_blocks():
    where = vg.use(memory="1G")
    with where:
        assert memory_allowed() == 1 << 30
    assert memory_allowed() == DEFAULT
    with where:
        vg.use(memory="2G")
        with where:
            assert memory_allowed() == 1 << 30
        assert memory_allowed() == 2 << 30
    assert memory_allowed() == DEFAULT


@pytest.mark.parametrize("option", IMPOSSIBLE)
def test_nothing_is_chosen_where_one_value_is_impossible(option):
    pytest.importorskip("torch")
    value, said = IMPOSSIBLE[option]
    before = chosen()
    possible = {"device": "cpu", "memory": "1G", "neighbours": "exact", "cache": "off"}
    with pytest.raises(vg.ParameterError, match=said), vg.use(**{**possible, option: value}):
        raise Broken
    assert chosen() == before


def test_every_thread_computes_as_the_block_says():
    found = []
    with vg.use(memory="1G"):
        thread = threading.Thread(target=lambda: found.append(memory_allowed()))
        thread.start()
        thread.join()
    assert found == [1 << 30]


def test_what_is_chosen_in_a_module_imported_inside_is_put_back():
    with vg.use():
        late = Choice("default")
        late.value = "other"
    assert late.value == "default"
    Choice.known.remove(late)


# --- one command after another


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b"\n".join(SAMPLE.read_bytes().split(b"\n")[:30]) + b"\n")
    return path


def test_a_command_leaves_no_choice_behind(pool, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("faiss")
    inside = []

    def look(*arguments, **options):
        inside.append((str(active_device()), memory_allowed(), str(asked_for()), cache_root()))
        return []

    monkeypatch.setattr("variegate.metrics.measure", look)
    before = chosen()
    run(*command("measure", OPTIONS, pool))
    run(*command("measure", "", pool))
    first, second = inside
    assert first == ("cpu", 256 << 20, "approximate", None)
    assert second[:3] == ("None", DEFAULT, "None")
    assert second[3] is not None
    assert chosen() == before


@pytest.mark.parametrize("verb", ["measure", "select", "diagnose", "ladder"])
@pytest.mark.parametrize(("error", "status"), [(Broken, 1), (vg.DataError, 2), (KeyboardInterrupt, 130), (MemoryError, 1)])
def test_a_command_that_fails_leaves_no_choice_behind(verb, error, status, pool, monkeypatch, capsys):
    inside = []

    def fail(*arguments, **options):
        inside.append((memory_allowed(), cache_root()))
        raise error("it went wrong")

    monkeypatch.setattr(Reading, "load", fail)
    with vg.use(memory="1G", cache="own"):
        before = chosen()
        assert run(*command(verb, "--memory 256M --cache off", pool)) == status
        assert inside == [(256 << 20, None)]
        assert chosen() == before


def test_a_command_starts_from_defaults_and_puts_back_what_was_chosen_before_it(pool, monkeypatch):
    inside = []
    monkeypatch.setattr("variegate.metrics.measure", lambda *arguments, **options: inside.append(memory_allowed()) or [])
    with vg.use(memory="1G"):
        run(*command("measure", "", pool))
        assert inside == [DEFAULT]
        assert memory_allowed() == 1 << 30
        assert run(*command("measure", "--memory 1M", pool)) == 2
        assert memory_allowed() == 1 << 30


def test_a_quiet_command_after_one_that_is_not(pool, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run(*command("embed", "", pool))
    capsys.readouterr()
    announce("heard by nobody")
    with track("seen by nobody", 2) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")

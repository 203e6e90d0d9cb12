"""The same values and picks by PyTorch as by numpy; on an accelerator too, where there is one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.geometry import (
    MeanL2,
    NearestOthers,
    Novelty,
    largest_cosine,
    near_duplicates,
    nearest,
    over_pairs,
    similar_pairs,
    use_device,
)

torch = pytest.importorskip("torch")

DEVICES = ["torch", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request):
    yield request.param
    use_device("cpu")


def points(scale=1.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 9)).astype(np.float32) * scale
    # Copies, near-copies and rows of other lengths.
    x[200:215], x[215:230], x[230:] = x[:15], x[:15] * (1 + 1e-6), x[:10] * 3
    return x


@pytest.mark.parametrize("name", [name for name, spec in vg.METRICS.items() if spec.view == "vectors"])
def test_metrics_agree(name, device):
    x, pool = points(), np.random.default_rng(1).normal(size=(500, 9))
    options = {"cluster_inertia": {"k": 12}, "partition_entropy": {"k": 12}}
    (expected,) = vg.measure(x, name, reference=pool, params=options)
    use_device(device)
    (found,) = vg.measure(x, name, reference=pool, params=options)
    assert found.value == pytest.approx(expected.value, rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"density_of": "other"}, {"include_self": False}, {"density_of": "other", "alpha": 0.5}])
def test_every_kind_of_novelty_agrees(options, device):
    x = points()
    expected = vg.novelty(x, x, duplicates="near", **options)
    use_device(device)
    np.testing.assert_allclose(vg.novelty(x, x, duplicates="near", **options), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("strategy", ["novelselect", "k_center", "facility_location"])
def test_picks_are_the_same(strategy, device):
    x = points()
    expected = vg.select(x, 50, strategy).indices.tolist()
    use_device(device)
    assert vg.select(x, 50, strategy).indices.tolist() == expected


@pytest.mark.parametrize("beyond", [0.0, 1.5])
def test_neighbours_are_the_same(beyond, device):
    x = points()
    squared, rows = nearest(x[:50], x, 12, beyond=beyond)
    use_device(device)
    other_squared, other_rows = nearest(x[:50], x, 12, beyond=beyond)
    np.testing.assert_array_equal(other_rows, rows)
    np.testing.assert_array_equal(other_squared, squared)


def test_statistics_that_spoil_the_block_do_not_spoil_it_for_others(device):
    x = points()

    def gathered():
        statistics = [NearestOthers(x, 3), MeanL2(x), MeanL2(x / np.linalg.norm(x, axis=1, keepdims=True))]
        options = {"alpha": 1.0, "density_of": "self"}
        statistics += [Novelty(len(x), None, include_self=include, **options) for include in (True, False)]
        over_pairs(x, statistics, block_bytes=4 * 240)
        return [statistic.value() for statistic in statistics], statistics[0].rows

    (expected, rows) = gathered()
    use_device(device)
    found, other_rows = gathered()
    assert found == pytest.approx(expected, rel=1e-6)
    assert (other_rows == rows).mean() > 0.8  # of copies any may be the nearest
    similarity, nearest_rows = largest_cosine(x, x[60:120])
    pairs = np.hstack([np.array(part) for part in similar_pairs(x, 0.8, 4 * 240 * 7)])
    use_device("cpu")
    np.testing.assert_array_equal(pairs, np.hstack([np.array(part) for part in similar_pairs(x, 0.8)]))
    np.testing.assert_array_equal(nearest_rows, largest_cosine(x, x[60:120])[1])
    np.testing.assert_array_equal(similarity, largest_cosine(x, x[60:120])[0])


def test_the_oracles_on_the_device(oracle, device):
    use_device(device)
    x, pool = oracle["subset"], oracle["reference"]
    names = ["novelsum", "distsum_l2", "knn_distance@10", "facility_location"]
    values = [result.value for result in vg.measure(x, names, reference=pool)]
    keys = [
        "novelsum alpha=1 beta=.5 K=10 (reference code: density of self, self at rank 1)",
        "distsum_l2 (mean over ordered distinct pairs)",
        "knn_distance cosine k=10 (mean over the 10)",
        "facility_location (mean over reference of max cosine similarity)",
    ]
    assert values == pytest.approx([oracle[key] for key in keys], rel=1e-5)
    key = "novelselect on reference, first=0, alpha=1 beta=.5 K=10"
    assert vg.select(pool, len(oracle[key]), "novelselect", first=0).indices.tolist() == oracle[key]


@pytest.mark.parametrize("name", ["gpu", "torch:1", "cuda:x", "cuda:99", ""])
def test_devices_that_there_are_not(name):
    with pytest.raises(vg.ParameterError, match=r"[Tt]he device"):
        use_device(name)


@pytest.mark.parametrize("driver", [None, "/usr/bin/nvidia-smi"])
@pytest.mark.parametrize("usable", [False, True])
def test_auto_takes_an_accelerator_only_where_it_can_be_used(driver, usable, monkeypatch):
    import torch

    asked = []
    monkeypatch.setattr("shutil.which", lambda name: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    # There is no such card here: what is tried to be used stands for what was chosen.
    monkeypatch.setattr(torch, "zeros", lambda *_, device, dtype: asked.append(device.type))
    use_device("auto")
    assert asked == (["cuda"] if driver and usable else [])
    use_device("cpu")


def test_by_the_command_line(tmp_path, capsys):
    try:
        values = []
        for device in ("cpu", "torch"):
            target = tmp_path / f"{device}.json"
            arguments = ["measure", str(SAMPLE), "--metrics", "knn_distance,novelsum", "--device", device, "--json", str(target)]
            assert main([*arguments, "--quiet"]) == 0
            values.append([one["value"] for one in json.loads(target.read_text(encoding="utf-8"))])
        assert values[0] == pytest.approx(values[1], rel=1e-6)
        assert main(["measure", str(SAMPLE), "--device", "abacus"]) == 2
        assert "The device must be auto, cpu, cuda, cuda:N or torch. Got 'abacus'" in capsys.readouterr().err
    finally:
        use_device("cpu")


@pytest.mark.parametrize("together", [7, 1 << 17])
def test_near_duplicates_are_grouped_alike(together, device, monkeypatch):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1500, 8)).astype(np.float32)
    x[700:1400] = x[:700] + rng.choice([0, 1e-7, 1e-3, 0.05], size=(700, 1)) * rng.normal(size=(700, 8))
    expected = near_duplicates(x, k=4)
    monkeypatch.setattr("variegate.geometry.representatives.DEVICE_POINTS", together)
    use_device(device)
    found = near_duplicates(x, k=4)
    assert 200 < found.collapsed < 1400
    assert found.radius == expected.radius
    np.testing.assert_array_equal(found.representative, expected.representative)

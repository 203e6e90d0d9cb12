"""Lists that stand in one array, against plain lists of lists."""

from __future__ import annotations

import numpy as np
import pytest

from variegate.ragged import gather, starts_of


def drawn(seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 99, rng.integers(0, 5)).tolist() for _ in range(rng.integers(1, 12))]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("most", [None, 0, 1, 3])
def test_what_is_gathered_is_what_the_lists_hold(seed, most):
    lists = drawn(seed)
    flat = np.array([entry for one in lists for entry in one], np.int64)
    chosen = np.random.default_rng([seed, 1]).integers(0, len(lists), 9)
    at, lengths = gather(starts_of([len(one) for one in lists]), chosen, most)
    assert flat[at].tolist() == [entry for row in chosen for entry in lists[row][:most]]
    assert lengths.tolist() == [len(lists[row][:most]) for row in chosen]


def test_nothing_is_gathered_of_nothing():
    for starts, chosen in ((starts_of([]), []), (starts_of([0, 0]), [1, 0]), (starts_of([2]), [])):
        at, lengths = gather(starts, np.array(chosen, np.int64))
        assert at.tolist() == []
        assert lengths.tolist() == [0] * len(chosen)


@pytest.mark.parametrize("lengths", [[2, 0, 3], np.array([2, 0, 3], np.int32), np.array([True, False, True])])
def test_starts_are_counted_in_64_bits(lengths):
    starts = starts_of(lengths)
    assert starts.dtype == np.int64
    assert np.diff(starts).tolist() == [int(one) for one in lengths]

"""NovelSelect and neighbours on a device, by PyTorch's own operations: the same picks as on the CPU; bounds that hold."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference
from tests.test_novel_greedy import by_trying_all, pool, score_of
from tests.test_same_picks import OPTIONS, picks_of, use_blocks
from variegate.geometry import density, near_duplicates, nearest, use_device
from variegate.geometry.device import full_float32, to_device
from variegate.geometry.device_rows import Held
from variegate.geometry.neighbours.bounds_half import HalfScreen, screen_of
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.device_front import DeviceFront
from variegate.strategies.novelselect.device_scores import DeviceScores
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.room import Room

torch = pytest.importorskip("torch")

RNG = np.random.default_rng
DEVICES = ["torch", *(["cuda"] if torch.cuda.is_available() else [])]
# Rows in the front, picks in a block, picks counted together, rows scored together (in bytes).
SIZES = [(3, 2, 3, 1 << 20), (40, 1000, 64, 4000)]


@pytest.fixture(params=DEVICES, autouse=True)
def device(request):
    use_device(request.param)
    yield request.param
    use_device("cpu")


@pytest.fixture(params=SIZES, ids=str)
def sizes(request, monkeypatch):
    front, block, picks, some = request.param
    monkeypatch.setattr("variegate.strategies.novelselect.loop.FRONT", front)
    monkeypatch.setattr("variegate.strategies.novelselect.loop.BLOCK", block)
    monkeypatch.setattr("variegate.strategies.novelselect.device_histograms.PICK_ROWS", picks)
    monkeypatch.setattr("variegate.strategies.novelselect.device_histograms.BLOCK_BYTES", some)
    monkeypatch.setattr("variegate.strategies.novelselect.device_scores.BLOCK_BYTES", some)


@pytest.mark.parametrize("density_of", ["both", "other"])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 40.0])
@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_picks_are_those_of_the_definition(density_of, alpha, kind, sizes):
    x = pool(1).astype(kind)
    sigma = RNG(2).uniform(0.5, 3, size=90)
    sigma[-12:] = sigma[:12]
    wide = x.astype(np.float64)
    expected = reference.novelselect(wide, sigma, 40, 4, alpha, density_of)
    rows, gains, spaced = greedy(x, sigma, Room(90, 40), 4, alpha, density_of)
    assert rows.tolist() == expected
    assert spaced == 40
    for at in (1, 20, 39):
        wanted = score_of(wide, sigma, np.array(expected[:at]), expected[at], alpha, density_of)
        assert gains[at] == pytest.approx(wanted, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("spacing", [2.0, 8.0])
@pytest.mark.parametrize("lengths", [False, True])
def test_spacing_and_copies(spacing, lengths, sizes):
    x = pool(3, d=3)
    if lengths:
        x *= RNG(4).uniform(0.2, 3, size=(90, 1))
    groups = near_duplicates(x, k=4)
    sigma = density(x, x[groups.representatives], k=4, beta=0.5)
    distance = spacing * groups.radius
    heads = groups.representatives.tolist()
    expected = reference.novelselect(x, sigma, 85, heads[2], candidates=heads, spacing=distance)
    rows, _, spaced = greedy(x, sigma, Room(90, 85), heads[2], 1.0, "both", groups, distance)
    assert rows.tolist() == expected
    use_device("cpu")
    assert greedy(x, sigma, Room(90, 85), heads[2], 1.0, "both", groups, distance)[2] == spaced
    assert 2 < spaced < 85


def test_what_float64_leaves_open_about_the_spacing_is_measured(monkeypatch, sizes):
    # A lattice: many pairs are exactly as far apart as the spacing, which counts as too near.
    x = np.stack(np.meshgrid(np.arange(1.0, 9), np.arange(1.0, 9)), axis=-1).reshape(-1, 2)
    sigma = RNG(3).uniform(1, 2, size=64)
    measured = []
    closer = DeviceFront._closer
    monkeypatch.setattr(DeviceFront, "_closer", lambda *given: measured.append(closer(*given)) or measured[-1])
    groups = near_duplicates(x, k=4, closeness=0.01)
    rows, _, spaced = greedy(x, sigma, Room(64, 40), 9, 1.0, "both", groups, 2.0)
    assert rows.tolist() == reference.novelselect(x, sigma, 40, 9, candidates=range(64), spacing=2.0)
    apart = np.linalg.norm(x[rows[:spaced], None] - x[rows[:spaced]], axis=2) + 9 * np.eye(spaced)
    assert apart.min() > 2.0
    assert any(found.any() for found in measured)


@pytest.mark.parametrize("owned", [0, 30])
@pytest.mark.parametrize("limit", ["rows", "budget", "quotas"])
@pytest.mark.parametrize("weighted", [False, True])
def test_room_owned_rows_and_worth(owned, limit, weighted, sizes):
    rng = RNG(5)
    x, sigma = pool(6), rng.uniform(0.5, 3, size=90)
    have = rng.permutation(90)[:owned]
    given = {
        "rows": {"size": 40},
        "budget": {"costs": rng.integers(1, 60, size=90), "budget": 900},
        "quotas": {"size": 30, "kinds": rng.integers(0, 3, size=90), "quotas": np.array([5, 14, 11])},
    }[limit]
    worth = rng.choice([0.0, 0.3, 1.0, 1.7], size=90) if weighted else np.ones(90)
    start = None if owned else int(np.argmin(given.get("costs", np.ones(90))))
    expected = by_trying_all(x, sigma, Room(90, owned=have, **given), worth, start)
    room = Room(90, owned=have, **given)
    rows, _, _ = greedy(x, sigma, room, start, 1.0, "both", worth=worth if weighted else None)
    assert rows.tolist() == expected
    assert room.full


def test_ties_go_to_the_lowest_row(sizes):
    x = np.repeat(np.eye(4), 10, axis=0)
    rows, _, _ = greedy(x, np.ones(40), Room(40, 12), 39, 1.0, "both")
    assert rows.tolist() == [39, 0, 10, 20, 1, 11, 21, 30, 2, 12, 22, 31]


@pytest.mark.parametrize(
    ("limit", "at", "block"),
    [
        *(("rows", at, None) for at in range(len(OPTIONS["novelselect"]))),
        ("tokens", 0, None),
        ("extend", 0, None),
        ("rows", 0, 150),
    ],
)
def test_the_whole_strategy_picks_the_same(limit, at, block, device, monkeypatch):
    options = OPTIONS["novelselect"][at]
    found = {}
    for name in ("cpu", device):
        use_device(name)
        with monkeypatch.context() as patch:
            use_blocks(patch, block if name != "cpu" else None)
            found[name] = picks_of("novelselect", limit, options)
    assert found["cpu"] == found[device]


@pytest.mark.parametrize("density_of", ["both", "other"])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 4.0])
@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_no_bound_is_below_the_score(density_of, alpha, kind):
    rng = RNG(8)
    x = pool(9, n=160, copies=20, away=1.0).astype(kind)
    # Densities that float32 has no room for.
    sigma = rng.uniform(0.3, 4, size=160) * 10.0 ** rng.choice([0, 60, -60], p=[0.8, 0.1, 0.1], size=160)
    wide, order = x.astype(np.float64), rng.permutation(160)
    scores = DeviceScores(x, sigma, 130, alpha, density_of)
    for at in (1, 2, 9, 30, 31, 130):
        for pick in order[scores.count : at].tolist():
            scores.add(pick)
        scores.fold()
        true = np.array([score_of(wide, sigma, order[:at], row, alpha, density_of) for row in range(160)])
        assert (scores.bound.cpu().numpy() >= true * (1 - 1e-12)).all()


def test_bounds_are_close_and_do_not_age():
    rng = RNG(0)
    x = (rng.normal(size=(30, 16))[rng.integers(30, size=2000)] + rng.normal(size=(2000, 16))).astype(np.float32)
    sigma, order = rng.uniform(0.5, 4, size=2000), rng.permutation(2000)
    scores = DeviceScores(x, sigma, 1000, 1.0, "both")
    for picks, most in ((256, 0.01), (900, 0.02), (1000, 0.02)):
        for pick in order[scores.count : picks].tolist():
            scores.add(pick)
        scores.fold()
        rows = to_device(order)
        exact = scores.weighted(rows, scores.distances(rows))[1]
        over = scores.bound[rows] / exact - 1
        assert float(over.min()) >= 0
        assert float(over.quantile(0.95)) < most


def test_the_front_has_a_bounded_size(monkeypatch):
    x = pool(1)
    monkeypatch.setattr("variegate.strategies.novelselect.device_front.FRONT_BYTES", 70 * 8 * 5)
    scores = DeviceScores(x, np.ones(90), 70, 1.0, "both")
    room = Room(90, 70)
    front = DeviceFront(scores, Candidates(x, None, 0.0, room), np.ones(90), 4096)
    assert front.places.sorted.shape == (5, 70)
    assert greedy(x, np.ones(90), Room(90, 70), 4, 1.0, "both")[0].tolist() == reference.novelselect(x, np.ones(90), 70, 4)


@pytest.mark.parametrize("beyond", [0.0, 1.5])
@pytest.mark.parametrize("away", [0.0, 30.0])
@pytest.mark.parametrize("block", [None, 11])
def test_neighbours_among_float16_rows(beyond, away, block, device, monkeypatch):
    x = (RNG(1).normal(size=(300, 9)) + away).astype(np.float16)
    x[200:290] = x[:90]
    use_device("cpu")
    squared, rows = nearest(x[:80], x, 12, beyond=beyond)
    use_device(device)
    assert isinstance(screen_of(x, x), HalfScreen)
    if block:
        monkeypatch.setattr("variegate.geometry.neighbours.bounds.DEVICE_BYTES", block * 300)
        monkeypatch.setattr("variegate.geometry.neighbours.bounds_half.BLOCK_BYTES", block * 72)
    found, found_rows = nearest(x[:80], x, 12, beyond=beyond)
    np.testing.assert_array_equal(found_rows, rows)
    np.testing.assert_allclose(found, squared, rtol=1e-13, atol=1e-300)


def test_bounds_of_float16_rows_are_never_above_the_distance():
    x = (RNG(2).normal(size=(200, 500)) + 5).astype(np.float16)
    screen = HalfScreen(x)
    queries = screen.queries(x[:50])
    bounds = screen.bounds(queries, 0, 200).cpu().numpy().astype(np.float64) + screen.offset(queries)[:, None]
    wide = x.astype(np.float64)
    true = ((wide[:50, None] - wide[None]) ** 2).sum(-1)
    assert (bounds <= true).all()
    lengths = (wide**2).sum(1)
    assert (bounds >= true - 3 * screen.share * (lengths[:50, None] + lengths)).all()


def test_float32_products_on_the_device_are_not_shortened():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with full_float32():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_arrays_of_any_origin_reach_the_device(monkeypatch):
    monkeypatch.setattr("variegate.geometry.device.BLOCK_BYTES", 100)
    x = RNG(0).normal(size=(40, 7)).astype(">f4")
    x.flags.writeable = False
    np.testing.assert_array_equal(to_device(x).cpu().numpy(), x)
    held = Held(x)
    np.testing.assert_allclose(held.wide(slice(0, 40)).cpu(), x / np.linalg.norm(x.astype(float), axis=1)[:, None], rtol=1e-13)

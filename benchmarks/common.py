"""What the benchmarks share: vectors and tokens, clocks, the bare matrix product, processes of their own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from variegate.views.tokens import Tokens

ROOT = Path(__file__).resolve().parents[1]
CENTRES = 200
# Work below so many seconds is timed twice, and work that is over at once several times: the best of them counts.
SHORT, INSTANT, TIMES = 5.0, 0.1, 5
BLOCK = 2048


def drawn(n: int, d: int, spread: float = 1.5) -> np.ndarray:
    """Draw vectors around centres, (n, d) float32; `spread` is how far around, in units of how far the centres are apart."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CENTRES, d), np.float32)
    x = spread * rng.standard_normal((n, d), np.float32)
    x += centres[rng.integers(CENTRES, size=n)]
    return x


def with_near_copies(x: np.ndarray) -> np.ndarray:
    """Make one row in twenty nearly another."""
    rng = np.random.default_rng(1)
    x = x.copy()
    late = rng.permutation(len(x))[: max(1, len(x) // 20)]
    x[late] = x[rng.integers(len(x), size=len(late))] * (1 + 1e-3 * rng.standard_normal((len(late), x.shape[1]), np.float32))
    return x


def drawn_tokens(n: int) -> Tokens:
    """Draw texts of 20 to 140 tokens, types by Zipf's law."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 140, size=n)
    return Tokens(rng.zipf(1.2, size=lengths.sum()) % 32_000, np.concatenate([[0], np.cumsum(lengths)]))


def some_rows(path: str, n: int) -> np.ndarray:
    """Return n rows of a .npy file of vectors, drawn with a fixed seed and in the file's order; all if it has no more."""
    whole = np.load(path, mmap_mode="r")
    return np.ascontiguousarray(whole[np.sort(np.random.default_rng(0).permutation(len(whole))[:n])])


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work gives, and its seconds by the clock: the best of a few times where it is short."""
    best, times = np.inf, 0
    while times < 1 or (times < 2 and best < SHORT) or (times < TIMES and best < INSTANT):
        start = time.perf_counter()
        result = call()
        best, times = min(best, time.perf_counter() - start), times + 1
    return result, best


def bare_product(left: np.ndarray, right: np.ndarray) -> float:
    """Return the seconds of the float32 product of all rows on the left with all on the right, in blocks, nothing done to it."""
    out = np.empty((min(BLOCK, len(left)), len(right)), np.float32)

    def multiply() -> None:
        for low in range(0, len(left), BLOCK):
            block = left[low : low + BLOCK]
            np.matmul(block, right.T, out=out[: len(block)])

    return timed(multiply)[1]


def in_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module gives in a new process.

    Raises:
        ChildProcessError: it raised an error, or was killed.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, work, arguments))
    process.start()
    send.close()
    try:
        kind, answer = receive.recv()
    except EOFError:
        process.join()
        raise ChildProcessError(f"the process ended without an answer (exit code {process.exitcode})") from None
    process.join()
    if kind == "error":
        raise ChildProcessError(answer)
    return answer


def _answer(send: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        send.send(("result", work(*arguments)))
    except Exception as error:
        send.send(("error", one_line(error)))


def one_line(error: BaseException, most: int = 120) -> str:
    """Return an error as it fits into a cell of a table."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).replace("|", "/")
    return text if len(text) <= most else text[: most - 3] + "..."

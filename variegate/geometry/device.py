"""Where the work over pairs is done: numpy on the CPU, or PyTorch on an accelerator.

Products, sorts and searches run on the device; what decides (small distances, the ranking of neighbours, sums) is float64 there
and here, so results agree to float32 rounding of single distances.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.choices import Choice
from variegate.errors import ParameterError, missing_extra
from variegate.progress import announce

__all__ = [
    "active_device",
    "full_float32",
    "kernels_run",
    "least",
    "set_own",
    "smallest",
    "sort_rows",
    "to_device",
    "to_numpy",
    "use_device",
]

# Bytes sent to the device at a time, so that no second copy of a matrix is made here.
BLOCK_BYTES = 256 << 20
# In 3.2 the kernel of bins leaves rows out, as the tests show in its interpreter.
OLDEST_TRITON = (3, 3)

_device: Choice[Any] = Choice(None)
# Whether to use the Triton kernels; None for "where they can run". Tests set it.
_by_kernels: bool | None = None
# Whether a person knows that there are none.
_told: Choice[bool] = Choice(False)


def use_device(name: str) -> None:
    """Choose where work over pairs of vectors is done.

    Args:
        name: "cpu" (numpy), "cuda" or "cuda:N" (PyTorch), "auto" (cuda where there is a driver and PyTorch can use it, else cpu),
            or "torch" (PyTorch on the CPU, to compare with).

    Raises:
        ParameterError: there is no such device here.
        MissingExtraError: PyTorch is not installed.
    """
    if name == "auto":
        name = "cuda" if _has_accelerator() else "cpu"
    if name == "cpu":
        _device.value = None
        return
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "models", f"The device '{name}'") from None
    kind = name.partition(":")[0]
    if kind not in ("cuda", "torch") or (kind == "torch" and name != kind):
        raise ParameterError(f"The device must be auto, cpu, cuda, cuda:N or torch. Got {name!r} instead.")
    try:
        chosen = torch.device("cpu" if kind == "torch" else name)
        torch.zeros(1, device=chosen, dtype=torch.float64)
    except Exception as error:
        # A bad number, no driver, no such card: torch has a type for each.
        first = (str(error).splitlines() or [""])[0]
        raise ParameterError(f"The device '{name}' cannot be used here ({first}). Use --device cpu.") from None
    _device.value = chosen


def _has_accelerator() -> bool:
    # PyTorch takes seconds to import, and finds nothing without the driver's tool.
    if shutil.which("nvidia-smi") is None or find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def active_device() -> Any:
    """Return the PyTorch device that was chosen, None for numpy."""
    return _device.value


def kernels_run() -> bool:
    """Whether Triton kernels do the work: not on the CPU and not without a Triton that will do, where PyTorch does it."""
    if _device.value is None or _by_kernels is False or (_by_kernels is None and _device.value.type != "cuda"):
        return False
    problem = _problem_of_triton()
    if problem is not None and not _told.value:
        announce(f"the package 'triton' {problem}: PyTorch's own operations do the work of its kernels, more slowly")
        _told.value = True
    return problem is None


def _problem_of_triton() -> str | None:
    if find_spec("triton") is None:
        return "is not installed"
    found = version("triton")
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST_TRITON:
        return f"{found} counts wrongly in one of them (3.3 is the first that does not)"
    return None


@contextmanager
def full_float32() -> Iterator[None]:
    """Have the device multiply float32 as float32, whatever shortcuts (TF32) the process allows elsewhere: bounds count on it."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def to_device(array: NDArray[Any]) -> Any:
    """Return a copy of an array on the device, in the array's own type."""
    import torch

    # PyTorch takes neither foreign byte orders nor memory that may not be written.
    native = array.dtype.newbyteorder("=")
    held = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, native)).dtype, device=_device.value)
    step = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        held[start : start + step] = torch.from_numpy(np.array(array[start : start + step], native))
    return held


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of the device as numpy's."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def sort_rows(array: Any) -> Any:
    """Return the rows sorted, each ascending; numpy's array is sorted in place."""
    if isinstance(array, np.ndarray):
        array.sort(axis=1)
        return array
    return array.sort(dim=1).values


def smallest(array: Any, k: int) -> Any:
    """Return where the k smallest of each row stand, in any order."""
    if isinstance(array, np.ndarray):
        return np.argpartition(array, k - 1, axis=1)[:, :k]
    return array.topk(k, dim=1, largest=False).indices


def set_own(distances: Any, rows: slice, value: float) -> None:
    """Set the entry of each row for the row itself: row i of the block is row `rows.start` + i of all."""
    if isinstance(distances, np.ndarray):
        here = np.arange(rows.start, rows.stop)
        distances[here - rows.start, here] = value
    else:
        distances.diagonal(rows.start).fill_(value)


def least(distances: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the smallest entry of each row, and where it stands, as numpy arrays."""
    if isinstance(distances, np.ndarray):
        at = distances.argmin(axis=1)
        return distances[np.arange(len(distances)), at], at
    found = distances.min(dim=1)
    return to_numpy(found.values), to_numpy(found.indices)

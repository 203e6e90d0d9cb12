"""Where the work over pairs is done: numpy on the CPU, or PyTorch on an accelerator.

Products, sorts and searches run on the device; what decides (small distances, the ranking of neighbours, sums) is float64 there
and here, so results agree to float32 rounding of single distances.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import ParameterError, missing_extra

__all__ = ["active_device", "least", "set_own", "smallest", "sort_rows", "to_numpy", "use_device"]

# One for the process, as the cache folder is.
_device: Any = None


def use_device(name: str) -> None:
    """Choose where work over pairs of vectors is done.

    Args:
        name: "cpu" (numpy), "cuda" or "cuda:N" (PyTorch), "auto" (cuda where there is a driver and PyTorch can use it, else cpu),
            or "torch" (PyTorch on the CPU, to compare with).

    Raises:
        ParameterError: there is no such device here.
        MissingExtraError: PyTorch is not installed.
    """
    global _device
    if name == "auto":
        name = "cuda" if _has_accelerator() else "cpu"
    if name == "cpu":
        _device = None
        return
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "models", f"The device '{name}'") from None
    kind = name.partition(":")[0]
    if kind not in ("cuda", "torch") or (kind == "torch" and name != kind):
        raise ParameterError(f"The device must be auto, cpu, cuda, cuda:N or torch. Got {name!r} instead.")
    try:
        _device = torch.device("cpu" if kind == "torch" else name)
        torch.zeros(1, device=_device, dtype=torch.float64)
    except Exception as error:
        # A bad number, no driver, no such card: torch has a type for each.
        _device = None
        first = (str(error).splitlines() or [""])[0]
        raise ParameterError(f"The device '{name}' cannot be used here ({first}). Use --device cpu.") from None


def _has_accelerator() -> bool:
    # PyTorch takes seconds to import, and finds nothing without the driver's tool.
    if shutil.which("nvidia-smi") is None or find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def active_device() -> Any:
    """Return the PyTorch device that was chosen, None for numpy."""
    return _device


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

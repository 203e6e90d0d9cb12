"""Where and how to compute: one call for the device, the memory, the neighbours and the cache, which is put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from variegate.choices import Choice, chosen, put_back

__all__ = ["use"]


class use:
    """Choose where and how to compute; what is left out stays as it is.

    A call holds for the process, all its threads included, from there on. In a `with` statement it holds for the block. At the
    end of the block, an error or not, everything is as it was before: also what other calls chose inside. Blocks can be nested,
    and one object can begin several blocks.

    Args:
        device: "cpu", "cuda", "cuda:N" or "auto": where work over pairs of vectors is done.
        memory: bytes, or a text such as "2G": most that blocks and lists of pairs take at once, besides the vectors. No result
            depends on it.
        neighbours: "exact", "approximate" or "approximate:EFFORT", for densities and near-duplicates.
        cache: a folder for derived data, or "off".
        progress: whether long work shows how far it is: a bar on a terminal and in a notebook, else a line every ten seconds.

    Raises:
        ParameterError: a value is not possible; nothing is changed.
        MissingExtraError: what it takes is not installed; nothing is changed.

    >>> from variegate.geometry import memory_allowed
    >>> with use(memory="1G"):
    ...     memory_allowed() == 1 << 30
    True
    >>> memory_allowed() == 8 << 30
    True
    """

    def __init__(
        self,
        *,
        device: str | None = None,
        memory: int | str | None = None,
        neighbours: str | None = None,
        cache: str | None = None,
        progress: bool | None = None,
    ) -> None:
        self._wanted = {"memory": memory, "neighbours": neighbours, "device": device, "cache": cache, "progress": progress}
        # What each block that has begun puts back; the first one goes back to before this call.
        self._before: list[Mapping[Choice[Any], Any]] = [chosen()]
        self._blocks = 0
        self._choose()

    def __enter__(self) -> None:
        """Begin a block for which it holds."""
        if self._blocks:
            self._before.append(chosen())
            self._choose()
        self._blocks += 1

    def __exit__(self, *error: object) -> None:
        """Put everything back."""
        put_back(self._before.pop())

    def _choose(self) -> None:
        try:
            for name, value in self._wanted.items():
                if value is not None:
                    _choose(name, value)
        except BaseException:
            put_back(self._before.pop())
            raise


def _choose(name: str, value: Any) -> None:
    """Make one choice. What a choice takes is imported for it alone: the work over pairs takes long to import."""
    if name == "progress":
        from variegate.progress import hide_progress, show_progress

        (show_progress if value else hide_progress)()
    elif name == "cache":
        from variegate.views.cache import use_cache

        use_cache(value)
    else:
        from variegate.geometry import use_device, use_memory, use_neighbours

        {"device": use_device, "memory": use_memory, "neighbours": use_neighbours}[name](value)

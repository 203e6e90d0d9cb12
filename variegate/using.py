"""Where and how to compute: one call for the device, the memory, the neighbours and the cache."""

from __future__ import annotations

from variegate.choices import chosen, put_back

__all__ = ["use"]


class use:
    """Choose where and how to compute; what is left out stays as it is.

    A call holds for the process, all its threads included, from there on. In a `with` statement it holds for the block, and
    everything is put back at its end, also what was chosen inside it by other calls.

    Args:
        device: "cpu", "cuda", "cuda:N" or "auto": where work over pairs of vectors is done.
        memory: bytes, or a text such as "2G": most that blocks and lists of pairs take at once, besides the vectors. No result
            depends on it.
        neighbours: "exact", "approximate" or "approximate:EFFORT", for densities and near-duplicates.
        cache: a folder for derived data, or "off".
        progress: whether long work shows how far it is: a bar on a terminal and in a notebook, else a line every ten seconds.

    Raises:
        ParameterError: a value is not possible; nothing is changed.
        MissingExtraError: what it takes is not installed.

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
        from variegate.geometry import use_device, use_memory, use_neighbours
        from variegate.progress import hide_progress, show_progress
        from variegate.views.cache import use_cache

        self._before = chosen()
        try:
            if memory is not None:
                use_memory(memory)
            if neighbours is not None:
                use_neighbours(neighbours)
            if device is not None:
                use_device(device)
            if cache is not None:
                use_cache(cache)
            if progress is not None:
                (show_progress if progress else hide_progress)()
        except BaseException:
            put_back(self._before)
            raise

    def __enter__(self) -> None:
        """Begin the block for which it holds."""

    def __exit__(self, *error: object) -> None:
        """Put everything back."""
        put_back(self._before)

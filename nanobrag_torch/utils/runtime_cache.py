"""Established cache of compiled functions, kept for programs that import it; nothing in this package uses it.

Use :func:`functools.lru_cache` in new code.
"""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

from nanobrag_torch.validation import check_count


class CompiledKernelCache:
    """At most ``max_entries`` values by key, the one unused for longest making room; safe to use from several threads.

    Raises ``ValueError`` for a size below one.
    """

    def __init__(self, max_entries: int = 50) -> None:
        check_count("CompiledKernelCache", "max_entries", max_entries, remedy="Give room for at least one entry.")
        self.max_entries = max_entries
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()
        self._hits = self._misses = 0

    def get(self, key: Hashable) -> Any | None:
        """The value of ``key``, or None where there is none."""
        with self._lock:
            if key not in self._entries:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, value: Any) -> None:
        """Store ``value``; the entry unused for longest makes room."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self.max_entries:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget every entry and the counts."""
        with self._lock:
            self._entries.clear()
            self._hits = self._misses = 0

    def stats(self) -> dict[str, int]:
        """``entries``, ``max_entries``, ``hits`` and ``misses``."""
        with self._lock:
            return {
                "entries": len(self._entries),
                "max_entries": self.max_entries,
                "hits": self._hits,
                "misses": self._misses,
            }


_global_cache = CompiledKernelCache()


def get_global_kernel_cache() -> CompiledKernelCache:
    """The cache of this process."""
    return _global_cache


def clear_global_cache() -> None:
    """Forget every entry of the cache of this process."""
    _global_cache.clear()

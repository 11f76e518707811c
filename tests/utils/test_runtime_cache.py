"""The cache of compiled functions."""

import pytest

from nanobrag_torch.utils.runtime_cache import CompiledKernelCache, clear_global_cache, get_global_kernel_cache


def test_what_was_put_is_got_back_and_counted():
    cache = CompiledKernelCache()
    assert cache.get("a") is None
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.stats() == {"entries": 1, "max_entries": 50, "hits": 1, "misses": 1}


def test_the_entry_unused_for_longest_makes_room():
    cache = CompiledKernelCache(max_entries=2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_clearing_forgets_entries_and_counts():
    cache = get_global_kernel_cache()
    cache.put("a", 1)
    cache.get("a")
    clear_global_cache()
    assert cache is get_global_kernel_cache()
    assert cache.stats() == {"entries": 0, "max_entries": 50, "hits": 0, "misses": 0}


def test_a_cache_without_room_is_refused():
    with pytest.raises(ValueError, match="max_entries = 0: must be an integer of at least 1"):
        CompiledKernelCache(0)

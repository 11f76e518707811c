"""Entries from Python into the compiled loops."""

from nanobrag_torch.compiled import Compiled

SOURCES = ("kernel/numba_engine", "kernel/pixel_plan.py", "kernel/tables.py", "physics/safe.py")


def _entry(place: str) -> Compiled:
    return Compiled(f"nanobrag_torch.kernel.numba_engine.{place}", SOURCES)


PHOTONS = _entry("image:photons")
#: By whether cotangents of panel and sources are wanted.
PULL_BACK = {True: _entry("reverse:pull_back_all"), False: _entry("reverse:pull_back_crystal")}
PUSH = _entry("tangents:push")
FIND_LIT_PIXELS = _entry("lit_pixels:find_lit_pixels")

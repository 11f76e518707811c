"""Numba as a compiler of code that is kept: left as it was, with room for frames, and finding things out once."""

import gc
import resource
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from nanobrag_torch import compiled, compiler


def test_garbage_is_collected_again_after_a_compilation_that_failed():
    gc.enable()  # the command, which tests run in this process, leaves it off
    with pytest.raises(ZeroDivisionError), compiler._no_collection():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_is_compiled_asks_for_whole_vectors_and_numba_is_as_before_afterwards():
    numba = pytest.importorskip("numba")
    from numba.core import ir
    from numba.core.registry import cpu_target

    def doubled(values):
        for i in range(values.shape[0]):
            values[i] *= 2.0

    changed = (cpu_target.target_context.codegen(), numba.types.BaseFunction, ir.Scope)
    before = [dict(vars(each)) for each in changed]
    function = numba.njit(doubled)
    with pytest.raises(ZeroDivisionError), compiler.for_keeping(compiled.WHOLE_VECTORS):
        function.compile((numba.float64[::1],))
        1 / 0  # noqa: B018
    assert [dict(vars(each)) for each in changed] == before
    assert compiled.WHOLE_VECTORS in function.inspect_llvm(function.signatures[0])


#: Operations, an inlined function with blocks of its own, a called one, and parts of a tuple.
SUMMED = """
def summed(out, pair):
    for i in range(out.shape[0]):
        out[i] = scaled(i, pair[1]) + half(-pair[0])
"""


def scaled(i, by):
    if i % 2:
        return i * by
    return (i + 1) * by * by


def instructions():
    """Machine code of ``SUMMED``."""
    numba = pytest.importorskip("numba")
    from llvmlite.binding import ObjectFileRef

    names = {"scaled": numba.njit(inline="always")(scaled), "half": numba.njit(lambda x: 0.5 * x)}
    exec(SUMMED, names)
    function = numba.njit(**compiled.OPTIONS)(names["summed"])
    types = (numba.float64[::1], numba.types.UniTuple(numba.float64, 2))
    code = compiler.code_of(function, types, compiled.WHOLE_VECTORS)
    sections = ObjectFileRef.from_data(code.partition(b"\0")[2]).sections()
    return [section.data() for section in sections if section.is_text() and section.size()]


def test_what_is_found_out_once_gives_the_machine_code_of_what_is_found_out_everywhere(monkeypatch):
    once = instructions()
    monkeypatch.setattr(compiler, "_once", nullcontext)
    assert once and instructions() == once


def test_no_operation_is_looked_up_twice_for_the_same_types(monkeypatch):
    functions = pytest.importorskip("numba").types.BaseFunction
    search, searched = functions.get_call_type, []

    def counted(self, context, args, kws):
        searched.append((self, args, tuple(kws.items())))
        return search(self, context, args, kws)

    monkeypatch.setattr(functions, "get_call_type", counted)
    instructions()
    assert len(searched) == len(set(searched)) > 3
    searched.clear()
    monkeypatch.setattr(compiler, "_once", nullcontext)
    instructions()
    assert len(searched) > len(set(searched))


def test_a_function_of_numbas_that_a_kept_one_calls_serves_others_afterwards():
    """``min`` of two numbers is compiled once a process, here first as a part of code that is kept."""
    program = """
import numba, numpy as np
from nanobrag_torch import compiled, compiler

def least(values):
    for i in range(1, values.shape[0]):
        values[0] = min(values[0], values[i])

def of_two(a, b):
    return min(a, b)

with compiler.for_keeping(compiled.WHOLE_VECTORS):
    numba.njit(**compiled.OPTIONS)(least)._compiler.compile((numba.float64[::1],), None)
print(numba.njit(of_two)(3.0, 2.0))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["2.0"], done.stderr


def faults_of_calls(depth: int) -> int:
    """Pages of memory that a thousand calls of a function take, from so many frames deep."""
    if depth:
        return faults_of_calls(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(1000):
        abs_of(-1, 0, 0, 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def abs_of(number: int, *_: int) -> int:
    return number if number > 0 else -number


# A frame larger than those above it, one of which ends so near the end of a piece of memory that this finds no room.
abs_of.__code__ = abs_of.__code__.replace(co_stacksize=100)


def test_calls_within_a_compilation_take_no_memory_each_however_deep_they_are():
    pytest.importorskip("numba")

    def most() -> int:
        return max(map(faults_of_calls, range(200)))

    def compile_(*_: object) -> None:
        raise ArithmeticError(most())

    function = SimpleNamespace(_compiler=SimpleNamespace(compile=compile_))
    with pytest.raises(ArithmeticError) as told:
        compiler.code_of(function, (), compiled.WHOLE_VECTORS)
    assert told.value.args[0] < 100
    assert most() > 900, "Python takes frames from the system as it needs them: no function needs room any more"

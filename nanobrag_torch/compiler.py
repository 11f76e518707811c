"""Numba as a compiler of code that is kept: without what such code has no use for, and without doing things twice."""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any
from unittest.mock import patch

#: Places in the frame that has room behind it for all that numba calls: 0.5 MiB, of which those used alone are taken.
WORDS = 1 << 16


def code_of(function: Any, types: tuple[Any, ...], attribute: str) -> bytes | tuple[int, Any]:
    """Compile a function of numba's for the types of its arguments.

    Args:
        function: what ``numba.njit`` made of a function.
        types: numba's types of its arguments.
        attribute: attribute in LLVM of every function that becomes a part of it.

    Returns:
        Its name and object code; where it calls more than the C library, as vector functions of a vendor, its address
        and what must live as long, for which there is no code to keep.

    Raises:
        numba.core.errors.NumbaError: the function, for these types, is none that numba can compile.
    """
    with _no_collection(), for_keeping(attribute) as machine:
        made = _with_room(function._compiler.compile, types, None)
        symbol, library = made.fndesc.llvm_func_name, made.library
        final = library._final_module
        called = [f.name for f in final.functions if f.is_declaration and not f.name.startswith("llvm.")]
        c_library = ctypes.CDLL(None)
        if all(hasattr(c_library, each) for each in called):
            kept: bytes = symbol.encode() + b"\0" + machine.emit_object(final)
            return kept
        library.load()
        return library.get_pointer_to_function(symbol), library


def _with_room(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that calls others by the million, with room for the frames of all of them.

    Python takes memory for frames from the system in pieces of 16 KiB, or of twice the size of a frame that is larger.
    A loop that calls functions at the end of a piece takes and returns one with each call, which costs more than most
    of them: depending on how deep it began, a compilation had a million such calls. This frame says to be a large one.
    """
    return function(*arguments)


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=WORDS)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the collection of garbage, which else walks over all that is loaded again and again while numba compiles.

    What a compilation leaves is collected after it.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


@contextmanager
def for_keeping(attribute: str) -> Iterator[Any]:
    """Let numba compile as code that is kept needs it, for which it has no options; nobody else compiles meanwhile.

    Args:
        attribute: attribute in LLVM of every function that is compiled.

    Yields:
        What makes machine code. Numba is as before afterwards, also where a compilation fails.
    """
    lock: Any = import_module("numba.core.compiler_lock").global_compiler_lock
    target: Any = import_module("numba.core.registry").cpu_target
    with lock:
        codegen = target.target_context.codegen()
        # Environments hold what a function shows Python, which this code never meets.
        codegen._library_class, codegen.set_env = _library(), lambda *_: None
        codegen._library_class.attribute = attribute
        try:
            with _once():
                yield codegen._tm
        finally:
            del codegen._library_class, codegen.set_env


@cache
def _library() -> Any:
    """Numba's library of a function without what code that is kept has no use for.

    A function is a part of whatever calls it in the end, and becomes machine code there alone.
    """
    base: Any = import_module("numba.core.codegen").JITCodeLibrary

    class Library(base):  # type: ignore[misc]
        attribute: str

        def add_ir_module(self, module: Any) -> None:
            for function in module.functions:
                if not function.is_declaration:
                    set.add(function.attributes, self.attribute)  # its own method knows attributes of one word alone
            super().add_ir_module(module)

        def _finalize_final_module(self) -> None:
            self._verify_declare_only_symbols()
            self._finalized = True

        def load(self) -> None:
            """Make machine code and load it, as numba's own libraries are from the first."""
            super()._finalize_final_module()

    return Library


@contextmanager
def _once() -> Iterator[None]:
    """Let numba find out once what it else finds out everywhere, a third of its calls, with the same code at the end.

    * Types of an operation: numba tries all that the operator is defined for, and words why each does not fit.
    * Names of a function that is inlined: each of its blocks is copied with the names of all.
    """
    functions: Any = import_module("numba.core.types").BaseFunction
    scope: Any = import_module("numba.core.ir").Scope
    searched, found = functions.get_call_type, dict[Any, Any]()

    def get_call_type(self: Any, context: Any, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        key = self, args, tuple(kws.items())
        if key not in found:
            found[key] = searched(self, context, args, kws)
        return found[key]

    with (
        patch.object(functions, "get_call_type", get_call_type),
        patch.object(scope, "__deepcopy__", lambda self, _: self, create=True),
    ):
        yield

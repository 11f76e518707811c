"""Functions that numba compiles once and that then run without it, from machine code that is kept on disk.

To import numba and to let it load what it keeps takes longer than an image. A ``Compiled`` function therefore keeps its
object code itself, for each combination of types of its arguments, and calls it by the convention of C. That works for
code that calls nothing but the C library: numbers, arrays that the caller has made, and tuples of them.
"""

import ctypes
import hashlib
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).parent
#: Folder for compiled code, as numba itself reads it; the other variables of this prefix change what numba compiles.
FOLDER, PREFIX = "NUMBA_CACHE_DIR", "NUMBA_"
#: Settings that change nothing in what is compiled: its folder, and the threads of loops that numba spreads itself.
SAME_CODE = (FOLDER, "NUMBA_NUM_THREADS")
SUFFIX, LOCK = ".code", ".lock"
#: For so many seconds a process waits for code that another compiles; then it compiles the code itself.
LONGEST_S = 120.0
#: Names of files in which earlier versions let numba keep its code, beside the modules.
NUMBA_FILES = "*.nb[ic]"
#: Attribute of every function in LLVM, which on most of Intel's processors with vectors of 64 bytes would use half of
#: each by itself, as the first of them slowed down with whole ones.
WHOLE_VECTORS = '"prefer-vector-width"="512"'
#: For functions that are compiled and for those that they call: no wrappers for Python, no memory of numba's own.
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
#: Numbers that a compiled function takes, places of memory, and their types in C.
NUMBERS: dict[type, Any] = {
    bool: ctypes.c_bool,
    int: ctypes.c_int64,
    float: ctypes.c_double,
    np.float64: ctypes.c_double,
    np.float32: ctypes.c_float,
}
PLACE = ctypes.c_void_p
#: Flags of an array that make another type of it: contiguous by rows, by columns, aligned, writeable. By columns means
#: nothing where it is so by rows as well, as with a single row.
BY_ROWS, BY_COLUMNS = 0x1, 0x2
ARRAY_FLAGS = BY_ROWS | BY_COLUMNS | 0x100 | 0x400
#: End of a tuple in a list of types.
END = ")"
#: Statuses of a function that has finished: with a value, or with None.
FINISHED = (0, -2)
Call = Callable[..., int]
#: Address of a function, and what must live as long.
Loaded = tuple[int, Any]


class Compiled:
    """A function of numbers, arrays and tuples of them, which writes its results into arrays and returns nothing.

    Args:
        home: "package.module:name" of the Python function, imported where there is something to compile.
        sources: Files and folders below the package from which its machine code is made, beside that of its home.

    Raises:
        ImportError: by a call, where nothing is kept for these types and numba cannot be imported.
        TypeError: by a call, for an argument that is neither number nor array nor a tuple of them.
        RuntimeError: by a call in which the function raised an exception.
    """

    def __init__(self, home: str, sources: Iterable[str] = ()) -> None:
        self.home, self.sources = home, tuple(sources)
        self._calls: dict[tuple[Any, ...], Call] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> None:
        """Call the machine code for the types of the arguments, which is loaded or compiled where it is not at hand."""
        types: list[Any] = []
        values: list[Any] = []
        for argument in arguments:
            _flatten(argument, types, values)
        key = tuple(types)
        call = self._calls.get(key)
        if call is None:
            with self._lock:
                call = self._calls.get(key) or self._calls.setdefault(key, self._made(key, arguments, values))
        if call(*values) not in FINISHED:
            raise RuntimeError(
                f"the compiled {self.home} was ended by an exception: memory ran out or, where NUMBA_BOUNDSCHECK is "
                "set, an index left its array."
            )

    def fingerprint(self) -> str:
        """Checksum of the sources."""
        module = PACKAGE.joinpath(*self.home.partition(":")[0].split(".")[1:]).with_suffix(".py")
        return _checksum((str(module), *(str(PACKAGE / source) for source in self.sources)))

    def _made(self, key: tuple[Any, ...], arguments: tuple[Any, ...], values: list[Any]) -> Call:
        numbers = [PLACE if value is None else NUMBERS[type(value)] for value in values]
        made_of = "\n".join((self.home, *map(_text, key), _versions(), _processor(), _settings(), WHOLE_VECTORS))
        name = f"{self.home.partition(':')[2]}-{self.fingerprint()}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
        code = _kept(name)
        if code is None:
            with _in_turn(name):
                code = _kept(name)
                if code is None:
                    made = _compile(self.home, arguments)
                    if not isinstance(made, bytes):
                        return _callable(*made, numbers)
                    code = made
                    self._keep(name, code)
        return _callable(*_linked(code), numbers)

    def _keep(self, name: str, code: bytes) -> None:
        """Write code where that is possible, and remove what other versions of the function have left there.

        A process of another version that runs beside this one has its code in memory, and compiles anew at the worst.
        """
        for folder in folders():
            part = folder / f"{name}.{os.getpid()}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                part.write_bytes(hashlib.sha256(code).digest() + code)
                part.replace(folder / f"{name}{SUFFIX}")
            except OSError:
                _remove([part])
                continue
            function, fingerprint = name.split("-")[:2]
            _remove(path for path in folder.glob(f"{function}-*") if path.name.split("-")[1] != fingerprint)
            _remove(PACKAGE.rglob(NUMBA_FILES))
            return


def _remove(paths: Iterable[Path]) -> None:
    """Remove files, but for those that another process has removed or that this one may not."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def folders() -> list[Path]:
    """Folders for kept code, of which the first that can be written to is used.

    It is the one that ``NUMBA_CACHE_DIR`` names, else the package's own or the user's.
    """
    own = f"nanobrag_torch-{zlib.crc32(str(PACKAGE).encode()):08x}"
    if named := os.environ.get(FOLDER):
        return [Path(named) / own]
    user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (a home need not exist)
    return [PACKAGE / "__pycache__", Path(user) / own]


def check_numba() -> None:
    """Raise ``ImportError`` where numba cannot be imported, which is not tried where code of it is kept."""
    if not (_versions() and any(any(folder.glob(f"*{SUFFIX}")) for folder in folders())):
        import_module("numba")


def _flatten(value: Any, types: list[Any], values: list[Any]) -> None:
    """Note the types of an argument, and the numbers as which compiled code takes it."""
    kind = type(value)
    if kind in NUMBERS:
        types.append(kind)
        values.append(value)
    elif kind is np.ndarray:
        flags = value.flags.num & ARRAY_FLAGS
        types.append((value.dtype, value.ndim, flags & ~BY_COLUMNS if flags & BY_ROWS else flags))
        place = value.__array_interface__["data"][0]
        values += (None, None, value.size, value.itemsize, place, *value.shape, *value.strides)
    elif isinstance(value, tuple):
        types.append(kind)
        for element in value:
            _flatten(element, types, values)
        types.append(END)
    else:
        raise TypeError(f"{kind.__name__}: a compiled function takes numbers, arrays and tuples of them.")


def _text(kind: Any) -> str:
    """Name of a type that is the same in every process."""
    if isinstance(kind, tuple):
        dtype, dimensions, flags = kind
        return f"{dtype.str} {dimensions} {flags:x}"
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


@cache
def _checksum(sources: tuple[str, ...]) -> str:
    files = [
        file for source in map(Path, sources) for file in (sorted(source.glob("*.py")) if source.is_dir() else [source])
    ]
    return f"{zlib.crc32(b''.join(file.read_bytes() for file in files)):08x}"


@cache
def _versions() -> str:
    """Versions of numba and its compiler, "" where they are not installed."""
    try:
        return " ".join(f"{name} {metadata.version(name)}" for name in ("numba", "llvmlite"))
    except metadata.PackageNotFoundError:
        return ""


@cache
def _processor() -> str:
    import llvmlite.binding as llvm

    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return f"{sys.implementation.cache_tag} {name} {features}"


def _settings() -> str:
    return " ".join(
        f"{key}={os.environ[key]}" for key in sorted(os.environ) if key.startswith(PREFIX) and key not in SAME_CODE
    )


@contextmanager
def _in_turn(name: str) -> Iterator[None]:
    """Wait while another process compiles the code of this name; where no file can be locked, nobody waits."""
    from filelock import FileLock

    with ExitStack() as held:
        for folder in folders():
            # That it cannot be written to, that its system locks no file, or that the wait was too long.
            with suppress(OSError, NotImplementedError):
                folder.mkdir(parents=True, exist_ok=True)
                lock = folder / f"{name}{LOCK}"
                held.enter_context(FileLock(lock, timeout=LONGEST_S))
                held.callback(_remove, [lock])  # who waits for it finds the code and needs no other
                break
        yield


def _kept(name: str) -> bytes | None:
    """The code of this name in the first of the folders that has it, None where none has."""
    return next((code for folder in folders() if (code := _read(folder / f"{name}{SUFFIX}")) is not None), None)


def _read(path: Path) -> bytes | None:
    """The code in a file, None where there is none or it is not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    return content[size:] if hashlib.sha256(content[size:]).digest() == content[:size] else None


def _compile(home: str, arguments: tuple[Any, ...]) -> bytes | Loaded:
    """Compile a function for the types of its arguments: its name and object code to keep, or what numba has loaded."""
    import numba

    from nanobrag_torch import compiler

    module, _, name = home.partition(":")
    function = numba.njit(**OPTIONS)(getattr(import_module(module), name))
    return compiler.code_of(function, tuple(map(numba.typeof, arguments)), WHOLE_VECTORS)


def _linked(code: bytes) -> Loaded:
    """Load object code, which follows the name of its function."""
    import llvmlite.binding as llvm

    name, _, content = code.partition(b"\0")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    return engine.get_function_address(name.decode()), engine


def _callable(address: int, holder: Any, numbers: list[Any]) -> Call:
    """Function of ``numbers`` at an address, called without the interpreter's lock while ``holder`` lives.

    It returns a status; its first two arguments are places for a result and for an exception.
    """
    function = ctypes.CFUNCTYPE(ctypes.c_int32, PLACE, PLACE, *numbers)(address)
    result, exception = ctypes.byref(PLACE()), ctypes.byref(PLACE())

    def call(*values: Any) -> int:
        status: int = function(result, exception, *values)
        return status

    vars(call)["holder"] = holder
    return call

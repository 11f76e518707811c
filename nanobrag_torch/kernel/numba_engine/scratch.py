"""Arrays that an entry works in, from the C library: numba's own would need numba where kept code runs."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Bytes of a cache line.
LINE = 64


def _c_function(builder, name, result, *arguments):
    """Declare a function of the C library in the module that is built."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _scratch(typing_context, count, dtype):
    kind = types.Array(dtype.dtype, 1, "C")

    def generate(context, builder, signature, arguments):
        from numba.np.arrayobj import make_array, populate_array

        size = context.get_abi_sizeof(context.get_data_type(dtype.dtype))
        count = context.cast(builder, arguments[0], signature.args[0], types.intp)
        lines = builder.udiv(builder.add(builder.mul(count, cgutils.intp_t(size)), cgutils.intp_t(LINE)),
                             cgutils.intp_t(LINE))  # fmt: skip
        allocate = _c_function(builder, "aligned_alloc", cgutils.voidptr_t, cgutils.intp_t, cgutils.intp_t)
        data = builder.call(allocate, [cgutils.intp_t(LINE), builder.mul(lines, cgutils.intp_t(LINE))])
        with builder.if_then(cgutils.is_null(builder, data), likely=False):
            context.call_conv.return_user_exc(builder, MemoryError, ("no memory for the arrays of a block",))
        array = make_array(kind)(context, builder)
        data = builder.bitcast(data, array.data.type)
        strides = [cgutils.intp_t(size)]
        populate_array(array, data, [count], strides, cgutils.intp_t(size), meminfo=None)
        return array._getvalue()

    return kind(count, dtype), generate


def _release(typing_context, array):
    def generate(context, builder, signature, arguments):
        from numba.np.arrayobj import make_array

        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        function = _c_function(builder, "free", ir.VoidType(), cgutils.voidptr_t)
        builder.call(function, [builder.bitcast(data, cgutils.voidptr_t)])
        return context.get_dummy_value()

    return types.void(array), generate


#: ``scratch(count, dtype)``: array (count,) of numbers without values, in lines of its own. Raises ``MemoryError``.
scratch: Any = intrinsic(_scratch)
#: ``release(array)`` gives back the memory of an array that ``scratch`` has made.
release: Any = intrinsic(_release)

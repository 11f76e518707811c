"""Four neighbouring numbers at a time, as the vectors of the processor take them.

A quad is a tuple of four float64. LLVM does not find such short vectors by itself in what numba gives it, so that the
operations are written in its terms; packing a tuple and unpacking it again cancel between them.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

QUAD = types.UniTuple(types.float64, 4)
VECTOR = ir.VectorType(ir.DoubleType(), 4)


def _pack(builder, quad):
    vector = ir.Constant(VECTOR, ir.Undefined)
    for i in range(4):
        vector = builder.insert_element(vector, builder.extract_value(quad, i), ir.Constant(ir.IntType(32), i))
    return vector


def _unpack(builder, vector):
    numbers = [builder.extract_element(vector, ir.Constant(ir.IntType(32), i)) for i in range(4)]
    return cgutils.pack_array(builder, numbers)


def _address(context, builder, array_type, array, index):
    """Pointer to four elements of ``array`` from ``index`` on, and the number of bytes of one."""
    from numba.np.arrayobj import make_array

    data = make_array(array_type)(context, builder, array).data
    element = context.get_data_type(array_type.dtype)
    place = builder.gep(data, [index])
    return builder.bitcast(place, ir.VectorType(element, 4).as_pointer()), context.get_abi_sizeof(element)


@intrinsic
def load(typing_context, array, index):
    """Load the elements ``index`` to ``index + 3`` of a contiguous array of float64 or float32, unchecked."""

    def generate(context, builder, signature, arguments):
        pointer, size = _address(context, builder, signature.args[0], *arguments)
        vector = builder.load(pointer, align=size)
        if signature.args[0].dtype != types.float64:
            vector = builder.fpext(vector, VECTOR)
        return _unpack(builder, vector)

    return QUAD(array, index), generate


def _scaled(builder, factor, quad):
    scale = _pack(builder, cgutils.pack_array(builder, [factor] * 4))
    return builder.fmul(scale, _pack(builder, quad), flags=["contract"])


@intrinsic
def scaled(typing_context, factor, quad):
    """Product ``factor * quad``."""

    def generate(context, builder, signature, arguments):
        return _unpack(builder, _scaled(builder, *arguments))

    return QUAD(factor, quad), generate


@intrinsic
def add(typing_context, quad, factor, other):
    """Sum ``quad + factor * other``, rounded once or twice as the processor likes."""

    def generate(context, builder, signature, arguments):
        quad, factor, other = arguments
        product = _scaled(builder, factor, other)
        return _unpack(builder, builder.fadd(_pack(builder, quad), product, flags=["contract"]))

    return QUAD(quad, factor, other), generate


@intrinsic
def store(typing_context, array, index, quad):
    """Write four elements of a contiguous float64 array from ``index`` on, unchecked."""

    def generate(context, builder, signature, arguments):
        array, index, quad = arguments
        pointer, size = _address(context, builder, signature.args[0], array, index)
        builder.store(_pack(builder, quad), pointer, align=size)
        return context.get_dummy_value()

    return types.void(array, index, quad), generate

"""Refinement: from measured counts to parameters with standard errors, and what the counts do not determine.

The package may be called as the function :func:`refine` of the same name, so that ``from nanobrag_torch import refine``
gives a name that can be called whichever of the two was loaded first.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nanobrag_torch.lazy import lazy_names

if TYPE_CHECKING:
    from nanobrag_torch.refine.call import refine
    from nanobrag_torch.refine.design import ExpectedErrors, expected_errors
    from nanobrag_torch.refine.many import ManyProgress, refine_many
    from nanobrag_torch.refine.many_result import ManyResult, StillResult
    from nanobrag_torch.refine.result import RefinedParameter, RefinementResult
    from nanobrag_torch.refine.scoring import Progress

__all__ = [
    "ExpectedErrors",
    "ManyProgress",
    "ManyResult",
    "Progress",
    "RefinedParameter",
    "RefinementResult",
    "StillResult",
    "expected_errors",
    "refine",
    "refine_many",
]

# A type checker sees the imports above, and tells of a name that is not among them.
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ExpectedErrors": ".design:ExpectedErrors",
            "ManyProgress": ".many:ManyProgress",
            "ManyResult": ".many_result:ManyResult",
            "Progress": ".scoring:Progress",
            "RefinedParameter": ".result:RefinedParameter",
            "RefinementResult": ".result:RefinementResult",
            "StillResult": ".many_result:StillResult",
            "expected_errors": ".design:expected_errors",
            "refine": ".call:refine",
            "refine_many": ".many:refine_many",
        },
    )


class _Callable(ModuleType):
    def __call__(self, *args: Any, **keywords: Any) -> Any:
        from nanobrag_torch.refine.call import refine

        return refine(*args, **keywords)


sys.modules[__name__].__class__ = _Callable

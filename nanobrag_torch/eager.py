"""Functions that ``torch.compile`` leaves as they are, so that it compiles the code around them alone."""

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

REASON = (
    "nanobrag_torch looks at numbers and has compiled loops of its own, which torch.compile cannot enter. "
    "Call torch.compile without fullgraph=True, or on the code around the simulation alone"
)


def eager(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` as it is within a compiled one; where ``fullgraph=True`` forbids that, torch's error says why.

    It is ``torch.compiler.disable``, which takes a second to import and is therefore asked for only where a compiler
    may be at work.
    """

    @cache
    def disabled() -> Callable[P, R]:
        disable: Callable[[Callable[P, R]], Callable[P, R]] = torch.compiler.disable
        return disable(function)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        return (disabled() if "torch._dynamo" in sys.modules else function)(*args, **kwargs)

    vars(called).update(_torchdynamo_disable=True, _torchdynamo_disable_msg=REASON)  # what the compiler looks at
    return called

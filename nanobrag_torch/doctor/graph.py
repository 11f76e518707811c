"""Walk the backward graph of a loss: what it reaches, where the signal ends, where it ceases to be finite."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.doctor.watch import is_internal, line_at

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
#: A divisor this much smaller than the largest one of the same division makes its derivative noisy.
SMALL_DIVISOR = 1e-5


@dataclass(frozen=True)
class Place:
    """A node of the backward graph: the operation that it differentiates, the line that it stands on, if known, and
    the elements of what comes in from the loss."""

    operation: str
    line: str = ""
    elements: int = 0


@dataclass
class Graph:
    """What a backward pass met.

    ``reached`` are the parameters in the graph, ``strangers`` the other leaves. ``ends`` gives for a parameter the
    nodes at which a signal on its way there became exactly zero. ``breaks`` is the first node that made something not
    finite, ``from_zero`` whether it did so of an incoming zero, below a selection between branches if ``below_where``.
    """

    gradients: dict[str, Tensor | None]
    reached: frozenset[str] = frozenset()
    strangers: tuple[Tensor, ...] = ()
    ends: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    breaks: Place | None = None
    from_zero: bool = False
    below_where: bool = False
    custom: tuple[str, ...] = ()
    noisy_divisions: tuple[Place, ...] = ()
    error: str = ""


def inspect(loss: Tensor, leaves: dict[str, Tensor]) -> Graph:
    """Differentiate ``loss`` (0-d) once and report what happened on the way. Never raises for what backward raises."""
    if loss.grad_fn is None:
        return Graph({name: torch.ones_like(leaf) if leaf is loss else None for name, leaf in leaves.items()})
    nodes = list(_nodes(loss.grad_fn))
    reach = _reach(nodes, leaves)
    walk = _Walk(reach)
    handles = [node.register_hook(walk.hook(node)) for node in nodes if reach[node]]
    graph = Graph({}, reached=frozenset().union(*reach.values()) if reach else frozenset())
    # Divisors are read before the pass, which frees them.
    graph.noisy_divisions = tuple(_place(node) for node in nodes if reach[node] and _has_small_divisor(node))
    try:
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        graph.gradients = dict(zip(leaves, found, strict=True))
    except RuntimeError as error:
        graph.error = str(error).splitlines()[0]
        graph.gradients = dict.fromkeys(leaves)
    finally:
        for handle in handles:
            handle.remove()
    known = {id(leaf) for leaf in leaves.values()}
    variables = [getattr(node, "variable", None) for node in nodes]
    graph.strangers = tuple(v for v in variables if v is not None and id(v) not in known)
    graph.ends = {name: walk.ends(name) for name in leaves if name in graph.reached}
    graph.custom = tuple(sorted({node.name() for node in nodes if _is_custom(node)}))
    if walk.breaks is not None:
        graph.breaks, graph.from_zero = _place(walk.breaks), walk.from_zero
        graph.below_where = walk.met_where
    return graph


class _Walk:
    """Hooks that note, for every node, where an incoming signal is not passed on."""

    def __init__(self, reach: dict[Any, frozenset[str]]) -> None:
        self.reach = reach
        self.stops: list[tuple[Place, frozenset[str]]] = []
        self.breaks: Any = None
        self.from_zero = False
        self.met_where = False

    def hook(self, node: Any) -> Any:
        def look(outgoing: tuple[Tensor | None, ...], incoming: tuple[Tensor | None, ...]) -> None:
            came = [g for g in incoming if g is not None]
            if self.breaks is None and all(bool(torch.isfinite(g).all()) for g in came):
                self._look_for_break(node, outgoing, came)
            if node.name().startswith("Where"):
                self.met_where = self.met_where or self.breaks is None
            if not any(bool((g != 0).any()) for g in came):
                return
            passed: set[str] = set()
            for gradient, (following, _) in zip(outgoing, node.next_functions, strict=False):
                if following is not None and gradient is not None and bool((gradient != 0).any()):
                    passed |= self.reach.get(following, frozenset())
            lost = self.reach[node] - passed
            if lost:
                self.stops.append((_place(node, max(g.numel() for g in came)), frozenset(lost)))

        return look

    def _look_for_break(self, node: Any, outgoing: tuple[Tensor | None, ...], came: list[Tensor]) -> None:
        for gradient in outgoing:
            if gradient is not None and not bool(torch.isfinite(gradient).all()):
                self.breaks = node
                bad = ~torch.isfinite(gradient)
                alike = [g for g in came if g.shape == gradient.shape]
                self.from_zero = bool(alike) and bool((alike[0][bad] == 0).all())
                return

    def ends(self, name: str) -> tuple[Place, ...]:
        return tuple(dict.fromkeys(place for place, lost in self.stops if name in lost))


def _nodes(root: Any) -> Iterator[Any]:
    """Every node once, each after all that it leads to."""
    done: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            yield node
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack.extend((following, False) for following, _ in node.next_functions if following is not None)


def _reach(nodes: list[Any], leaves: dict[str, Tensor]) -> dict[Any, frozenset[str]]:
    """Which parameters every node leads to."""
    names = {id(leaf): name for name, leaf in leaves.items()}
    reach: dict[Any, frozenset[str]] = {}
    for node in nodes:
        found = [reach[following] for following, _ in node.next_functions if following is not None]
        name = names.get(id(getattr(node, "variable", None)))
        reach[node] = frozenset().union(*found, {name} if name else ())
    return reach


def _place(node: Any, elements: int = 0) -> Place:
    operation = re.sub(r"Backward\d*$", "", node.name())
    for entry in reversed(node.metadata.get("traceback_", ())):
        match = _FRAME.search(entry)
        if match and not is_internal(match[1]):
            return Place(operation, line_at(match[1], int(match[2])), elements)
    return Place(operation, elements=elements)


def _is_custom(node: Any) -> bool:
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def _has_small_divisor(node: Any) -> bool:
    """Whether a division has divisors that come close to zero: the mark of a quotient that has a removable pole."""
    if not node.name().startswith("DivBackward"):
        return False
    divisor = getattr(node, "_saved_other", None)
    if not isinstance(divisor, Tensor) or divisor.numel() < 2:
        return False
    size = divisor.detach().abs()
    return bool(size.min() < SMALL_DIVISOR * size.max())

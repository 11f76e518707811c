"""Backward graph of a loss: parameters it reaches, nodes at which the signal becomes zero or ceases to be finite."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .watch import is_internal, line_at

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
#: A divisor this much smaller than the largest one of the same division makes its derivative noisy.
SMALL_DIVISOR = 1e-5


@dataclass(frozen=True)
class BackwardNode:
    """A node of the backward graph.

    Attributes:
        operation: name of the operation that it differentiates, "Sqrt" of SqrtBackward0.
        line: line of code of that operation, "file.py:12: text"; empty if unknown.
        elements: number of elements of the largest gradient that comes in from the loss.
        within: operation of the forward pass whose derivative this one is part of; empty for an operation of the
            forward pass itself.
    """

    operation: str
    line: str = ""
    elements: int = 0
    within: str = ""

    @property
    def operations(self) -> frozenset[str]:
        """The operation, and the one whose derivative it is part of."""
        return frozenset({self.operation, self.within} - {""})

    def __str__(self) -> str:
        return f"{self.operation} in the derivative of {self.within}" if self.within else self.operation


@dataclass(frozen=True)
class BackwardGraph:
    """Events of a backward pass through a loss.

    Attributes:
        gradients: gradient of the loss by every parameter, in its shape; None where the graph does not reach it.
        reached: parameters that the graph leads to.
        foreign_leaves: leaves of the graph that are none of the parameters.
        zeroed_at: for a parameter, the nodes at which a signal on its way there became exactly zero.
        nonfinite_at: first node that made a gradient NaN or infinite.
        from_zero: it did so of an incoming gradient that was zero.
        below_where: on the way back it comes below a selection between branches.
        custom: derivative rules written by hand.
        refused_at: node that refuses to be differentiated, where backward raised.
        noisy_divisions: divisions by numbers that come close to zero.
        implicit: parameters of a random draw that is differentiated implicitly, on average over draws.
        half_read: parameters on the way to an operation that reads one half of a symmetric matrix.
        error: first line of what backward raised, empty for nothing.
    """

    gradients: dict[str, Tensor | None]
    reached: frozenset[str] = frozenset()
    foreign_leaves: tuple[Tensor, ...] = ()
    zeroed_at: dict[str, tuple[BackwardNode, ...]] = field(default_factory=dict)
    nonfinite_at: BackwardNode | None = None
    from_zero: bool = False
    below_where: bool = False
    custom: tuple[BackwardNode, ...] = ()
    noisy_divisions: tuple[BackwardNode, ...] = ()
    implicit: frozenset[str] = frozenset()
    half_read: frozenset[str] = frozenset()
    error: str = ""
    refused_at: BackwardNode | None = None


#: Draws by rejection: torch gives the derivative of the distribution at the value drawn, not that of the draw.
_IMPLICIT = ("StandardGamma", "_Dirichlet")
#: Operations that read one half of a symmetric matrix, and whose gradient is symmetric all the same.
_HALF = ("LinalgCholesky", "LinalgEigh")
#: Operations that choose elements, so that what was not chosen gets a gradient of zero.
_SELECTIONS = ("Where", "MaskedFill", "MaskedScatter", "NanToNum")


def gradients_of(loss: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """Gradients of ``loss`` (0-d) by the leaves, dense, None where the graph does not reach one.

    Some graphs, such as those of reentrant checkpoints, know ``backward()`` alone, or meet a leaf in a graph that they
    make in the backward pass. It leaves a gradient in every leaf that it meets; those of other leaves are put back as
    they were.

    Raises:
        RuntimeError: backward raised.
    """
    # Only what is written by hand can refuse, and it does so half-way: the graph must still be there then.
    nodes = list(_nodes(loss.grad_fn))
    by_hand = any(_is_custom(node) for node in nodes)
    try:
        found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=by_hand, allow_unused=True)
    except RuntimeError as error:
        if "autograd.grad" not in str(error) and ".grad()" not in str(error):
            raise
        return _left_by_backward(loss, leaves, nodes)
    if by_hand and any(gradient is None for gradient in found):
        return _left_by_backward(loss, leaves, nodes)
    return {name: None if g is None else g.to_dense() for name, g in zip(leaves, found, strict=True)}


def _left_by_backward(loss: Tensor, leaves: dict[str, Tensor], nodes: Iterable[Any]) -> dict[str, Tensor | None]:
    others = _foreign_leaves(nodes, leaves)
    before = [leaf.grad for leaf in others]
    for leaf in (*leaves.values(), *others):
        leaf.grad = None
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for leaf, gradient in zip(others, before, strict=True):
            leaf.grad = gradient
    return {name: None if leaf.grad is None else leaf.grad.to_dense() for name, leaf in leaves.items()}


def inspect(loss: Tensor, leaves: dict[str, Tensor]) -> BackwardGraph:
    """Differentiate ``loss`` (0-d) once and report the events on the way; what backward raises is reported, not raised.

    The pass frees the graph of ``loss``.
    """
    if loss.grad_fn is None:
        return BackwardGraph({name: torch.ones_like(leaf) if leaf is loss else None for name, leaf in leaves.items()})
    nodes = list(_nodes(loss.grad_fn))
    reach = _reach(nodes, leaves)
    reached: frozenset[str] = frozenset().union(*reach.values())
    walk = _Walk(reach)
    handles = [node.register_hook(walk.hook(node)) for node in nodes if reach[node]]
    handles += [node.register_prehook(walk.prehook(node)) for node in nodes]
    # Divisors are read before the pass, which frees them.
    noisy = tuple(_backward_node(node) for node in nodes if reach[node] and _has_small_divisor(node))
    gradients: dict[str, Tensor | None] = dict.fromkeys(leaves)
    message = ""
    try:
        gradients = gradients_of(loss, leaves)
    except RuntimeError as error:
        message = str(error).splitlines()[0]
    finally:
        for handle in handles:
            handle.remove()
    return BackwardGraph(
        gradients,
        reached,
        foreign_leaves=_foreign_leaves(nodes, leaves),
        zeroed_at={name: walk.zeroed_at(name) for name in leaves if name in reached},
        nonfinite_at=None if walk.nonfinite_at is None else _backward_node(walk.nonfinite_at),
        from_zero=walk.from_zero,
        below_where=walk.nonfinite_at is not None and _below_selection(nodes, walk.nonfinite_at),
        custom=tuple(
            dict.fromkeys(_backward_node(node) for node in reversed(nodes) if reach[node] and _is_custom(node))
        ),
        noisy_divisions=noisy,
        implicit=_through(nodes, reach, _IMPLICIT),
        half_read=_through(nodes, reach, _HALF),
        error=message,
        refused_at=_backward_node(walk.entered) if message and walk.entered is not None else None,
    )


class _Walk:
    """Hooks that note the nodes which do not pass an incoming signal on, and the first that makes one not finite."""

    def __init__(self, reach: dict[Any, frozenset[str]]) -> None:
        self.reach = reach
        self.stops: list[tuple[BackwardNode, frozenset[str]]] = []
        self.nonfinite_at: Any = None
        self.from_zero = False
        self.entered: Any = None

    def prehook(self, node: Any) -> Any:
        """Hook of a node, called before it is differentiated: the last of them is the one that raised."""

        def enter(incoming: tuple[Tensor | None, ...]) -> None:
            self.entered = node

        return enter

    def hook(self, node: Any) -> Any:
        """Hook of a node, called with its outgoing and incoming gradients."""

        def look(outgoing: tuple[Tensor | None, ...], incoming: tuple[Tensor | None, ...]) -> None:
            came = [g.to_dense() for g in incoming if g is not None]
            outgoing = tuple(None if g is None else g.to_dense() for g in outgoing)
            if self.nonfinite_at is None and all(bool(torch.isfinite(g).all()) for g in came):
                self._look_for_nonfinite(node, outgoing, came)
            if not any(bool((g != 0).any()) for g in came):
                return
            passed: set[str] = set()
            for gradient, (following, _) in zip(outgoing, node.next_functions, strict=False):
                if following is not None and gradient is not None and bool((gradient != 0).any()):
                    passed |= self.reach.get(following, frozenset())
            lost = self.reach[node] - passed
            if lost:
                self.stops.append((_backward_node(node, max(g.numel() for g in came)), frozenset(lost)))

        return look

    def _look_for_nonfinite(self, node: Any, outgoing: tuple[Tensor | None, ...], came: list[Tensor]) -> None:
        for gradient in outgoing:
            if gradient is not None and not bool(torch.isfinite(gradient).all()):
                self.nonfinite_at = node
                bad = ~torch.isfinite(gradient)
                alike = [g for g in came if g.shape == gradient.shape]
                self.from_zero = bool(alike) and bool((alike[0][bad] == 0).all())
                return

    def zeroed_at(self, name: str) -> tuple[BackwardNode, ...]:
        """Nodes that made a signal zero on its way to the parameter."""
        return tuple(dict.fromkeys(node for node, lost in self.stops if name in lost))


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
    """Parameters that every node leads to."""
    names = {id(leaf): name for name, leaf in leaves.items()}
    reach: dict[Any, frozenset[str]] = {}
    for node in nodes:
        found = [reach[following] for following, _ in node.next_functions if following is not None]
        name = names.get(id(getattr(node, "variable", None)))
        reach[node] = frozenset().union(*found, {name} if name else ())
    return reach


def _through(nodes: Iterable[Any], reach: dict[Any, frozenset[str]], operations: tuple[str, ...]) -> frozenset[str]:
    """Parameters that pass through one of these operations on their way to the loss."""
    return frozenset().union(*(reach[node] for node in nodes if node.name().startswith(operations)))


def _foreign_leaves(nodes: Iterable[Any], leaves: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Leaves that the nodes accumulate into and that are none of the parameters."""
    known = {id(leaf) for leaf in leaves.values()}
    variables = [getattr(node, "variable", None) for node in nodes]
    return tuple(v for v in variables if v is not None and id(v) not in known)


def _below_selection(nodes: list[Any], node: Any) -> bool:
    """A selection between branches leads to the node; those that a backward pass makes for itself do not count."""
    leading: set[Any] = {node}
    for other in nodes:
        if any(following in leading for following, _ in other.next_functions):
            leading.add(other)
    selections = (other for other in leading if other is not node and other.name().startswith(_SELECTIONS))
    return any(other.metadata.get("parent_") is None for other in selections)


def _backward_node(node: Any, elements: int = 0) -> BackwardNode:
    operation = _operation(node)
    # A node that a backward pass made knows the node whose derivative it is part of, and that one the line.
    origin = node
    while (parent := origin.metadata.get("parent_")) is not None:
        origin = parent
    within = "" if origin is node else _operation(origin)
    for entry in reversed(origin.metadata.get("traceback_", ())):
        match = _FRAME.search(entry)
        if match and not is_internal(match[1]):
            return BackwardNode(operation, line_at(match[1], int(match[2])), elements, within)
    return BackwardNode(operation, elements=elements, within=within)


def _operation(node: Any) -> str:
    """Name of the operation that a node differentiates."""
    return re.sub(r"Backward\d*$", "", str(node.name()))


def _is_custom(node: Any) -> bool:
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def _has_small_divisor(node: Any) -> bool:
    """A division has divisors that come close to zero: the mark of a quotient with a removable pole."""
    if not node.name().startswith("DivBackward"):
        return False
    divisor = getattr(node, "_saved_other", None)
    if not isinstance(divisor, Tensor) or divisor.numel() < 2:
        return False
    size = divisor.detach().abs()
    return bool(size.min() < SMALL_DIVISOR * size.max())

"""Subject of a diagnosis: a scenario, or anybody's function of a dict of tensors, seen in one way."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from .distributions import is_distribution
from .entries import advice, choice_of, flattened, is_flat, mistaken, of_structure, with_ties
from .finite_difference import default_step
from .modules import of_module
from .records import Revival, Stage

if TYPE_CHECKING:
    from .observation import SharedFacts

ModelFunction = Callable[[dict[str, Tensor]], Tensor]
#: A tensor of more elements than this is examined along one fixed random direction instead of element by element.
MOST_ELEMENTS = 6


class DoctorError(ValueError):
    """Error of a loss or parameters that cannot be examined: the message says why, and what to change."""


@dataclass(frozen=True)
class Coordinate:
    """One number to differentiate by: a parameter, an element of one, or the position along a direction in it.

    Attributes:
        name: name in the report, "x", "x[0]".
        parameter: name of the parameter that it belongs to.
        label: short name for tables and figures.
        unit: unit of ``value``.
        value: position at the point of evaluation.
        direction: change of the parameter for a unit of position, in its shape.
        step: first step of finite differences.
        far: change that matters to any image.
        low: lower bound of the position.
        high: upper bound.
    """

    name: str
    parameter: str
    label: str
    unit: str
    value: float
    direction: Tensor
    step: float
    far: float
    low: float = -math.inf
    high: float = math.inf


class Simulation(Protocol):
    """Parts of a diagnosis that know a simulator; a subject that is simulated brings them along."""

    def image(self, values: dict[str, Tensor]) -> Tensor:
        """The image with these values."""

    def cast(self, dtype: torch.dtype) -> "Simulation":
        """The simulation in another precision."""

    def revivals(self, count: Callable[[], None]) -> tuple[Revival, ...]:
        """Smallest changes that light up a dark image; ``count`` is called before each image."""

    def modes(self) -> dict[str, ModelFunction]:
        """Image as a function of the values in every mode of the physics."""

    def inert_because(self, name: str) -> str | None:
        """Option that makes a parameter inert, in words; None where no option does."""

    def stage_of(self, source: str | None) -> str | None:
        """Step of the physics at a source line."""

    def stages(self, shared: "SharedFacts") -> tuple[Stage, ...]:
        """Signal at every step of the physics, the loss last."""


@dataclass(frozen=True)
class Subject:
    """A loss, its parameters, and the image in between where there is one.

    Attributes:
        name: "scenario", or the name of the function.
        function: gives the image, or the loss where ``loss`` is None.
        loss: reduces the image to one element.
        values: detached values of the parameters, by name.
        coordinates: numbers to differentiate by.
        leaf: by parameter, the tensor that was handed over was a leaf.
        dtype: precision of the parameters.
        simulation: what knows the simulator, None for a function.
        rebuild: makes the function anew.
        examined: what was handed over; None for a scenario.
        inputs: what a module is called with.
        given: the tensors that were handed over, by parameter; empty for a scenario or a module.
        ties: other names of a parameter's tensor, by parameter.
        quick: what no verdict needs is not measured.
    """

    name: str
    function: ModelFunction
    loss: Callable[[Tensor], Tensor] | None
    values: dict[str, Tensor]
    coordinates: tuple[Coordinate, ...]
    leaf: dict[str, bool]
    dtype: torch.dtype
    simulation: Simulation | None = None
    rebuild: Callable[[], ModelFunction] | None = None
    examined: Any = None
    inputs: Any = None
    given: dict[str, Tensor] = field(default_factory=dict)
    ties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    quick: bool = False

    @property
    def has_image(self) -> bool:
        """The function gives an image, which ``loss`` reduces."""
        return self.loss is not None

    @property
    def is_single(self) -> bool:
        """The subject computes in single precision."""
        return "32" in str(self.dtype)

    def leaves(self) -> dict[str, Tensor]:
        """Fresh leaves with the parameters' values."""
        return {name: value.clone().requires_grad_() for name, value in self.values.items()}

    def at(self, coordinate: Coordinate, position: float) -> dict[str, Tensor]:
        """Values of the parameters with one coordinate moved to ``position``, as constants."""
        moved = dict(self.values)
        base = moved[coordinate.parameter]
        moved[coordinate.parameter] = base + (position - coordinate.value) * coordinate.direction.to(base)
        if base.numel() == 1:
            # A single number is set, not added to, so that the step is what the quotient divides by.
            moved[coordinate.parameter] = torch.full_like(base, position)
        return moved

    def evaluate(self, values: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Evaluate the loss, 0-d, and the image, None where the function gives no real tensor for ``loss`` to reduce.

        Raises:
            DoctorError: the function raises, or gives no real scalar.
        """
        try:
            # A copy of the dict: models pop from theirs, or bind its names anew.
            output = self.function(dict(values))
            loss = self.loss(output) if self.loss is not None else output
        except Exception as error:
            call = advice(self.examined, error, self.values, self.inputs)
            raise DoctorError(
                f"{self.name} raised {type(error).__name__}: {str(error).rstrip('.!')}. {call}"
            ) from error
        if not isinstance(loss, Tensor):
            raise DoctorError(
                f"{self.name} returned {type(loss).__name__}: the loss must be a tensor with one element. "
                f"Choose or make one of it, with loss={choice_of(loss)}; a number has left the graph of autograd."
            )
        if loss.numel() != 1:
            raise DoctorError(
                f"{self.name} returned a tensor of shape {tuple(loss.shape)}: the loss must be a tensor with one "
                "element. Reduce it, or pass the reduction as loss=torch.sum."
            )
        if loss.is_complex():
            raise DoctorError(
                f"{self.name} returned {loss.dtype}: the loss must be real. Return its real part, loss.real, or its "
                "square, loss.abs() ** 2."
            )
        if not loss.is_floating_point():
            raise DoctorError(f"{self.name} returned {loss.dtype}: the loss must be a real floating-point tensor.")
        is_image = self.loss is not None and isinstance(output, Tensor) and output.is_floating_point()
        return loss.reshape(()), output if is_image else None

    def ignores_its_dict(self) -> bool:
        """The loss reaches the very tensors that were handed over, and none of the dict that it is called with."""
        held = [tensor for tensor in self.given.values() if tensor.requires_grad]
        if not held:
            return False
        leaves = list(self.leaves().values())
        loss, _ = self.evaluate(dict(zip(self.values, leaves, strict=True)))
        if not loss.requires_grad:
            return False
        found = torch.autograd.grad(loss, leaves + held, allow_unused=True)
        return all(g is None for g in found[: len(leaves)]) and any(g is not None for g in found[len(leaves) :])

    def cast(self, dtype: torch.dtype) -> "Subject":
        """Copy of the subject with parameters, or a simulation's arithmetic, in another precision."""
        if self.simulation is None:
            values = {name: value.to(dtype) for name, value in self.values.items()}
            return replace(self, values=values, dtype=dtype)
        simulation = self.simulation.cast(dtype)
        return replace(self, function=simulation.image, simulation=simulation, dtype=dtype)


def subject_of(
    examined: torch.nn.Module | Callable[[Any], Any],
    params: Any = None,
    loss: Callable[[Tensor], Tensor] | None = None,
    steps: Mapping[str, float] | None = None,
    rebuild: Callable[[], ModelFunction] | None = None,
) -> Subject:
    """Make a subject of a module or a function.

    Args:
        examined: a module with parameters, or a function of a dict of tensors, which may be nested.
        params: parameters of the function, tensors or numbers, in the structure that it takes; the inputs of a module.
        loss: reduces an image to one element; None for a function that gives the loss.
        steps: first steps of finite differences by name, in the parameter's unit.
        rebuild: makes the function anew; without it an object is copied before it is first called.

    Raises:
        DoctorError: a parameter, which is named, cannot carry a gradient.
    """
    steps = dict(steps or {})
    if not callable(examined):
        raise DoctorError(
            f"{type(examined).__name__}: must be a Scenario, a module or a function of a dict of tensors. "
            "Write diagnose(function, params)."
        )
    if loss is not None and not callable(loss):
        raise DoctorError(
            f"loss: a {type(loss).__name__} is no function. Write diagnose(function, params, loss=lambda output: ...)."
        )
    structure, is_module = params, False
    if isinstance(examined, torch.nn.Module) and any(True for _ in examined.parameters()):
        is_module, params = True, _trainable(examined, params)
    elif not is_flat(params):
        _refuse(params)
        try:
            params = flattened(params)
        except ValueError as error:
            raise DoctorError(str(error)) from None
    tensors = _tensors(params)
    # One tensor under several names is one parameter, under the first of them.
    first: dict[int, str] = {}
    ties = {name: first.setdefault(id(tensor), name) for name, tensor in tensors.items()}
    ties = {name: one for name, one in ties.items() if name != one}
    given = {name: tensor for name, tensor in tensors.items() if name not in ties}

    def of_values(function: Any) -> ModelFunction:
        """A function or module as it was handed over, as a function of the dict of parameters."""
        if is_module:
            return of_module(function, structure)
        return with_ties(function if is_flat(structure) else of_structure(function, structure), tensors, ties)

    anew = rebuild or (None if is_module else _copies_of(examined))
    values = {name: tensor.detach().clone() for name, tensor in given.items()}
    return Subject(
        name=getattr(examined, "__qualname__", type(examined).__name__).removeprefix("<locals>."),
        function=of_values(examined),
        loss=loss,
        values=values,
        coordinates=tuple(c for name, value in values.items() for c in _coordinates(name, value, steps)),
        leaf={name: tensor.is_leaf for name, tensor in given.items()},
        dtype=torch.float32 if any(v.dtype is torch.float32 for v in values.values()) else torch.float64,
        rebuild=None if anew is None else lambda: of_values(anew()),
        examined=examined,
        inputs=structure if is_module else None,
        given={} if isinstance(examined, torch.nn.Module) else given,
        ties={one: tuple(name for name in ties if ties[name] == one) for one in ties.values()},
    )


def _trainable(module: torch.nn.Module, inputs: Any) -> dict[str, Tensor]:
    """Parameters of a module that ask for a gradient, by dotted name; a tied one under each of its names."""
    if isinstance(module, torch.jit.ScriptModule):
        raise DoctorError(
            f"{type(module).__name__}: its parameters cannot be replaced, since torch.jit has compiled it. Write "
            "diagnose(module, inputs, loss=...) with the module that it was made of."
        )
    if inputs is None:
        raise DoctorError(
            f"{type(module).__name__} without inputs: must have some. Write diagnose(module, inputs, loss=...)."
        )
    named = module.named_parameters(remove_duplicate=False)
    trainable: dict[str, Tensor] = {name: p for name, p in named if p.requires_grad}
    if not trainable:
        raise DoctorError(
            f"{type(module).__name__}: every parameter is frozen, at least one must ask for a gradient. "
            "Call module.requires_grad_(), or set requires_grad of those that you want examined."
        )
    return trainable


def _refuse(params: Any) -> None:
    """Refuse what is no structure of parameters, with the call to write instead.

    Raises:
        DoctorError: it is none.
    """
    call = mistaken(params)
    if call:
        raise DoctorError(f"params: a {type(params).__name__} is no dict of tensors or numbers. Write {call}.")
    if not (is_distribution(params) or (params and isinstance(params, (Mapping, list, tuple)))):
        raise DoctorError("params: must be a dict of one tensor or number or more. Pass {'name': tensor, ...}.")


def _copies_of(examined: ModelFunction) -> Callable[[], ModelFunction] | None:
    """Maker of copies of an object, or of a method of one, as it is before anything is asked of it.

    A plain function has nothing of its own to keep. None for it, and for an object that cannot be copied.
    """
    if isinstance(examined, FunctionType):
        return None
    try:
        pristine = copy.deepcopy(examined)
    except Exception:
        return None
    return lambda: copy.deepcopy(pristine)


def _tensors(params: Mapping[str, Any]) -> dict[str, Tensor]:
    if not params:
        raise DoctorError("params: must be a dict of one tensor or number or more. Pass {'name': tensor, ...}.")
    tensors: dict[str, Tensor] = {}
    for name, value in params.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = torch.tensor(float(value), dtype=torch.float64)
        if not isinstance(value, Tensor):
            call = f"torch.as_tensor(params[{name!r}])" if hasattr(value, "__array__") else "a tensor or a float"
            raise DoctorError(
                f"params[{name!r}] is a {type(value).__name__}: must be a tensor or a number. Write {call}."
            )
        if not value.is_floating_point():
            raise DoctorError(
                f"params[{name!r}] has dtype {value.dtype}: must be float32 or float64. An integer has no gradient: "
                "leave it out of params, and let the function hold it."
            )
        if value.device.type == "meta" or value.numel() == 0:
            raise DoctorError(
                f"params[{name!r}] has no values ({value.device}, {tuple(value.shape)}): must have some. "
                "Of a module on the meta device write module.to_empty(device='cpu'), and give its parameters values."
            )
        if value.layout is not torch.strided:
            raise DoctorError(
                f"params[{name!r}] has the layout {value.layout}: must be dense. Write diagnose(lambda p: "
                f"function(p[{name!r}].to_sparse()), {{{name!r}: tensor.to_dense()}})."
            )
        tensors[name] = value
    return tensors


def is_large(tensor: Tensor) -> bool:
    """The tensor, or its gradient, is examined along a direction."""
    return tensor.numel() > MOST_ELEMENTS and tensor.layout is torch.strided


def _coordinates(name: str, value: Tensor, steps: Mapping[str, float]) -> list[Coordinate]:
    def coordinate(label: str, number: float, direction: Tensor) -> Coordinate:
        step = steps.get(label, steps.get(name, default_step(number)))
        if not (isinstance(step, (int, float)) and math.isfinite(step) and step > 0):
            raise DoctorError(
                f"steps[{label!r}] = {step!r}: must be a positive number. Leave it out for the usual one."
            )
        return Coordinate(label, name, label, "", number, direction, step, 0.3 * (abs(number) or 1.0))

    if value.numel() == 1:
        return [coordinate(name, float(value), torch.ones_like(value))]
    if value.numel() <= MOST_ELEMENTS:
        units = torch.eye(value.numel(), dtype=value.dtype, device=value.device)
        flat = value.reshape(-1)
        return [coordinate(f"{name}[{i}]", float(flat[i]), units[i].reshape(value.shape)) for i in range(value.numel())]
    # Sizes differ like signs do, so that gradients which stand in each other's place do not cancel.
    draws = torch.rand(value.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = torch.where(draws < 0.5, -0.5 - draws, draws).to(value)
    return [coordinate(f"{name} (along a random direction)", 0.0, direction * float(value.abs().max() or 1.0))]

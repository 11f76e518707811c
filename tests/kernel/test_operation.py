"""Transforms of torch around an image: each engine, images of one tile and of several, against plain reverse passes."""

import itertools
import warnings

import pytest
import torch
from random_scenes import F64, simulator, table
from torch import Tensor
from torch.autograd import forward_ad, functional
from torch.utils.checkpoint import checkpoint

from nanobrag_torch.kernel.memory import BYTES_PER_SAMPLE
from nanobrag_torch.kernel.operation import Operation
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

#: Bytes that hold all 12 pixels, or five of them.
BUDGETS = {"one tile": 48 << 20, "several tiles": 5 * BYTES_PER_SAMPLE}
AT = torch.tensor([40.0, 20.0], dtype=F64)
ALONG = torch.tensor([0.3, -0.7], dtype=F64)
WEIGHTS = torch.linspace(-1.0, 2.0, 12, dtype=F64).reshape(3, 4)


TABLE = table()


def image_of(engine: str = "formula", memory_budget: int = 48 << 20, **changes):
    """Image (3, 4) as a function of edge and distance (2,)."""

    lookup = changes.pop("lookup", "constant")

    def image(x: Tensor) -> Tensor:
        crystal = {"cell_a": x[0]} | changes.get("crystal", {})
        detector = {"distance_mm": x[1]} | changes.get("detector", {})
        made = simulator(**changes | {"crystal": crystal, "detector": detector})
        if lookup != "constant":
            made.crystal.hkl_data, made.crystal.hkl_metadata = TABLE
            made.crystal.interpolate = lookup == "tricubic"
        made.engine, made.memory_budget = engine, memory_budget
        return made.run()

    return image


def loss_of(image):
    """A loss that is not linear in the image."""
    return lambda x: (WEIGHTS * torch.sqrt(1 + image(x))).sum()


class Plain:
    """What the transforms should find, by reverse passes over graphs of the formula in one tile."""

    def __init__(self, **changes) -> None:
        image = image_of(**changes)
        x = AT.clone().requires_grad_()
        self.image = image(x).detach()
        assert self.image.max() > 0
        self.jacobian = torch.stack([torch.autograd.grad(image(x)[i, j], x)[0] for i in range(3) for j in range(4)])
        self.jacobian = self.jacobian.reshape(3, 4, 2)
        (slope,) = torch.autograd.grad(loss_of(image)(x), x, create_graph=True)
        self.gradient = slope.detach()
        self.hessian = torch.stack([torch.autograd.grad(slope[i], x, retain_graph=True)[0] for i in range(2)])
        assert min(t.abs().min() for t in (self.gradient, self.hessian)) > 0


def _dual(image, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(image(forward_ad.make_dual(x, ALONG))).tangent


def _compiled(image, x):
    leaf = x.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = torch.compile(loss_of(image), backend="eager")(leaf)
    return torch.autograd.grad(loss, leaf)[0]


def _leaf_gradient(loss, x):
    leaf = x.clone().requires_grad_()
    loss(leaf).backward()
    return leaf.grad


def _batched(image, x):
    leaf = x.clone().requires_grad_()
    values = image(leaf)
    each = torch.eye(12, dtype=F64).reshape(12, 3, 4)
    (rows,) = torch.autograd.grad(values, leaf, each, is_grads_batched=True)
    return rows.reshape(3, 4, 2)


def _vmapped_rows(image, x):
    leaf = x.clone().requires_grad_()
    values = image(leaf)
    each = torch.eye(12, dtype=F64).reshape(12, 3, 4)
    rows = torch.func.vmap(lambda bar: torch.autograd.grad(values, leaf, bar, retain_graph=True)[0])(each)
    return rows.reshape(3, 4, 2)


def _pair(x):
    return torch.stack([x, x + 0.25])


#: Transform -> what it finds of an image at a point, and what of the plain results that should be.
TRANSFORMS = {
    "func.grad": (lambda f, x: torch.func.grad(loss_of(f))(x), lambda p: p.gradient),
    "func.grad beside": (lambda f, x: torch.func.grad(lambda s: (s * f(x)).sum())(AT[0]), lambda p: p.image.sum()),
    "func.jacrev": (lambda f, x: torch.func.jacrev(f)(x), lambda p: p.jacobian),
    "func.jacfwd": (lambda f, x: torch.func.jacfwd(f)(x), lambda p: p.jacobian),
    "func.vjp": (lambda f, x: torch.func.vjp(f, x)[1](WEIGHTS)[0], lambda p: torch.tensordot(WEIGHTS, p.jacobian)),
    "func.jvp": (lambda f, x: torch.func.jvp(f, (x,), (ALONG,))[1], lambda p: p.jacobian @ ALONG),
    "func.hessian": (lambda f, x: torch.func.hessian(loss_of(f))(x), lambda p: p.hessian),
    "func.jacrev twice": (lambda f, x: torch.func.jacrev(torch.func.jacrev(loss_of(f)))(x), lambda p: p.hessian),
    "func.jacfwd twice": (lambda f, x: torch.func.jacfwd(torch.func.jacfwd(loss_of(f)))(x), lambda p: p.hessian),
    "func.vmap": (lambda f, x: torch.func.vmap(f)(_pair(x))[0], lambda p: p.image),
    "func.vmap of grad": (lambda f, x: torch.func.vmap(torch.func.grad(loss_of(f)))(_pair(x))[0], lambda p: p.gradient),
    "reverse over vmap": (
        lambda f, x: _leaf_gradient(loss_of(lambda y: torch.func.vmap(f)(_pair(y))[0]), x), lambda p: p.gradient),
    "vmap over reverse": (_vmapped_rows, lambda p: p.jacobian),
    "forward_ad": (_dual, lambda p: p.jacobian @ ALONG),
    "is_grads_batched": (_batched, lambda p: p.jacobian),
    "functional.jacobian": (lambda f, x: functional.jacobian(f, x), lambda p: p.jacobian),
    "functional.jacobian vectorized": (lambda f, x: functional.jacobian(f, x, vectorize=True), lambda p: p.jacobian),
    "functional.jacobian forward": (
        lambda f, x: functional.jacobian(f, x, vectorize=True, strategy="forward-mode"), lambda p: p.jacobian),
    "functional.hessian": (lambda f, x: functional.hessian(loss_of(f), x), lambda p: p.hessian),
    "functional.hessian vectorized": (
        lambda f, x: functional.hessian(loss_of(f), x, vectorize=True), lambda p: p.hessian),
    "functional.vjp": (lambda f, x: functional.vjp(f, x, WEIGHTS)[1], lambda p: torch.tensordot(WEIGHTS, p.jacobian)),
    "functional.jvp": (lambda f, x: functional.jvp(f, x, ALONG)[1], lambda p: p.jacobian @ ALONG),
    "functional.vhp": (lambda f, x: functional.vhp(loss_of(f), x, ALONG)[1], lambda p: ALONG @ p.hessian),
    "functional.hvp": (lambda f, x: functional.hvp(loss_of(f), x, ALONG)[1], lambda p: p.hessian @ ALONG),
    "checkpoint": (
        lambda f, x: _leaf_gradient(loss_of(lambda y: checkpoint(f, y, use_reentrant=False)), x),
        lambda p: p.gradient),
    "reentrant checkpoint": (
        lambda f, x: _leaf_gradient(loss_of(lambda y: checkpoint(f, y, use_reentrant=True)), x),
        lambda p: p.gradient),
    "torch.compile": (_compiled, lambda p: p.gradient),
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Plain:
    return Plain()


def assert_equal(found: Tensor, want: Tensor) -> None:
    assert want.abs().max() > 0
    assert found.shape == want.shape
    assert torch.allclose(found, want, rtol=1e-8, atol=1e-10 * float(want.abs().max()))


#: Transforms in which every tile is evaluated some dozen times.
TWICE = ("func.hessian", "func.jacfwd twice")


@pytest.mark.parametrize(
    ("transform", "engine", "tiles"),
    [
        pytest.param(*kind, marks=pytest.mark.full if kind[0] in TWICE and kind[2] == "several tiles" else ())
        for kind in itertools.product(TRANSFORMS, ("numba", "torch", "formula"), BUDGETS)
    ],
)
def test_a_transform_finds_what_a_plain_reverse_pass_finds(transform, engine, tiles, plain):
    find, of = TRANSFORMS[transform]
    assert_equal(find(image_of(engine, BUDGETS[tiles]), AT), of(plain))


#: Scenes that depend on the order of evaluation, or that only the formula evaluates.
OTHER_SCENES = {
    "a stale orientation [B02]": {"compat": "c", "crystal": {"osc_range_deg": 2.0, "phi_steps": 3}},
    "interpolation that ends [B12]": {"compat": "c", "lookup": "tricubic"},
    "a curved detector": {"detector": {"curved_detector": True}},
    "a running product [B05]": {"compat": "c", "detector": {"oversample": 2, "oversample_omega": True}},
    "a table at the nearest index": {"lookup": "nearest"},
}


@pytest.mark.parametrize("tiles", BUDGETS)
@pytest.mark.parametrize("scene", OTHER_SCENES)
def test_transforms_work_around_every_kind_of_scene(scene, tiles):
    changes = OTHER_SCENES[scene]
    want, image = Plain(**changes), image_of("auto", BUDGETS[tiles], **changes)
    for transform in ("func.jacrev", "func.jvp", "func.vmap", "is_grads_batched"):
        find, of = TRANSFORMS[transform]
        assert_equal(find(image, AT), of(want))


@pytest.mark.parametrize("tiles", BUDGETS)
@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_gradients_and_their_gradients_agree_with_finite_differences(engine, tiles):
    loss, x = loss_of(image_of(engine, BUDGETS[tiles])), AT.clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, x)
    assert torch.autograd.gradgradcheck(loss, x, torch.ones((), dtype=F64, requires_grad=True))


def test_a_simulator_that_has_rendered_before_still_follows_a_tangent():
    """What it remembers are numbers, which carry no tangent."""
    made = simulator()
    made.run()
    with forward_ad.dual_level():
        made.beam_config.wavelength_A = forward_ad.make_dual(
            torch.tensor(float(made.beam_config.wavelength_A), dtype=F64), torch.ones((), dtype=F64)
        )
        first, again = (forward_ad.unpack_dual(made.run()).tangent for _ in range(2))
    assert first.abs().max() > 0
    assert torch.equal(first, again)


def test_compiling_a_whole_graph_says_what_to_do_instead_whatever_the_size():
    made = simulator()
    for call in (
        lambda: made.run(),
        lambda: Simulator(Crystal(made.crystal.config), Detector(made.detector.config)).run(),
    ):
        with pytest.raises(RuntimeError, match="without fullgraph=True"):
            torch.compile(call, backend="eager", fullgraph=True)()


def test_an_operation_keeps_no_graph_between_its_calls():
    """Beside its inputs: that is the promise of tiles whose memory is bounded, at any order."""
    seen = []

    def formula(x: Tensor) -> tuple[Tensor]:
        seen.append(torch.is_grad_enabled())
        return (x**4,)

    x = torch.tensor(2.0, dtype=F64, requires_grad=True)
    value = Operation(formula)(x)[0]
    orders = [value]
    for want in (32.0, 48.0, 48.0, 24.0):
        (slope,) = torch.autograd.grad(orders[-1], x, create_graph=True)
        assert slope.item() == pytest.approx(want)
        assert type(slope.grad_fn).__name__.startswith("_Evaluation")
        orders.append(slope)
    assert seen == [False, True, True, True, True]


def test_one_tensor_under_two_names_is_counted_once_for_each():
    """Inputs, outputs and cotangents may be the same object."""

    def product(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        total = x * y
        return total, total

    x = torch.tensor(3.0, dtype=F64, requires_grad=True)
    first, second = Operation(product)(x, x)
    (slope,) = torch.autograd.grad(first + 2 * second, x, create_graph=True)
    (bend,) = torch.autograd.grad(slope, x)
    assert (slope.item(), bend.item()) == (18.0, 6.0)

"""Everyday models of many fields: the doctor accuses none that is right, and finds the cause in those that are not."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import distributions as d
from torch import nn

from nanobrag_torch.doctor import DoctorError, diagnose

#: Words of torch about models that are wrong on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

F64 = torch.float64
X = torch.linspace(-1, 1, 12, dtype=F64)


def t(*values):
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=F64)


def drawn(*shape, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(len(shape)))


def seeded(draw):
    """A loss that draws the same numbers at every call."""

    def function(p):
        torch.manual_seed(1)
        return draw(p)

    return function


SYMMETRIC = t([[2.0, 0.3], [0.3, 1.0]])


def gaussian_process(p):
    kernel = torch.exp(-0.5 * ((X[:, None] - X) / p["length"]) ** 2) + (p["noise"] ** 2 + 1e-6) * torch.eye(12).double()
    factor = torch.linalg.cholesky(kernel)
    data = torch.sin(3 * X)[:, None]
    return 0.5 * (data * torch.cholesky_solve(data, factor)).sum() + factor.diagonal().log().sum()


def kalman_filter(p):
    mean, variance, loss = t(0.0), t(1.0), t(0.0)
    for y in torch.sin(torch.arange(10, dtype=F64)):
        variance = variance + p["process"]
        total = variance + p["noise"]
        loss = loss + 0.5 * (total.log() + (y - mean) ** 2 / total)
        gain = variance / total
        mean, variance = mean + gain * (y - mean), (1 - gain) * variance
    return loss


def sinkhorn(p):
    kernel = torch.exp(-p["cost"].reshape(3, 3) / 0.5)
    u = torch.ones(3, dtype=F64)
    for _ in range(30):
        v = 1 / (kernel.T @ u)
        u = 1 / (kernel @ v)
    return (u[:, None] * kernel * v * p["cost"].reshape(3, 3)).sum()


def implicit_root(p):
    """The cube root by Newton's method, with one step of it in the graph."""
    with torch.no_grad():
        y = torch.ones_like(p["a"])
        for _ in range(30):
            y = y - (y**3 - p["a"]) / (3 * y**2)
    return y - (y**3 - p["a"]) / (3 * y**2)


def halved_until_small(p):
    size = p["a"]
    while size.item() > 0.1:
        size = size * 0.5
    return size


def volume_rendering(p):
    light = torch.cumprod(torch.cat([t([1.0]), torch.exp(-p["density"])[:-1]]), 0)
    return ((1 - torch.exp(-p["density"])) * light * t(1.0, 2.0, 3.0, 4.0)).sum()


def dihedral(p):
    a, b, c = p["atoms"].reshape(4, 3).diff(dim=0)
    n, m = torch.linalg.cross(a, b), torch.linalg.cross(b, c)
    return torch.atan2((torch.linalg.cross(n, m) * b / b.norm()).sum(), (n * m).sum())


def inner_step(p):
    weight = p["weight"] if p["weight"].requires_grad else p["weight"].requires_grad_()
    (slope,) = torch.autograd.grad((weight - 1) ** 2, weight, create_graph=True)
    return (weight - p["rate"] * slope - 2) ** 2


def short_time_spectrum(p):
    signal = torch.sin(p["f"] * torch.arange(64, dtype=F64))
    return torch.stft(signal, 16, window=torch.hann_window(16).double(), return_complex=True).abs().pow(2)[3].sum()


def square(output):
    return (output[0] if isinstance(output, tuple) else output).square().sum()


NETWORKS = {
    "recurrent": lambda: (nn.LSTM(2, 2, batch_first=True), drawn(2, 3, 2, dtype=torch.float32), square),
    "packed sequence": lambda: (
        nn.GRU(2, 2, batch_first=True).double(),
        nn.utils.rnn.pack_padded_sequence(drawn(2, 4, 2), [4, 2], batch_first=True),
        lambda output: square(output[1]),
    ),
    "layer norm": lambda: (nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), drawn(5, 3, dtype=torch.float32), square),
    "weight norm": lambda: (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2).double()), drawn(5, 3), square),
    "spectral norm": lambda: (nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2).double()), drawn(5, 3), square),
    "embedding": lambda: (nn.Embedding(4, 2).double(), torch.tensor([0, 2, 2]), square),
    "transposed convolution": lambda: (nn.ConvTranspose2d(1, 2, 2).double(), drawn(1, 1, 3, 3), square),
    "triplet loss": lambda: (
        nn.Linear(3, 2),
        drawn(6, 3, dtype=torch.float32),
        lambda o: F.triplet_margin_loss(o[:2], o[2:4], o[4:], margin=5.0),
    ),
}

HEALTHY = {
    "cholesky": (lambda p: 2 * torch.linalg.cholesky(p["S"]).diagonal().log().sum(), {"S": SYMMETRIC}),
    "large cholesky": (lambda p: torch.linalg.cholesky(p["S"]).sum(), {"S": 2 * torch.eye(3).double() + 0.1}),
    "smallest eigenvalue": (lambda p: torch.linalg.eigvalsh(p["S"])[0], {"S": SYMMETRIC}),
    "inverse": (lambda p: torch.linalg.inv(p["S"])[0, 1], {"S": SYMMETRIC}),
    "normal density": (
        lambda p: -d.MultivariateNormal(p["m"], p["S"]).log_prob(t(0.3, 0.1)), {"m": t(0.1, 0.2), "S": SYMMETRIC}
    ),
    "gaussian process": (gaussian_process, {"length": t(0.5), "noise": t(0.1)}),
    "pseudo-inverse": (lambda p: torch.linalg.pinv(p["A"]).square().sum(), {"A": drawn(3, 2)}),
    "singular values": (lambda p: torch.linalg.svdvals(p["A"]).sum(), {"A": drawn(3, 2)}),
    "matrix exponential": (lambda p: torch.matrix_exp(p["A"]).trace(), {"A": drawn(2, 2)}),
    "determinant": (lambda p: torch.linalg.slogdet(p["A"])[1], {"A": t([[2.0, 0.5], [0.1, 1.0]])}),
    "kalman filter": (kalman_filter, {"process": t(0.1), "noise": t(0.5)}),
    "optimal transport": (sinkhorn, {"cost": torch.rand(9, generator=torch.Generator().manual_seed(0)).double()}),
    "one step of newton": (implicit_root, {"a": t(2.0)}),
    "steps counted by a number": (halved_until_small, {"a": t(2.3)}),
    "inner step": (inner_step, {"weight": t(0.3), "rate": t(0.1)}),
    "volume rendering": (volume_rendering, {"density": t(0.1, 0.5, 0.9, 0.2)}),
    "dihedral angle": (dihedral, {"atoms": drawn(12)}),
    "spectrum": (short_time_spectrum, {"f": t(0.9)}),
    "hologram": (lambda p: torch.exp(1j * p["k"] * X).sum().abs() ** 2, {"k": t(2.2)}),
    "gumbel softmax": (seeded(lambda p: F.gumbel_softmax(p["z"])[0]), {"z": drawn(4)}),
    "dropout with a seed": (seeded(lambda p: F.dropout(p["z"].repeat(5)).square().sum()), {"z": drawn(4)}),
    "alignment": (
        lambda p: F.ctc_loss(p["x"].log_softmax(2), torch.tensor([[1, 2]]), torch.tensor([5]), torch.tensor([2])),
        {"x": drawn(5, 1, 3)},
    ),
    "causal attention": (
        lambda p: F.scaled_dot_product_attention(*[p["q"].reshape(1, 3, 2)] * 3, is_causal=True).square().sum(),
        {"q": drawn(6)},
    ),
    "vectorised gradients": (
        lambda p: torch.func.vmap(torch.func.grad(lambda s: torch.sin(p["w"] * s) * s))(X).square().sum(),
        {"w": t(1.3)},
    ),
    "microseconds": (lambda p: torch.exp(-torch.arange(10).double() * 1e-6 / p["tau"]).sum(), {"tau": t(3e-6)}),
    "gigahertz": (
        lambda p: torch.sin(2 * math.pi * p["f"] * torch.arange(20).double() * 1e-11).square().sum(), {"f": t(2.4e9)}
    ),
    "median": (lambda p: (p["a"] * X + p["b"] * X**2).median(), {"a": t(1.0), "b": t(0.3)}),
    "sum of many in single precision": (
        lambda p: (p["a"] * torch.arange(2000.0)).sum(), {"a": torch.tensor(0.3)}
    ),
}  # fmt: skip


class Swapped(torch.autograd.Function):
    """A product whose derivatives are interchanged."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * a, g * b


class Transposed(torch.autograd.Function):
    """A function of a matrix whose derivative is that by its transpose."""

    @staticmethod
    def forward(ctx, matrix):
        return matrix[0, 1] * 2 + matrix[1, 0] * 5

    @staticmethod
    def backward(ctx, g):
        return g * t([[0.0, 5.0], [2.0, 0.0]])


class Kept:
    """A mean that is computed once."""

    mean = None

    def __call__(self, p):
        if self.mean is None:
            self.mean = (p["w"] * X.square()).mean().detach()
        return self.mean * p["c"]


def averaged_without_grad(p):
    with torch.no_grad():
        mean = (p["w"] * X.square()).mean()
    return mean * p["c"]


def written_into(p):
    output = torch.zeros(12, dtype=F64)
    with torch.no_grad():
        output[:] = p["w"] * X
    return (output**2).sum() * p["c"]


def force_without_graph(p):
    place = X.clone().requires_grad_()
    with torch.enable_grad():
        energy = torch.sin(p["w"] * place).sum()
    (force,) = torch.autograd.grad(energy, place)
    return force.square().sum() * p["c"]


def hooked(p):
    y = p["w"] * 2
    if y.requires_grad:
        y.register_hook(lambda g: 0.1 * g)
    return y**2


#: Function, value of its parameter "w" beside a "c" that is healthy, and the code of "w".
BROKEN = {
    "interchanged derivatives": (lambda p: Swapped.apply(p["w"], p["w"] * p["c"] + 1), t(2.0), "W6"),
    "transposed derivative": (lambda p: Transposed.apply(p["w"]) * p["c"], SYMMETRIC, "W6"),
    "hook": (hooked, t(0.3), "W6"),
    "number": (lambda p: p["c"] * math.exp(p["w"]), t(0.5), "S1"),
    "list of numbers": (lambda p: torch.tensor([p["w"].item(), 1.0]).sum() * p["c"], t(0.5), "S1"),
    "numpy": (lambda p: torch.from_numpy((p["w"] * X).detach().numpy()).square().sum() * p["c"], t(1.0), "S2"),
    "data": (lambda p: (p["w"] * X).square().sum().data * p["c"], t(0.5), "S2"),
    "mean without grad": (averaged_without_grad, t(0.5), "S1"),
    "written without grad": (written_into, t(0.5), "S1"),
    "no create_graph": (force_without_graph, t(0.4), "S2"),
    "target detached": (lambda p: (p["w"] * X - (p["w"] * X**2).detach()).square().sum() * p["c"], t(0.5), "W4"),
    "kept": (Kept(), t(0.5), "S3"),
    "new parameter": (lambda p: nn.Parameter(p["w"].clone().detach()).square() * p["c"], t(1.1), "S2"),
    "box of pixels": (lambda p: ((p["w"] < X) & (X < 0.5)).sum() * p["c"], t(-0.51), "Z5"),
    "rounded": (lambda p: torch.round(p["w"] * 3).square() * p["c"], t(1.1), "S6"),
    "sign": (lambda p: torch.sign(p["w"] * X + 0.01).sum() * p["c"], t(1.1), "Z5"),
    "clamped below its bound": (lambda p: torch.relu(p["w"] * X - 50).sum() + p["c"], t(1.1), "S4"),
    "drawn by sample": (seeded(lambda p: d.Normal(p["w"], t(1.0)).sample((5,)).square().sum() * p["c"]), t(0.7), "S2"),
    "drawn and counted": (seeded(lambda p: d.Bernoulli(p["w"]).sample((40,)).sum() * p["c"]), t(0.7), "Z5"),
    "softplus by hand": (lambda p: torch.log(1 + torch.exp(p["w"])) * p["c"], t(1000.0), "N6"),
    "entropy of a certainty": (lambda p: -(p["w"] * torch.log(p["w"])).sum() * p["c"], t(0.0, 1.0), "N7"),
    "direction of nothing": (lambda p: (p["w"] / p["w"].norm()).sum() * p["c"], t(0.0, 0.0), "N1"),
    "distance to itself": (lambda p: (p["w"] - p["w"].clone()).square().sum().sqrt() + p["c"], t(1.0, 2.0), "N2"),
    "padded root": (lambda p: ((p["w"] * t(0.0, 1.0)).square().sqrt() * t(0.0, 1.0)).sum() * p["c"], t(1.0), "N2"),
    "branch not taken": (lambda p: torch.where(p["w"] <= 0, torch.exp(p["w"] * 10), p["w"]) * p["c"], t(100.0), "N4"),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_model_that_is_right_is_called_healthy(name):
    report = diagnose(*HEALTHY[name])
    assert {p.name: p.verdict.code for p in report.parameters if p.verdict.code not in ("healthy", "Z4")} == {}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_is_right_is_not_accused(name):
    torch.manual_seed(0)
    module, inputs, loss = NETWORKS[name]()
    report = diagnose(module, inputs, loss=loss)
    accused = {p.name: p.verdict.title for p in report.parameters if p.verdict.severity in ("fault", "warning")}
    assert {name: title for name, title in accused.items() if not title.startswith("healthy")} == {}


@pytest.mark.parametrize("name", BROKEN)
def test_the_cause_of_a_gradient_that_is_wrong_is_found(name):
    function, value, code = BROKEN[name]
    report = diagnose(function, {"w": value, "c": t(1.5)})
    assert code in {p.verdict.code for p in report.parameters if p.label.startswith("w")}
    if code in ("S1", "S2", "S6", "W4"):
        place = next(p.verdict.source for p in report.parameters if p.label.startswith("w"))
        assert place.startswith("test_everyday_models.py:")


def test_the_gradient_by_a_symmetric_matrix_is_that_of_its_symmetric_changes():
    report = diagnose(lambda p: torch.linalg.cholesky(p["S"]).diagonal().log().sum(), {"S": SYMMETRIC})
    # d(log det S)/dS = S⁻¹, and the logarithms of the diagonal are half of it.
    expected = torch.linalg.inv(SYMMETRIC).reshape(-1) / 2
    assert [p.gradient for p in report.parameters] == pytest.approx(expected.tolist())
    assert [p.finite_difference.derivative for p in report.parameters] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    "q", [d.Gamma(t(2.0), t(1.0)), d.Beta(t(2.0), t(3.0)), d.StudentT(t(3.0))], ids=lambda q: type(q).__name__
)
def test_a_draw_that_is_differentiated_on_average_is_not_accused(q):
    report = diagnose(seeded(lambda p: p["q"].rsample((5,)).square().mean()), {"q": q})
    assert {p.verdict.severity for p in report.parameters} <= {"healthy", "explained", "warning"}
    assert any("average over draws" in p.verdict.title for p in report.parameters)


def test_a_compiled_module_is_refused_with_the_one_to_pass():
    module = torch.jit.trace(nn.Linear(2, 1), torch.zeros(1, 2))
    with pytest.raises(DoctorError, match=r"torch.jit has compiled it. Write diagnose\(module, inputs"):
        diagnose(module, torch.zeros(1, 2), loss=square)


def test_a_cut_by_no_grad_is_answered_with_a_remedy_for_it():
    report = diagnose(averaged_without_grad, {"w": t(0.5), "c": t(1.0)})
    assert report["w"].verdict.remedy.startswith("Compute it outside of no_grad()")


@pytest.mark.full
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_solver_whose_steps_hang_together_is_warned_of_and_not_accused(dtype):
    """A third-order solver takes few, long steps; their choice is no part of the graph: the gradient is off by 1 %.

    In single precision a conversion of the step's error leaves the graph, which in double precision is none.
    """
    solve = pytest.importorskip("torchdiffeq").odeint
    times, start = torch.linspace(0, 2, 5, dtype=dtype), torch.tensor([1.0, 0.0], dtype=dtype)

    def damped(p):
        def slope(t, y):
            return torch.stack([y[1], -p["k"] * y[0] - 0.3 * y[1]])

        return (solve(slope, start, times, method="bosh3", rtol=1e-5, atol=1e-6) ** 2).sum()

    (found,) = diagnose(damped, {"k": torch.tensor(2.0, dtype=dtype)}).parameters
    assert (found.verdict.code, found.verdict.severity) == ("W4", "warning") and "misc.py" in str(found.verdict.source)

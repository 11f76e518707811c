"""Judges of a case: the doctor, ``torch.autograd.gradcheck``, and ``torch.autograd.set_detect_anomaly``."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.doctor.cases import Case
from nanobrag_torch.doctor import DoctorError, diagnose

#: Words by which a message of torch names a cause rather than its symptom, by code.
NAMES = {
    "N2": r"Sqrt|Pow|Norm|Cdist|Std|Var|Hypot|Abs|Dist",
    "N3": r"Acos|Asin|Atan2|Angle|Sgn",
    "N4": r"Where|MaskedFill",
    "N1": r"Div|Prod|Eigh|Svd|Linalg",
    "N5": r"Log|Sqrt|Acos|Asin|Pow",
    "N6": r"Exp",
    "N7": r"Log|Xlogy",
    "S3": r"second time",
    "D3": r"reentrant|nondeterministic|deterministic",
}


@dataclass(frozen=True)
class Opinion:
    """Opinion of a judge on a case.

    Attributes:
        speaks: it says that something is not as it should be, or has a reason worth knowing.
        names_cause: what it says is the cause that the maintainers found.
        said: its words.
    """

    speaks: bool
    names_cause: bool
    said: str


Judge = Callable[[Case], Opinion]


def doctor(case: Case) -> Opinion:
    """Opinion of ``diagnose``: the cause is named where every parameter has one of its right codes."""
    try:
        report = diagnose(case.function, case.params, **case.options)
    except DoctorError as error:
        return Opinion(True, bool(case.codes & {"error", "usage"}), f"refused: {error}")
    codes = {p.label: p.verdict.code for p in report.parameters}
    said = ", ".join(f"{label} {code}" for label, code in codes.items())
    allowed = case.expected or {}
    right = all(_code_of(codes, name) in some for name, some in allowed.items())
    if case.codes:
        return Opinion(set(codes.values()) != {"healthy"}, right, said)
    # Of a healthy case only the parameters that it names are asked about, if it names any; a loss without a slope is as
    # right as any other.
    return Opinion(not right if allowed else not {"healthy", "Z9"}.issuperset(codes.values()), False, said)


def gradcheck(case: Case) -> Opinion:
    """Opinion of ``gradcheck`` with its default tolerances on the loss, in double precision where it bears that."""
    return _message(case, lambda loss, points: torch.autograd.gradcheck(loss, points))


def anomaly_mode(case: Case) -> Opinion:
    """Opinion of one backward pass of the loss under ``set_detect_anomaly``, its parameters as they are."""

    def run(loss: Callable[..., Tensor], points: tuple[Tensor, ...]) -> None:
        with torch.autograd.set_detect_anomaly(True):
            loss(*points).backward()

    return _message(case, run, double=False)


JUDGES: dict[str, Judge] = {
    "doctor": doctor,
    "gradcheck": gradcheck,
    "set_detect_anomaly": anomaly_mode,
}


def _code_of(codes: dict[str, str], name: str) -> str:
    """Code of a parameter, or of the first element of it."""
    if name in codes:
        return codes[name]
    bare = re.split(r"[\[ ]", name)[0]
    return next((code for label, code in codes.items() if re.split(r"[\[ ]", label)[0] == bare), "")


def _message(case: Case, run: Callable[..., Any], double: bool = True) -> Opinion:
    """Opinion of a tool of torch: it speaks where it raises, and names a cause where its message has a word for it."""
    names = list(case.params)
    points = tuple(_point(value, double) for value in case.params.values())
    reduce = case.options.get("loss", lambda x: x)

    def loss(*values: Tensor) -> Tensor:
        result: Tensor = reduce(case.function(dict(zip(names, values, strict=True))))
        return result

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if double and not _bears(loss, points):
                points = tuple(_point(value, False) for value in case.params.values())
            run(loss, points)
    except Exception as error:
        said = str(error)
        words = [NAMES[code] for code in case.codes if code in NAMES]
        return Opinion(True, any(re.search(word, said) for word in words), said.strip().splitlines()[0] if said else "")
    return Opinion(False, False, "")


def _bears(loss: Callable[..., Tensor], points: tuple[Tensor, ...]) -> bool:
    """The model can be called in this precision."""
    try:
        loss(*points)
    except RuntimeError:
        return False
    return True


def _point(value: Any, double: bool) -> Tensor:
    tensor = value.detach().clone() if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
    if double:
        tensor = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    return tensor.requires_grad_()

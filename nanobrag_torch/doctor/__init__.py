"""Gradient doctor: why a gradient is zero, missing, not finite or wrong, as a named cause with evidence and a remedy.

Names are imported when they are first used: reading a report (:mod:`nanobrag_torch.doctor.report`) needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobrag_torch.doctor.diagnosis import diagnose
    from nanobrag_torch.doctor.measure import sensitivities
    from nanobrag_torch.doctor.records import GradientVerdict, ParameterReport
    from nanobrag_torch.doctor.report import GradientReport, report_schema
    from nanobrag_torch.doctor.rules import CODES, RULES
    from nanobrag_torch.doctor.subject import DoctorError
    from nanobrag_torch.scenario import Scenario

__all__ = [
    "CODES",
    "RULES",
    "DoctorError",
    "GradientReport",
    "GradientVerdict",
    "ParameterReport",
    "Scenario",
    "diagnose",
    "report_schema",
    "sensitivities",
]

#: Module of each public name.
_HOMES = {
    "CODES": "doctor.rules",
    "RULES": "doctor.rules",
    "DoctorError": "doctor.subject",
    "GradientReport": "doctor.report",
    "GradientVerdict": "doctor.records",
    "ParameterReport": "doctor.records",
    "Scenario": "scenario",
    "diagnose": "doctor.diagnosis",
    "report_schema": "doctor.report",
    "sensitivities": "doctor.measure",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"nanobrag_torch.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

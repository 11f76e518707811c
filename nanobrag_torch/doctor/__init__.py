"""Why a gradient is zero, missing, not finite or wrong: a named cause with its evidence, and what to do."""

from nanobrag_torch.doctor.diagnose import diagnose
from nanobrag_torch.doctor.measure import sensitivities
from nanobrag_torch.doctor.records import GradientReport, ParameterReport, Verdict, report_schema
from nanobrag_torch.doctor.rules import CODES, RULES
from nanobrag_torch.doctor.subject import DoctorError
from nanobrag_torch.scenario import Scenario

__all__ = [
    "CODES",
    "RULES",
    "DoctorError",
    "GradientReport",
    "ParameterReport",
    "Scenario",
    "Verdict",
    "diagnose",
    "report_schema",
    "sensitivities",
]

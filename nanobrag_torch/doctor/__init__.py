"""Gradient doctor: why a gradient is zero, missing, not finite or wrong, as a named cause with evidence and a remedy.

Names are imported when they are first used: reading a report (:mod:`nanobrag_torch.doctor.report`) needs no torch.
"""

from typing import TYPE_CHECKING

from nanobrag_torch.lazy import lazy_names

if TYPE_CHECKING:
    from nanobrag_torch.doctor.diagnosis import diagnose
    from nanobrag_torch.doctor.measure import sensitivities
    from nanobrag_torch.doctor.records import GradientVerdict, ParameterReport
    from nanobrag_torch.doctor.report import GradientReport, report_schema
    from nanobrag_torch.doctor.rules import CODES, RULES
    from nanobrag_torch.doctor.subject import DoctorError
    from nanobrag_torch.doctor.training_step import StepReport, diagnose_step
    from nanobrag_torch.scenario import Scenario

__all__ = [
    "CODES",
    "RULES",
    "DoctorError",
    "GradientReport",
    "GradientVerdict",
    "ParameterReport",
    "Scenario",
    "StepReport",
    "diagnose",
    "diagnose_step",
    "report_schema",
    "sensitivities",
]

# A type checker sees the imports above, and tells of a name that is not among them.
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "CODES": "nanobrag_torch.doctor.rules:CODES",
            "RULES": "nanobrag_torch.doctor.rules:RULES",
            "DoctorError": "nanobrag_torch.doctor.subject:DoctorError",
            "GradientReport": "nanobrag_torch.doctor.report:GradientReport",
            "GradientVerdict": "nanobrag_torch.doctor.records:GradientVerdict",
            "ParameterReport": "nanobrag_torch.doctor.records:ParameterReport",
            "Scenario": "nanobrag_torch.scenario:Scenario",
            "StepReport": "nanobrag_torch.doctor.training_step:StepReport",
            "diagnose": "nanobrag_torch.doctor.diagnosis:diagnose",
            "diagnose_step": "nanobrag_torch.doctor.training_step:diagnose_step",
            "report_schema": "nanobrag_torch.doctor.report:report_schema",
            "sensitivities": "nanobrag_torch.doctor.measure:sensitivities",
        },
    )

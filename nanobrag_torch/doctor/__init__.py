"""Gradient doctor: why a gradient is zero, missing, not finite or wrong, as a named cause with evidence and a remedy.

Names are imported when they are first used: reading a report (:mod:`nanobrag_torch.doctor.report`) needs no torch.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from ..scenario import Scenario
    from .diagnosis import diagnose
    from .records import GradientVerdict, ParameterReport
    from .report import GradientReport, report_schema
    from .rules import CODES, RULES
    from .simulation import sensitivities
    from .subject import DoctorError
    from .training_step import StepReport, diagnose_step

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
            "CODES": ".rules:CODES",
            "RULES": ".rules:RULES",
            "DoctorError": ".subject:DoctorError",
            "GradientReport": ".report:GradientReport",
            "GradientVerdict": ".records:GradientVerdict",
            "ParameterReport": ".records:ParameterReport",
            "Scenario": "..scenario:Scenario",
            "StepReport": ".training_step:StepReport",
            "diagnose": ".diagnosis:diagnose",
            "diagnose_step": ".training_step:diagnose_step",
            "report_schema": ".report:report_schema",
            "sensitivities": ".simulation:sensitivities",
        },
    )

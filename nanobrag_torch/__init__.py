"""X-ray diffraction from small crystals in differentiable PyTorch, as the C program nanoBragg computes it.

The names below are the front door; each is loaded when it is first asked for, so that importing the package loads
neither torch nor numpy.

Example:
    ```python
    from nanobrag_torch import BeamConfig, Crystal, CrystalConfig, Detector, DetectorConfig, Simulator

    crystal = Crystal(CrystalConfig(70.0, 80.0, 90.0, 75.0, 85.0, 95.0, N_cells=(5, 5, 5), default_F=100.0))
    detector = Detector(DetectorConfig(spixels=256, fpixels=256, pixel_size_mm=0.4))
    image = Simulator(crystal, detector, beam_config=BeamConfig(wavelength_A=1.0)).run()
    ```
"""

from typing import TYPE_CHECKING

from nanobrag_torch.lazy import lazy_names

if TYPE_CHECKING:
    from nanobrag_torch.compat import Compat
    from nanobrag_torch.config import (
        BeamConfig,
        CrystalConfig,
        CrystalShape,
        DetectorConfig,
        DetectorConvention,
        DetectorPivot,
        NoiseConfig,
    )
    from nanobrag_torch.doctor import GradientReport, diagnose
    from nanobrag_torch.models import Crystal, Detector
    from nanobrag_torch.models.panels import PanelledDetector
    from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig
    from nanobrag_torch.refine import RefinementResult, expected_errors, refine
    from nanobrag_torch.scenario import Scenario
    from nanobrag_torch.simulator import Simulator

__version__ = "0.1.0"

__all__ = [
    "BeamConfig",
    "Compat",
    "Crystal",
    "CrystalConfig",
    "CrystalShape",
    "Detector",
    "DetectorConfig",
    "DetectorConvention",
    "DetectorPivot",
    "GradientReport",
    "NoiseConfig",
    "PanelConfig",
    "PanelGroup",
    "PanelledDetector",
    "PanelledDetectorConfig",
    "RefinementResult",
    "Scenario",
    "Simulator",
    "__version__",
    "diagnose",
    "expected_errors",
    "refine",
]

# A type checker sees the imports above, and tells of a name that is not among them.
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Compat": "nanobrag_torch.compat:Compat",
            "BeamConfig": "nanobrag_torch.config:BeamConfig",
            "CrystalConfig": "nanobrag_torch.config:CrystalConfig",
            "CrystalShape": "nanobrag_torch.config:CrystalShape",
            "DetectorConfig": "nanobrag_torch.config:DetectorConfig",
            "DetectorConvention": "nanobrag_torch.config:DetectorConvention",
            "DetectorPivot": "nanobrag_torch.config:DetectorPivot",
            "NoiseConfig": "nanobrag_torch.config:NoiseConfig",
            "GradientReport": "nanobrag_torch.doctor:GradientReport",
            "diagnose": "nanobrag_torch.doctor:diagnose",
            "Crystal": "nanobrag_torch.models:Crystal",
            "Detector": "nanobrag_torch.models:Detector",
            "PanelConfig": "nanobrag_torch.panels:PanelConfig",
            "PanelGroup": "nanobrag_torch.panels:PanelGroup",
            "PanelledDetector": "nanobrag_torch.models.panels:PanelledDetector",
            "PanelledDetectorConfig": "nanobrag_torch.panels:PanelledDetectorConfig",
            "RefinementResult": "nanobrag_torch.refine:RefinementResult",
            "expected_errors": "nanobrag_torch.refine:expected_errors",
            "refine": "nanobrag_torch.refine",
            "Scenario": "nanobrag_torch.scenario:Scenario",
            "Simulator": "nanobrag_torch.simulator:Simulator",
        },
    )

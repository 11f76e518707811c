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

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "Scenario",
    "Simulator",
    "__version__",
    "diagnose",
]

#: Module of each public name.
_HOMES = {
    "Compat": "compat",
    "BeamConfig": "config",
    "CrystalConfig": "config",
    "CrystalShape": "config",
    "DetectorConfig": "config",
    "DetectorConvention": "config",
    "DetectorPivot": "config",
    "NoiseConfig": "config",
    "GradientReport": "doctor",
    "diagnose": "doctor",
    "Crystal": "models",
    "Detector": "models",
    "Scenario": "scenario",
    "Simulator": "simulator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(__all__)}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

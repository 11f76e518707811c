"""A scenario of 16 x 16 pixels that is explored."""

from nanobrag_torch import BeamConfig, CrystalConfig, DetectorConfig, Scenario
from nanobrag_torch.workbook.cells.losses import weighted_sum


def small(*names: str) -> Scenario:
    """A triclinic crystal of which these quantities are free."""
    return Scenario(
        CrystalConfig(70, 80, 90, 75, 85, 95, misset_deg=(10, 20, 30), N_cells=(5, 5, 5), default_F=100),
        DetectorConfig(spixels=16, fpixels=16, pixel_size_mm=1.2, oversample=1),
        BeamConfig(wavelength_A=1.0),
        names=names,
        loss=weighted_sum,
    )  # fmt: skip

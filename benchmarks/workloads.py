"""Workloads: scenes of known size, one row each."""

from dataclasses import dataclass
from typing import Any

import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

CUBIC = (100.0, 100.0, 100.0, 90.0, 90.0, 90.0)
TRICLINIC = (70.0, 80.0, 90.0, 75.0, 85.0, 95.0)
CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")
#: Side of the detector in millimetres; the pixel size follows from the number of pixels.
DETECTOR_MM = 102.4
#: The list of structure factors reaches to this index on every axis.
HIGHEST_INDEX = 45


@dataclass(frozen=True)
class Workload:
    """A crystal of ``cells`` unit cells along each axis on a square detector of ``pixels``; angles in degrees."""

    name: str
    about: str
    pixels: int
    cell: tuple[float, ...] = TRICLINIC
    cells: int = 10
    wavelength: float = 1.0
    oversample: int = 1
    domains: int = 1
    phi_steps: int = 1
    wavelengths: int = 1
    table: bool = False
    interpolate: bool = False
    c_nanoseconds: float | None = None
    """Time of an evaluation in the C program's pixel loop (-O2, OpenMP, two cores with AVX-512), measured once on
    another machine of the kind that docs/engine.md names. A yardstick for where no binary is at hand."""

    @property
    def evaluations(self) -> int:
        """Pixels x sub-pixels x sources x phi steps x domains, the divisor of a time."""
        return self.pixels**2 * self.oversample**2 * self.wavelengths * self.phi_steps * self.domains

    def simulator(
        self, dtype: torch.dtype, engine: str = "auto", gradient: str = "", device: str = "cpu"
    ) -> tuple[Simulator, list[torch.Tensor]]:
        """Make the simulator, and the leaves that ask for a gradient: none, those of the "cell", or of "everything"."""

        def leaf(value: float, asked: bool) -> torch.Tensor:
            return torch.tensor(value, dtype=torch.float64, device=device, requires_grad=asked)

        leaves = [leaf(value, bool(gradient)) for value in self.cell]
        cell: dict[str, Any] = dict(zip(CELL, leaves, strict=True))
        everything = gradient == "everything"
        distance = leaf(100.0, everything)
        crystal = CrystalConfig(
            **cell,
            N_cells=(self.cells,) * 3,
            default_F=100.0,
            mosaic_spread_deg=0.5 if self.domains > 1 else 0.0,
            mosaic_domains=self.domains,
            osc_range_deg=1.0 if self.phi_steps > 1 else 0.0,
            phi_steps=self.phi_steps,
            interpolate=self.interpolate,
        )
        beam = BeamConfig(
            wavelength_A=self.wavelength,
            dispersion_pct=1.0 if self.wavelengths > 1 else 0.0,
            dispersion_steps=self.wavelengths if self.wavelengths > 1 else None,
        )
        detector = DetectorConfig(
            spixels=self.pixels,
            fpixels=self.pixels,
            pixel_size_mm=DETECTOR_MM / self.pixels,
            distance_mm=distance,
            oversample=self.oversample,
        )
        made = Crystal(crystal, device=device, dtype=torch.float64)
        if self.table:
            low = {f"{axis}_min": -HIGHEST_INDEX for axis in "hkl"}
            made.hkl_data, made.hkl_metadata = structure_factors().to(device).requires_grad_(everything), low
        simulator = Simulator(made, Detector(detector, device), beam_config=beam, dtype=dtype, engine=engine)
        asked = [leaf for leaf in (*leaves, distance, made.hkl_data) if leaf is not None and leaf.requires_grad]
        return simulator, asked

    def arguments(self) -> list[str]:
        """Arguments of the C program for the same scene."""
        size = DETECTOR_MM / self.pixels
        words = [
            "-cell", *map(str, self.cell), "-N", str(self.cells), "-default_F", "100", "-lambda", str(self.wavelength),
            "-detpixels", str(self.pixels), "-pixel", str(size), "-distance", "100",
            "-oversample", str(self.oversample), "-floatfile", "image.bin", "-nonoise", "-nopgm",
        ]  # fmt: skip
        if self.domains > 1:
            words += ["-mosaic", "0.5", "-mosaic_domains", str(self.domains)]
        if self.phi_steps > 1:
            words += ["-osc", "1", "-phisteps", str(self.phi_steps)]
        if self.wavelengths > 1:
            words += ["-dispersion", "1", "-dispsteps", str(self.wavelengths)]
        if self.table:
            words += ["-hkl", "list.hkl"]
        return [*words, "-interpolate" if self.interpolate else "-nointerpolate"]


def structure_factors() -> torch.Tensor:
    """Random amplitudes for all indices up to the highest."""
    size = 2 * HIGHEST_INDEX + 1
    generator = torch.Generator().manual_seed(1)
    return (10 + 90 * torch.rand((size, size, size), generator=generator, dtype=torch.float64)).round(decimals=3)


WORKLOADS = {
    load.name: load
    for load in (
        Workload("W1", "cubic, one sample a pixel", 1024, CUBIC, cells=5, c_nanoseconds=83),
        Workload("W2", "cubic, four sub-pixels, long waves", 1024, CUBIC, cells=5, wavelength=6.2, oversample=2,
                 c_nanoseconds=48),
        Workload("W3", "100 mosaic domains", 512, domains=100, c_nanoseconds=41),
        Workload("W4", "20 domains, 10 phi steps, 5 wavelengths, list of F", 512, domains=20, phi_steps=10,
                 wavelengths=5, table=True, c_nanoseconds=40),
        Workload("W5", "25 domains, list of F, large detector", 2048, domains=25, table=True, c_nanoseconds=45),
        Workload("W6", "one unit cell, interpolated F", 256, cells=1, table=True, interpolate=True,
                 c_nanoseconds=110),
    )
}  # fmt: skip

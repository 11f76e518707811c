"""Experiment as a ``torch.nn.Module``: raw parameters around configs, and the image that they give.

Raw parameters are zero at the config's own values. Lengths, distance and fluence are multiplied by exp(raw); angles,
missets, tilts and beam shifts move by limit * tanh(raw), so that an optimiser cannot leave the neighbourhood.
One model is one detector panel; a detector of several panels takes one model each.
"""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import CELL_ANGLES, CELL_LENGTHS, BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.eager import eager
from nanobrag_torch.given import tensor
from nanobrag_torch.models.as_tensor import device_of, scalar, vector
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import check_choice, fail

PARAM_INITS = ("frozen", "stage_a")


class _StageAParams(nn.Module):
    """Raw parameters around ``base_config``: none where ``param_init`` is "frozen", zeros where it is "stage_a".

    Raises ``ValueError`` for another ``param_init``, or a config in which a raw parameter could not move the image.
    """

    #: Shape of each raw parameter.
    raw: ClassVar[dict[str, tuple[int, ...]]]

    def __init__(
        self,
        base_config: Any,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        param_init: str = "frozen",
    ) -> None:
        super().__init__()
        check_choice(type(self).__name__, "param_init", param_init, PARAM_INITS, "Use 'stage_a' to refine.")
        self.base_config = base_config
        self.param_init = param_init
        refined = param_init == "stage_a"
        if refined:
            self._check_refinable()
        for name, shape in self.raw.items():
            zeros = torch.zeros(shape, device=device_of(device), dtype=dtype)
            self.register_parameter(name, nn.Parameter(zeros) if refined else None)

    def build_config(self) -> Any:
        """A copy of the base config with the refined values in it, connected to the raw parameters."""
        config = copy.copy(self.base_config)
        if self.param_init == "stage_a":
            for name, value in self._refined().items():
                setattr(config, name, value)
        return config

    def _check_refinable(self) -> None:
        """Raise ``ValueError`` where the base config leaves a raw parameter without effect."""

    def _refined(self) -> dict[str, Tensor]:
        """The fields that the raw parameters change, and their values in float64."""
        raise NotImplementedError

    def _raw(self, name: str) -> Tensor:
        raw: Tensor = getattr(self, name)
        return raw.to(torch.float64)

    def _scaled(self, base: Any, raw: str) -> Tensor:
        factor = torch.exp(self._raw(raw))
        return scalar(base, factor.device) * factor

    def _shifted(self, base: Any, raw: str, limit: float | Tensor) -> Tensor:
        shift = limit * torch.tanh(self._raw(raw))
        return (vector(base, shift.device) if shift.ndim else scalar(base, shift.device)) + shift


class CrystalStageAParams(_StageAParams):
    """Cell and misset around a ``CrystalConfig``, angles within ``max_*_delta_deg`` degrees of it."""

    raw: ClassVar[dict[str, tuple[int, ...]]] = {
        "delta_log_a": (),
        "delta_log_b": (),
        "delta_log_c": (),
        "delta_alpha_raw": (),
        "delta_beta_raw": (),
        "delta_gamma_raw": (),
        "delta_misset_raw": (3,),
    }

    def __init__(
        self,
        base_config: CrystalConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        param_init: str = "frozen",
        max_angle_delta_deg: float = 10.0,
        max_misset_delta_deg: float = 10.0,
    ) -> None:
        super().__init__(base_config, device, dtype, param_init)
        self.max_angle_delta_deg = max_angle_delta_deg
        self.max_misset_delta_deg = max_misset_delta_deg

    def _check_refinable(self) -> None:
        if self.base_config.has_matrix:
            raise fail(
                "CrystalConfig", "mosflm_a_star", self.base_config.mosflm_a_star, "None where the cell is refined",
                "A matrix replaces the cell; give cell and misset instead.",
            )  # fmt: skip
        if self.base_config.misset_random:
            raise fail(
                "CrystalConfig", "misset_random", True, "False where the misset is refined",
                "Draw the angles first and give them as misset_deg.",
            )  # fmt: skip

    def _refined(self) -> dict[str, Tensor]:
        base = self.base_config
        lengths = {name: self._scaled(getattr(base, name), f"delta_log_{name[-1]}") for name in CELL_LENGTHS}
        angles = {
            name: self._shifted(
                getattr(base, name), f"delta_{name.removeprefix('cell_')}_raw", self.max_angle_delta_deg
            )
            for name in CELL_ANGLES
        }
        misset = self._shifted(base.misset_deg, "delta_misset_raw", self.max_misset_delta_deg)
        return lengths | angles | {"misset_deg": misset}


class DetectorStageAParams(_StageAParams):
    """Place and tilt around a ``DetectorConfig``: ``max_tilt_delta_deg`` and ``beam_shift_pixels`` at most from it.

    A close distance, where the config has one, is scaled like the distance, which it overrides.
    """

    raw: ClassVar[dict[str, tuple[int, ...]]] = {
        "delta_log_distance_mm": (),
        "delta_rotx_raw": (),
        "delta_roty_raw": (),
        "delta_rotz_raw": (),
        "delta_twotheta_raw": (),
        "delta_beam_s_raw": (),
        "delta_beam_f_raw": (),
    }

    def __init__(
        self,
        base_config: DetectorConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        param_init: str = "frozen",
        max_tilt_delta_deg: float = 5.0,
        beam_shift_pixels: float = 5.0,
    ) -> None:
        super().__init__(base_config, device, dtype, param_init)
        self.max_tilt_delta_deg = max_tilt_delta_deg
        self.beam_shift_pixels = beam_shift_pixels

    def _check_refinable(self) -> None:
        if self.base_config.pix0_override_m is not None:
            raise fail(
                "DetectorConfig", "pix0_override_m", self.base_config.pix0_override_m,
                "None where the detector is refined",
                "An explicit origin overrides distance and beam centre; give those instead.",
            )  # fmt: skip

    def _refined(self) -> dict[str, Tensor]:
        base = self.base_config
        distances = {
            name: self._scaled(getattr(base, name), "delta_log_distance_mm")
            for name in ("distance_mm", "close_distance_mm")
            if getattr(base, name) is not None
        }
        tilts = {
            f"detector_{name}_deg": self._shifted(
                getattr(base, f"detector_{name}_deg"), f"delta_{name}_raw", self.max_tilt_delta_deg
            )
            for name in ("rotx", "roty", "rotz", "twotheta")
        }
        pixel = scalar(base.pixel_size_mm, self._raw("delta_beam_s_raw").device)
        centre = {
            f"beam_center_{axis}": self._shifted(value, f"delta_beam_{axis}_raw", self.beam_shift_pixels * pixel)
            for axis, value in zip("sf", base.beam_centre(), strict=True)
        }
        return distances | tilts | centre


class BeamStageAParams(_StageAParams):
    """Fluence around a ``BeamConfig``."""

    raw: ClassVar[dict[str, tuple[int, ...]]] = {"delta_log_fluence": ()}

    def _refined(self) -> dict[str, Tensor]:
        return {"fluence": self._scaled(self.base_config.fluence, "delta_log_fluence")}


class ExperimentModel(nn.Module):
    """Crystal, detector and beam as one module whose ``forward`` is the image.

    Args:
        crystal_config: The crystal.
        detector_config: The detector.
        beam_config: The beam.
        device: Device of image and parameters; None is the CPU.
        dtype: Precision of image and parameters; physical values are formed in float64.
        param_init: "frozen" has no parameters and gives exactly the image of the configs; "stage_a" makes cell, misset,
            detector and fluence refinable (``crystal_params``, ``detector_params``, ``beam_params``).
        hkl_data: Amplitudes (h_range, k_range, l_range), electrons.
        hkl_metadata: Place of the table, as ``Crystal.hkl_metadata``.
        compat: Deviations of C, as for ``Simulator``.

    Raises:
        ValueError: Another ``param_init``, or a config in which a raw parameter could not move the image.

    Example:
        ```python
        model = ExperimentModel(crystal_config, detector_config, beam_config, dtype=torch.float64, param_init="stage_a")
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        loss = ((model() - measured) ** 2).sum()
        ```
    """

    hkl_data: Tensor | None
    _place: Tensor

    def __init__(
        self,
        crystal_config: CrystalConfig,
        detector_config: DetectorConfig,
        beam_config: BeamConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        param_init: str = "frozen",
        hkl_data: Tensor | None = None,
        hkl_metadata: dict[str, Any] | None = None,
        compat: str | Compat | None = None,
    ) -> None:
        super().__init__()
        self.compat = Compat.of(compat)
        self.crystal_params = CrystalStageAParams(crystal_config, device, dtype, param_init)
        self.detector_params = DetectorStageAParams(detector_config, device, dtype, param_init)
        self.beam_params = BeamStageAParams(beam_config, device, dtype, param_init)
        # Follows .to(), .double() and the like, and says with it where and how to compute.
        self.register_buffer("_place", torch.zeros((), device=device_of(device), dtype=dtype), persistent=False)
        self.register_buffer("hkl_data", None, persistent=False)
        self.set_structure_factors(hkl_data, hkl_metadata)

    @property
    def device(self) -> torch.device:
        """Device on which the image is computed."""
        return self._place.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the image."""
        return self._place.dtype

    def set_structure_factors(self, hkl_data: Tensor | None, hkl_metadata: dict[str, Any] | None) -> None:
        """Use another table of structure factors (None: ``default_F`` everywhere), connected to the image."""
        self.hkl_data = None if hkl_data is None else tensor(hkl_data).to(device=self.device, dtype=self.dtype)
        self.hkl_metadata = hkl_metadata

    def simulator(self) -> Simulator:
        """The simulator of the parameters as they are now."""
        crystal = Crystal(self.crystal_params.build_config(), device=self.device, dtype=self.dtype)
        crystal.hkl_data, crystal.hkl_metadata = self.hkl_data, self.hkl_metadata
        detector = Detector(self.detector_params.build_config(), device=self.device, dtype=self.dtype)
        beam = self.beam_params.build_config()
        return Simulator(crystal, detector, beam_config=beam, device=self.device, dtype=self.dtype, compat=self.compat)

    def oversample(self) -> int:
        """Sub-pixels per axis at the base configs: a count that followed the parameters would make losses jump."""
        configs = (self.crystal_params.base_config, self.detector_params.base_config, self.beam_params.base_config)
        crystal, detector, beam = configs
        return Simulator(Crystal(crystal), Detector(detector), beam_config=beam, compat=self.compat).oversample()

    @eager
    def forward(
        self,
        pixel_batch_size: int | None = None,
        oversample: int | None = None,
        oversample_omega: bool | None = None,
        oversample_polar: bool | None = None,
        oversample_thick: bool | None = None,
    ) -> Tensor:
        """The image in photons per pixel; the arguments are those of ``Simulator.run``.

        Args:
            pixel_batch_size: Rows evaluated at a time; None leaves it to the memory.
            oversample: Sub-pixels per axis; None is the detector's, counted at the base configs where it is automatic.
            oversample_omega: Solid angle for every sub-pixel; None is the detector's.
            oversample_polar: Polarization factor for every sub-pixel; None is the detector's.
            oversample_thick: Capture fraction for every sub-pixel; None is the detector's.

        Returns:
            Image (spixels, fpixels), connected to the parameters.
        """
        image = self.simulator().run(
            pixel_batch_size,
            oversample=self.oversample() if oversample is None else oversample,
            oversample_omega=oversample_omega,
            oversample_polar=oversample_polar,
            oversample_thick=oversample_thick,
        )
        assert isinstance(image, Tensor)
        return image

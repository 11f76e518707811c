"""Crystal: a config made into vectors and amplitudes, once per evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch import scene
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import (
    CELL_ANGLES,
    CELL_LENGTHS,
    MOSFLM_STARS,
    BeamConfig,
    CrystalConfig,
    CrystalShape,
    check_tensor,
    clip_to_beam,
)
from nanobrag_torch.eager import eager
from nanobrag_torch.given import KnownNames, check_kind, tensor
from nanobrag_torch.kernel.formula import structure_factor
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.as_tensor import device_of, dtype_of, scalar, vector
from nanobrag_torch.models.orientation import orientations
from nanobrag_torch.models.unit_cell import UnitCell, unit_cell_of
from nanobrag_torch.physics.rotation import about_x_y_z
from nanobrag_torch.physics.safe import fraction
from nanobrag_torch.units import angstrom_to_m
from nanobrag_torch.validation import fail, number_of

#: Interpolation is on by default where a crystal is this thin along any axis.
THIN = 2

#: Stands for an amplitude that a file does not list, until default_F takes its place; exact in single precision.
_UNLISTED = -(2.0**100)


#: Cutoff of the shapes that have an end, where none is given: nothing of float64 is lost.
DEFAULT_CUTOFF = 1e-16
WITH_AN_END = (CrystalShape.GAUSS, CrystalShape.TOPHAT, CrystalShape.GAUSS_STAR)


def _cutoff(config: CrystalConfig, compat: Compat) -> float:
    """The cutoff of a config; where C's radius holds, all samples are visited as C visits them unless one is given."""
    if config.cutoff is not None:
        return float(config.cutoff)
    return DEFAULT_CUTOFF if config.shape in WITH_AN_END and compat.spot_radius == "index" else 0.0


def _config_scalar(name: str) -> property:
    def value(self: "Crystal") -> Tensor:
        return scalar(getattr(self.config, name), self.device).to(self.dtype)

    def assign(self: "Crystal", given: Any) -> None:
        if self.config.has_matrix and not self.config.rescale_matrix_to_cell:
            raise ValueError(
                f"Crystal.{name} cannot be assigned: {', '.join(MOSFLM_STARS)} take the place of the cell. "
                "Set those three to None in the config first."
            )
        setattr(self.config, name, given)

    return property(value, assign, doc=f"``config.{name}`` as a 0-d tensor, connected to it; may be assigned.")


def _cell_count(index: int) -> property:
    def value(self: "Crystal") -> Tensor:
        return scalar(self.config.N_cells[index], self.device).to(self.dtype)

    def assign(self: "Crystal", given: Any) -> None:
        a, b, c = (given if i == index else held for i, held in enumerate(self.config.N_cells))
        self.config.N_cells = (a, b, c)

    return property(value, assign, doc=f"``config.N_cells[{index}]`` as a 0-d tensor, likewise.")


def _cell_tensor(key: str, doc: str) -> property:
    def value(self: "Crystal") -> Tensor:
        return self.compute_cell_tensors()[key]

    return property(value, doc=doc)


class Crystal(KnownNames):
    """A crystal: unit cell, orientation, size and structure factors.

    Everything is derived anew at each evaluation, so that config tensors may change in between and no graph is kept.
    What is assigned to cell, numbers of cells or ``misset_deg`` goes into the config as it is.
    Public vectors come in ``dtype``; the arithmetic is float64 throughout.

    Args:
        config: Cell, orientation and size; None is the default crystal.
        beam_config: Beam for a simulator that is given none; a crystal that is larger is clipped to it, with a warning.
        device: Device of the tensors; None is the CPU.
        dtype: Precision of public tensors.
        compat: Deviations of C for this object's own properties; a simulator uses its own.

    Attributes:
        hkl_data: Amplitudes (h_range, k_range, l_range) in electrons, or None: ``default_F`` everywhere. Tables of each
            channel of the beam's spectrum are (channels, h_range, k_range, l_range).
        hkl_metadata: Dict of integers with ``h_min``, ``k_min`` and ``l_min`` of the first entry, or None.
        interpolate: Tricubic interpolation of structure factors; assign None to return to the rule.
        turn: Angles (3,) in radians by which the crystal is turned about the laboratory x, y and z axes after its
            misset, or None. Unlike the misset's they move it in three directions wherever it stands.

    Raises:
        ValueError: The config describes no crystal.

    Example:
        ```python
        crystal = Crystal(CrystalConfig(70.0, 80.0, 90.0, N_cells=(5, 5, 5)), dtype=torch.float64)
        crystal.load_hkl("P1.hkl", write_cache=False)
        crystal.a, crystal.volume  # Angstrom, cubic Angstrom
        ```
    """

    config: CrystalConfig
    beam_config: BeamConfig | None
    device: torch.device
    dtype: torch.dtype
    compat: Compat
    hkl_metadata: dict[str, Any] | None
    turn: Tensor | None

    cell_a, cell_b, cell_c = (_config_scalar(name) for name in CELL_LENGTHS)
    cell_alpha, cell_beta, cell_gamma = (_config_scalar(name) for name in CELL_ANGLES)
    N_cells_a, N_cells_b, N_cells_c = (_cell_count(index) for index in range(3))
    a, b, c = (_cell_tensor(key, f"Direct vector {key} (3,) in Angstrom, misset applied.") for key in "abc")
    a_star, b_star, c_star = (
        _cell_tensor(f"{key}_star", f"Reciprocal vector {key}* (3,) in 1/Angstrom, misset applied.") for key in "abc"
    )
    V = volume = _cell_tensor("V", "Volume of the unit cell in cubic Angstrom.")

    @eager
    def __init__(
        self,
        config: CrystalConfig | None = None,
        beam_config: BeamConfig | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        compat: str | Compat = "physical",
    ) -> None:
        self.config = config if config is not None else CrystalConfig()
        check_kind("Crystal", "config", self.config, CrystalConfig)
        self.config.validate()
        self.beam_config = beam_config
        if beam_config is not None:
            check_kind("Crystal", "beam_config", beam_config, BeamConfig)
            clip_to_beam(self.config, beam_config)
        self.device = device_of(device)
        self.dtype = dtype_of(dtype)
        self.compat = Compat.of(compat)
        self._amplitudes: Tensor | None = None
        self._unlisted: Tensor | None = None
        self._finite: tuple[Tensor, int] | None = None
        self.hkl_metadata = None
        self.turn = None
        self._interpolate: bool | None = self.config.interpolate

    @property
    def misset_deg(self) -> Tensor:
        """Misset angles (3,) in degrees about the laboratory x, y and z axes; those drawn where the misset is random.

        Assigning sets ``config.misset_deg``, and then they are not random.
        """
        return torch.rad2deg(self.unit_cell().misset).to(self.dtype)

    @misset_deg.setter
    def misset_deg(self, angles: Any) -> None:
        self.config.misset_deg, self.config.misset_random = angles, False

    @property
    def interpolate(self) -> bool:
        """True where structure factors are interpolated: as assigned, or where any axis has at most two cells."""
        if self._interpolate is not None:
            return self._interpolate
        return any((number_of(n) or 0) <= THIN for n in self.config.N_cells)

    @interpolate.setter
    def interpolate(self, value: bool | None) -> None:
        self._interpolate = value

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Crystal":
        """This crystal on another device or in another dtype; returns itself."""
        self.device = device_of(device) if device is not None else self.device
        self.dtype = dtype_of(dtype or self.dtype)
        if self._amplitudes is not None:
            self._amplitudes = self._amplitudes.to(device=self.device, dtype=self.dtype)
        if self._unlisted is not None:
            self._unlisted = self._unlisted.to(self.device)
        return self

    @property
    def hkl_data(self) -> Tensor | None:
        """Amplitudes (h_range, k_range, l_range) in electrons, or None; ``hkl_metadata`` says where they begin.

        Entries that a file read by :meth:`load_hkl` does not list are the config's ``default_F`` as it is now, with
        its gradient.
        """
        if self._amplitudes is None or self._unlisted is None:
            return self._amplitudes
        return torch.where(self._unlisted, scalar(self.config.default_F, self.device).to(self.dtype), self._amplitudes)

    @hkl_data.setter
    def hkl_data(self, table: Tensor | None) -> None:
        self._amplitudes, self._unlisted = tensor(table), None

    def load_hkl(
        self,
        hkl_path: str | Path,
        write_cache: bool = True,
        *,
        dmin: float | None = None,
        columns: Sequence[str] | str | None = None,
        values: str | None = None,
        space_group: str | None = None,
        bulk_solvent: bool = False,
        anomalous: float | Mapping[str, tuple[float, float]] | None = None,
        use_cell: bool = False,
        use_orientation: bool = False,
    ) -> None:
        """Read structure factors into ``hkl_data`` and ``hkl_metadata``.

        Args:
            hkl_path: Reflections or coordinates in any known kind of file.
            write_cache: Also write the binary dump ``Fdump.bin`` into the working folder, as the C program does.
            dmin: Resolution in Angstrom beyond which reflections are left out; required for coordinates.
            columns: Columns of a reflection file (see :func:`~nanobrag_torch.io.mtz.read_mtz`).
            values: "amplitudes" or "intensities" in a text file or SHELX list.
            space_group: Symbol of the group by which a text file or SHELX list is expanded.
            bulk_solvent: Fill the space between the atoms of coordinates with flat solvent.
            anomalous: Wavelength in Angstrom at which the atoms of coordinates scatter anomalously, or (f', f'') in
                electrons by element; None makes Friedel mates equal.
            use_cell: Put the file's unit cell into the config.
            use_orientation: Put its reciprocal vectors into the config as well, so that the crystal stands in the
                Cartesian axes of the file before misset.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds no reflection, lacks the cell or orientation that is asked for, or has no such option;
                nothing is changed then.
            ImportError: gemmi is needed and missing.
        """
        from nanobrag_torch.io.fdump import write_fdump
        from nanobrag_torch.io.structure_factors import load_structure_factors

        found = load_structure_factors(
            hkl_path, dmin=dmin, columns=columns, values=values, space_group=space_group, bulk_solvent=bulk_solvent,
            anomalous=anomalous, default_F=_UNLISTED, device=self.device, dtype=self.dtype,
        )  # fmt: skip
        changes: dict[str, Any] = found.cell_fields() if use_cell or use_orientation else {}
        if use_orientation:
            if found.stars is None:
                raise ValueError(f"Crystal.load_hkl: {hkl_path} has no orientation. Leave use_orientation out.")
            changes |= dict(zip(MOSFLM_STARS, torch.tensor(found.stars, dtype=torch.float64), strict=True))
        for name, value in changes.items():
            setattr(self.config, name, value)
        self.hkl_data, self.hkl_metadata = found.grid, found.metadata
        unlisted = found.grid == _UNLISTED
        if bool(unlisted.any()):
            self._unlisted = unlisted
        if write_cache and self.hkl_data is not None:
            write_fdump(self.hkl_data, found.metadata, "Fdump.bin")

    def unit_cell(self, compat: Compat | None = None, a_star: Tensor | None = None) -> UnitCell:
        """The lattice of the config, with misset, by the construction that ``compat`` asks for.

        ``a_star`` (3,) in 1/Angstrom replaces that reciprocal vector, misset not applied to it. The angles of a random
        misset are written into ``config.misset_deg``.
        """
        cell = unit_cell_of(self.config, compat or self.compat, self.device, a_star)
        if self.config.misset_random:
            x, y, z = torch.rad2deg(cell.misset).tolist()
            self.config.misset_deg = (x, y, z)
        if self.turn is None:
            return cell
        turn = self.turn.to(cell.direct.device)
        return replace(cell, direct=about_x_y_z(cell.direct, turn), stars=about_x_y_z(cell.stars, turn))

    def lattice(
        self,
        compat: Compat | None = None,
        spindle: Tensor | None = None,
        stale: bool = True,
        a_star: Tensor | None = None,
    ) -> scene.Lattice:
        """The direct vectors of all orientations in metres, phi steps outside and mosaic domains inside.

        Args:
            compat: Deviations of C; None are this crystal's.
            spindle: Axis (3,) of phi where the config names none.
            stale: Follow C's stale orientation at phi = 0 [B02] where ``compat`` does; False gives every step its own.
            a_star: Reciprocal vector (3,) in 1/Angstrom in place of a*.
        """
        compat = compat or self.compat
        cell = self.unit_cell(compat, a_star)
        config = self.config
        if compat.spot_radius == "c" and any(number_of(number) for number in config.N_offdiagonal):
            allowed = "zero with Compat.spot_radius = 'c', whose spots know the number of all cells alone [B45]"
            raise fail("CrystalConfig", "N_offdiagonal", config.N_offdiagonal, allowed, "Use compat='physical'.")
        rotated = orientations(cell.direct, cell.stars, config, compat, spindle, stale and compat.phi_zero_carryover)
        a, b, c = angstrom_to_m(rotated.reshape(3, -1, 3)).unbind()
        return scene.Lattice(
            a=a,
            b=b,
            c=c,
            stars=cell.stars,
            cells=vector(config.N_cells, self.device),
            shape=config.shape.value,
            fudge=scalar(config.fudge, self.device),
            offdiagonal=vector(config.N_offdiagonal, self.device),
            spot_radius=compat.spot_radius,
            cutoff=_cutoff(config, compat),
        )

    def amplitudes(self, compat: Compat | None = None) -> scene.Amplitudes:
        """The structure factors as the kernel reads them."""
        compat = compat or self.compat
        default = scalar(self.config.default_F, self.device)
        table = self.hkl_data
        if table is None:
            return scene.Amplitudes(default)
        if self.hkl_metadata is None:
            raise ValueError(
                "Crystal.hkl_metadata = None: must be a dict with h_min, k_min and l_min where hkl_data is given. "
                "Assign both, or use load_hkl()."
            )
        if table.ndim not in (3, 4) or 0 in table.shape:
            raise ValueError(
                f"Crystal.hkl_data has shape {tuple(table.shape)}: must be (h_range, k_range, l_range), or with the "
                "channels of a spectrum before them. Assign a three-dimensional table."
            )
        check_memory(
            "amplitude", table.numel(), "Crystal", "hkl_data", f"a table of shape {tuple(table.shape)}",
            "Leave out its highest resolution.", self.device,
        )  # fmt: skip
        self._check_amplitudes()
        missing = [key for key in ("h_min", "k_min", "l_min") if key not in self.hkl_metadata]
        if missing:
            raise ValueError(
                f"Crystal.hkl_metadata has no {', '.join(missing)}: must hold h_min, k_min and l_min of the table. "
                "Assign what the reader returned."
            )
        h_min, k_min, l_min = (int(self.hkl_metadata[key]) for key in ("h_min", "k_min", "l_min"))
        return scene.Amplitudes(
            default, table.to(self.device), (h_min, k_min, l_min), self.interpolate,
            compat.interpolation_fallback, compat.interpolation_margin,
        )  # fmt: skip

    def _check_amplitudes(self) -> None:
        """Refuse amplitudes that are not finite, looking at a table once for each time that torch writes to it."""
        table = self._amplitudes
        assert table is not None
        known = self._finite is not None and self._finite[0] is table
        if table.is_inference() or not known or self._finite[1] != table._version:  # type: ignore[index]
            check_tensor("Crystal", "hkl_data", table)
            self._finite = None if table.is_inference() else (table, table._version)

    def get_structure_factor(self, h: Tensor, k: Tensor, l: Tensor) -> Tensor:
        """Amplitudes at real Miller indices of equal shape: interpolated or nearest, ``default_F`` outside the table.

        Args:
            h: Indices (...).
            k: Indices (...).
            l: Indices (...).

        Returns:
            Amplitudes (...) in electrons, connected to the table, ``default_F`` and, if interpolated, the indices.
        """
        h, k, l = torch.as_tensor(h), torch.as_tensor(k), torch.as_tensor(l)
        nearest = fraction(h)[0], fraction(k)[0], fraction(l)[0]
        amplitudes = self.amplitudes()
        if amplitudes.channels is not None:
            raise ValueError(
                f"Crystal.hkl_data has a table for each of {amplitudes.channels} channels: must be one table here. "
                "Ask a crystal that has the table of one channel."
            )
        return structure_factor(amplitudes, (h, k, l), nearest, self.dtype)

    def compute_cell_tensors(self) -> dict[str, Tensor]:
        """Direct and reciprocal vectors and the volume, under the keys a, b, c, a_star, b_star, c_star, V."""
        cell = self.unit_cell()
        names = ("a", "b", "c", "a_star", "b_star", "c_star")
        values = dict(zip(names, (*cell.direct, *cell.stars), strict=True)) | {"V": cell.volume}
        return {name: value.to(self.dtype) for name, value in values.items()}

    def get_rotated_real_vectors(self, config: CrystalConfig) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """((a, b, c), (a*, b*, c*)) of every orientation, each (phi_steps, mosaic_domains, 3), Angstrom and 1/Angstrom.

        ``config`` supplies the rotation (phi, spindle, mosaic), this crystal the cell.
        """
        cell = self.unit_cell()
        direct, reciprocal = (
            orientations(rows, cell.stars, config, self.compat).to(self.dtype) for rows in (cell.direct, cell.stars)
        )
        return tuple(direct), tuple(reciprocal)

    def get_rotated_real_vectors_for_batch(
        self, config: CrystalConfig, slow_indices: Any, fast_indices: Any
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The same for any batch of pixels: orientations do not depend on the pixel."""
        return self.get_rotated_real_vectors(config)

"""Everything that a run needs before its first pixel: models, structure factors and the scene."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.models.beam import Divergence
from nanobrag_torch.models.crystal import Crystal, UnitCell
from nanobrag_torch.models.detector import Detector, Geometry
from nanobrag_torch.scene import Scene
from nanobrag_torch.simulator import Simulator

#: Set to 1, it leaves images to torch operations.
NO_COMPILATION = "NANOBRAGG_DISABLE_COMPILE"


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be simulated; ``hkls`` is the number of structure factors that were read."""

    conf: Configuration
    simulator: Simulator
    geometry: Geometry
    cell: UnitCell
    scene: Scene
    divergence: Divergence
    hkls: int


def prepare(conf: Configuration) -> Prepared:
    """Build the models of ``conf`` and read its structure factors.

    Raises ``CommandError``, ``ValueError`` or ``OSError`` for what cannot be simulated.
    """
    s, compat = conf.settings, conf.compat
    crystal = Crystal(conf.crystal, conf.beam, dtype=conf.dtype, device=s.device, compat=compat)
    detector = Detector(conf.detector, dtype=conf.dtype, device=s.device, compat=compat)
    simulator = Simulator(
        crystal,
        detector,
        beam_config=conf.beam,
        device=s.device,
        dtype=conf.dtype,
        compat=compat,
        engine="torch" if os.environ.get(NO_COMPILATION) == "1" else "auto",
    )
    hkls = _load_structure_factors(conf, crystal)
    return Prepared(
        conf=conf,
        simulator=simulator,
        geometry=detector.geometry(compat),
        cell=crystal.unit_cell(compat),
        scene=simulator.scene(),
        divergence=simulator.beam.divergence(),
        hkls=hkls,
    )


def _load_structure_factors(conf: Configuration, crystal: Crystal) -> int:
    """Fill the crystal's table from structure, text file or dump, if there is one; the number of reflections."""
    s = conf.settings
    if s.stol_file is not None and not read_bytes(s.stol_file, "table over sin(theta)/lambda").strip():
        raise CommandError(f"{s.stol_file} is empty. Leave the option out: the table is not used.")
    if s.hkl_file is not None:
        if conf.structure is not None:
            grid, metadata = conf.structure.factors.grid.to(s.device), conf.structure.factors.metadata
        else:
            strict = conf.compat.strict_c_files
            grid, metadata = read_hkl_file(s.hkl_file, s.default_F, s.device, torch.float64, strict=strict)
        if s.use_dump:
            write_fdump(grid, metadata, s.dump_file)
    elif reads_dump(conf):
        grid, metadata = read_fdump(s.dump_file, s.device, torch.float64)
    else:
        return 0
    crystal.hkl_data, crystal.hkl_metadata = grid, metadata
    return metadata["hkls"]


def reads_dump(conf: Configuration) -> bool:
    """Whether the structure factors come from the dump of an earlier run."""
    s = conf.settings
    return s.use_dump and s.hkl_file is None and Path(s.dump_file).is_file()

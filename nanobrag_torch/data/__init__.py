"""Example data that comes with the package; README.md beside it says where each file is from."""

from pathlib import Path

#: Coordinates of a small protein (71 residues, P 21 21 21, 1.54 Angstrom): PDB entry 1ORC.
EXAMPLE_STRUCTURE = Path(__file__).with_name("1orc.pdb")

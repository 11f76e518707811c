"""Record of another program's judgement: what it found in a series of images whose crystal is known."""

import math

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact

#: Relative error of a cell edge, in per cent, that a judgement may find at most; standard errors likewise.
CELL_PERCENT, STANDARD_ERRORS = 0.02, 3.0
#: Misorientation in degrees, R factor and correlation of intensities that go with agreement.
ORIENTATION_DEG, R_FACTOR, CORRELATION = 0.01, 0.05, 0.995


class Judgement(Part):
    """Images in one format as another program judged them.

    Attributes:
        format: format of the images.
        spots: spots found.
        indexed: spots indexed, with no hint of the cell.
        cell: edges in Angstrom and angles in degrees after refinement, axes as in the crystal that was rendered.
        cell_sd: standard errors of the same.
        misorientation_deg: angle between the refined crystal and the rendered one; images are said to stand half a
            step of phi later than their steps do, which is undone.
        misorientation_as_said_deg: the same angle with nothing undone.
        space_group: the space group that symmetry alone suggests.
        reflections: fully recorded reflections that were integrated by profile fitting and have a structure factor.
        correlation: of their intensities with the squared structure factors.
        r_factor: sum of |I - k F squared| over the sum of I, k by least squares.
    """

    format: str
    spots: int
    indexed: int
    cell: tuple[float, ...]
    cell_sd: tuple[float, ...]
    misorientation_deg: float
    misorientation_as_said_deg: float
    space_group: str
    reflections: int
    correlation: float
    r_factor: float

    def faults(self, truth: tuple[float, ...], groups: tuple[str, ...]) -> tuple[str, ...]:
        """Differences from the truth that are too large, in words; empty where the program agrees."""
        return tuple(words for words, agrees in self._held(truth, groups) if not agrees)

    def _held(self, truth: tuple[float, ...], groups: tuple[str, ...]) -> list[tuple[str, bool]]:
        off = [abs(found - true) for found, true in zip(self.cell, truth, strict=True)]
        percent = max(100 * error / true for error, true in zip(off[:3], truth[:3], strict=True))
        # Without any standard error nothing is within three of them.
        pulls = [error / sd for error, sd in zip(off, self.cell_sd, strict=True) if sd > 0]
        errors = max(pulls, default=math.inf)
        return [
            (f"cell edges {percent:.3f} % off", percent <= CELL_PERCENT),
            (f"cell {errors:.1f} standard errors off", errors <= STANDARD_ERRORS),
            (f"orientation {self.misorientation_deg:.4f} deg off", self.misorientation_deg <= ORIENTATION_DEG),
            (f"correlation {self.correlation:.4f}", self.correlation >= CORRELATION),
            (f"R {100 * self.r_factor:.1f} %", self.r_factor <= R_FACTOR),
            (f"space group {self.space_group}", self.space_group in groups),
        ]


class Agreement(Record):
    """Judgements of a program on the formats of one series, beside what was rendered.

    Attributes:
        program: name and version of the program.
        command: the command line of the series.
        cell: edges in Angstrom and angles in degrees that were rendered.
        space_groups: space groups that are right: the crystal's own, and that without what only absences tell.
        judgements: one for each format.
        skipped: formats that were not processed to the end, as an interruption ended the work.
    """

    file = "agreement.json"
    borne_out_by = {"J1": "agreement.faults == 0", "J2": "agreement.faults > 0"}

    program: str
    command: str
    cell: tuple[float, ...]
    space_groups: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    skipped: tuple[str, ...] = ()

    def faults(self) -> dict[str, tuple[str, ...]]:
        """Differences that are too large, by format; a format without any is left out."""
        found = {each.format: each.faults(self.cell, self.space_groups) for each in self.judgements}
        return {name: faults for name, faults in found.items() if faults}

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Number of differences that are too large: the rest varies with the processors that the program uses."""
        return {"faults": exact(sum(map(len, self.faults().values())))}

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Correlation and R factor of every format."""
        return tuple(
            (each.format, f"correlation {each.correlation:.4f}, R {100 * each.r_factor:.1f} %")
            for each in self.judgements
        )

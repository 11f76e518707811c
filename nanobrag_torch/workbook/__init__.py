"""Public API of the workbook: the names that notebooks, plans and records of an investigation are written against.

Every name is loaded when it is first asked for, so that a notebook can set the environment guards
(:func:`environment.guard`) before anything imports torch, and records load without torch at all.

=====================================================  =============================================================
names                                                  what they are for
=====================================================  =============================================================
``parameters``, ``environment``, ``Report``            first cell: checked parameters, guards, the folder of the results
``probe``, ``scenarios``, ``functions``, ``losses``    cases to look at: described, read from a file, named in text
``mapped_test``                                        a pytest run whose log, XML and exit code stay in the report
``diagnosis``, ``scan``, ``performance``               the doctor's report in tables, a loss over a range, timings
``agreement``                                          a rotation series that DIALS processes, beside what was rendered
``refinement``, ``refinement_figures``                 counts refined to parameters with standard errors, and shown
``tables``, ``figures``, ``doctor_figures``, ...       what cells show; ``Table``, ``Drawing`` and ``Caption`` make more
``progress``                                           bars of long work, and what an interruption ended
``Record``, ``Part``, ``KeyNumber``, ``exact``         records of one's own, in ``plans/NAME/records.py``
``Evidence``, ``Derivative``, ``TestRecord``, ...      the records that the cells above give
``Verdict``                                            how a notebook concludes
``explore``                                            sliders, with image, gradients and verdict
``sweep``, ``Sweep``                                   many points of a scenario or notebook, and their table
``InputError``, ``Blocked``                            the two ways in which a run ends without a verdict
``investigation``                                      Python files of an investigation, loaded by name
=====================================================  =============================================================
"""

from typing import TYPE_CHECKING

from nanobrag_torch.lazy import lazy_names

if TYPE_CHECKING:
    from nanobrag_torch.workbook.cells import agreement as agreement
    from nanobrag_torch.workbook.cells import diagnosis as diagnosis
    from nanobrag_torch.workbook.cells import doctor_figures as doctor_figures
    from nanobrag_torch.workbook.cells import figures as figures
    from nanobrag_torch.workbook.cells import functions as functions
    from nanobrag_torch.workbook.cells import losses as losses
    from nanobrag_torch.workbook.cells import mapped_test as mapped_test
    from nanobrag_torch.workbook.cells import parameters as parameters
    from nanobrag_torch.workbook.cells import performance as performance
    from nanobrag_torch.workbook.cells import probe as probe
    from nanobrag_torch.workbook.cells import refinement as refinement
    from nanobrag_torch.workbook.cells import refinement_figures as refinement_figures
    from nanobrag_torch.workbook.cells import scenarios as scenarios
    from nanobrag_torch.workbook.cells.scan import scan as scan
    from nanobrag_torch.workbook.errors import Blocked as Blocked
    from nanobrag_torch.workbook.errors import InputError as InputError
    from nanobrag_torch.workbook.explorer.explore import explore as explore
    from nanobrag_torch.workbook.formatting import number as number
    from nanobrag_torch.workbook.investigations import investigation as investigation
    from nanobrag_torch.workbook.machine import environment as environment
    from nanobrag_torch.workbook.records.base import KeyNumber as KeyNumber
    from nanobrag_torch.workbook.records.base import Part as Part
    from nanobrag_torch.workbook.records.base import Record as Record
    from nanobrag_torch.workbook.records.base import exact as exact
    from nanobrag_torch.workbook.records.diagnosis import Diagnosis as Diagnosis
    from nanobrag_torch.workbook.records.evidence import Derivative as Derivative
    from nanobrag_torch.workbook.records.evidence import Evidence as Evidence
    from nanobrag_torch.workbook.records.evidence import TestRecord as TestRecord
    from nanobrag_torch.workbook.records.run import Caption as Caption
    from nanobrag_torch.workbook.records.run import Verdict as Verdict
    from nanobrag_torch.workbook.report.folder import Report as Report
    from nanobrag_torch.workbook.show import drawing as drawing
    from nanobrag_torch.workbook.show import progress as progress
    from nanobrag_torch.workbook.show import tables as tables
    from nanobrag_torch.workbook.show.drawing import Drawing as Drawing
    from nanobrag_torch.workbook.show.raster import Raster as Raster
    from nanobrag_torch.workbook.show.tables import Table as Table
    from nanobrag_torch.workbook.sweeps import sweep_figures as sweep_figures
    from nanobrag_torch.workbook.sweeps.api import Sweep as Sweep
    from nanobrag_torch.workbook.sweeps.api import sweep as sweep

#: Public name to its home, below this package.
_HOMES = {
    "Blocked": "errors:Blocked",
    "Caption": "records.run:Caption",
    "Derivative": "records.evidence:Derivative",
    "Diagnosis": "records.diagnosis:Diagnosis",
    "Drawing": "show.drawing:Drawing",
    "Evidence": "records.evidence:Evidence",
    "InputError": "errors:InputError",
    "KeyNumber": "records.base:KeyNumber",
    "Part": "records.base:Part",
    "Raster": "show.raster:Raster",
    "Record": "records.base:Record",
    "Report": "report.folder:Report",
    "Sweep": "sweeps.api:Sweep",
    "Table": "show.tables:Table",
    "TestRecord": "records.evidence:TestRecord",
    "Verdict": "records.run:Verdict",
    "agreement": "cells.agreement",
    "diagnosis": "cells.diagnosis",
    "doctor_figures": "cells.doctor_figures",
    "drawing": "show.drawing",
    "environment": "machine.environment",
    "exact": "records.base:exact",
    "explore": "explorer.explore:explore",
    "figures": "cells.figures",
    "functions": "cells.functions",
    "investigation": "investigations:investigation",
    "losses": "cells.losses",
    "mapped_test": "cells.mapped_test",
    "number": "formatting:number",
    "parameters": "cells.parameters",
    "performance": "cells.performance",
    "probe": "cells.probe",
    "progress": "show.progress",
    "refinement": "cells.refinement",
    "refinement_figures": "cells.refinement_figures",
    "scan": "cells.scan:scan",
    "scenarios": "cells.scenarios",
    "sweep": "sweeps.api:sweep",
    "sweep_figures": "sweeps.sweep_figures",
    "tables": "show.tables",
}

__all__ = sorted(_HOMES)
# A type checker sees the imports above, and tells of a name that is not among them.
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{home}" for name, home in _HOMES.items()})

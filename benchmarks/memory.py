"""Bytes that one more of each thing takes at the peak, beside what ``nanobrag_torch.memory`` reckons with.

``python -m benchmarks.memory`` runs each evaluation twice, small and large, each in a process of its own.
"""

import subprocess
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from nanobrag_torch.memory import BYTES_PER

_BEGIN = "from nanobrag_torch import *\nimport torch, sys\nn = int(sys.argv[1])\n"
_COMMAND = (
    "from nanobrag_torch.cli.run import main\n"
    "fixed = '-default_F 10 -cell 100 -N 5 -lambda 1 -distance 100 -noprogress -oversample 1 '\n"
)
_DETECTOR = "DetectorConfig(spixels=2, fpixels=2, oversample=1)"
_SIMULATOR = (
    "def scene(detector, **crystal):\n"
    "    made = Crystal(CrystalConfig(default_F=10.0, N_cells=(5, 5, 5), **crystal))\n"
    "    return Simulator(made, Detector(detector), dtype=torch.float64, compat='c').scene()\n"
)

#: For each thing (few, many) and programs that make as many as their argument says.
PROGRAMS: dict[str, tuple[tuple[int, int], dict[str, str]]] = {
    "pixel with its files": (
        (10_000, 9_000_000),
        {"command": f"{_COMMAND}main(f'{{fixed}} -detpixels {{int(n**0.5)}}'.split())"},
    ),
    "position": (
        (10_000, 2_000_000),
        {"solid angle": "Detector(DetectorConfig(spixels=1000, fpixels=n // 1000)).get_solid_angle()"},
    ),
    "sample": (
        (1_000, 1_000_000),
        {
            "formula": f"{_SIMULATOR}from nanobrag_torch.kernel.formula import samples\n"
            f"where = torch.zeros(n, dtype=torch.int64)\nsamples(scene({_DETECTOR}), where, where)"
        },
    ),
    "orientation": (
        (1_000, 500_000),
        {
            "phi": f"{_SIMULATOR}scene({_DETECTOR}, phi_steps=n, osc_range_deg=90.0)",
            "mosaic domains": f"{_SIMULATOR}scene({_DETECTOR}, mosaic_domains=n, mosaic_spread_deg=1.0)",
            "phi, command": f"{_COMMAND}main(f'{{fixed}} -detpixels 1 -osc 1 -phisteps {{n}} -nonoise'.split())",
            "mosaic domains, command": f"{_COMMAND}main(f'{{fixed}} -detpixels 1 -mosaic 1 -mosaic_dom {{n}}'.split())",
        },
    ),
    "source": (
        (1_000, 500_000),
        {
            "divergence, command": f"{_COMMAND}steps = int(n**0.5)\n"
            "main(f'{fixed} -detpixels 1 -hdivrange 1 -vdivrange 1 -divsteps {steps}'.split())",
            "dispersion, command": f"{_COMMAND}main(f'{{fixed}} -detpixels 1 -dispersion 1 -dispsteps {{n}}'.split())",
            "list, command": f"{_COMMAND}open('list', 'w').write('1 0 0\\n' * n)\n"
            "main(f'{fixed} -detpixels 1 -sourcefile list'.split())",
        },
    ),
    "amplitude": (
        (1_000, 10_000_000),
        {
            "sparse list, command": f"{_COMMAND}m = int(n ** (1 / 3))\n"
            "open('F', 'w').write(f'0 0 0 1\\n{m} {m} {m} 1\\n')\nmain(f'{fixed} -detpixels 1 -hkl F'.split())"
        },
    ),
    "byte of a file": (
        (100_000, 20_000_000),
        {
            "reflections, command": f"{_COMMAND}open('F', 'w').write('10 10 10 1.0\\n' * (n // 13))\n"
            "main(f'{fixed} -detpixels 1 -hkl F'.split())",
            "mask": "from nanobrag_torch.io.mask import read_smv_mask\n"
            "head = f'{{\\nHEADER_BYTES=512;\\nSIZE1=1000;\\nSIZE2={n // 2000};\\n}}\\f'.encode().ljust(512)\n"
            "open('M', 'wb').write(head + bytes(n))\nread_smv_mask('M')",
        },
    ),
}


def peak(program: str, count: int) -> int:
    """Peak of the resident memory of a process that makes ``count`` things, in bytes."""
    said = "\nimport resource\nprint('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _BEGIN + program + said, str(count)],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    return int(done.stderr.split("peak ")[-1]) << 10


def main() -> None:
    """Print one line for every program."""
    table = Table("thing", "made by", "bytes each", "reckoned with")
    for thing, ((few, many), programs) in PROGRAMS.items():
        for name, program in programs.items():
            measured = (peak(program, many) - peak(program, few)) / (many - few)
            table.add_row(thing, name, f"{measured:.0f}", str(BYTES_PER[thing]))
    Console().print(table)


if __name__ == "__main__":
    main()

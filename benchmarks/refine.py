"""Refinement measured: ``python -m benchmarks.refine`` with a word for what, and ``stills`` with a folder.

``steps`` times an evaluation against the number of parameters and pixels, ``large`` one of 300 spots on a detector of
18 million pixels; ``coverage`` holds the standard errors against many draws of noise; ``capture`` maps which starts
are found again, and draws the map; ``stills`` refines a folder of noisy stills with known truth; ``posterior``
compares one refinement with an ensemble of Markov chains; ``design`` draws the errors that counting allows.
"""

import argparse
import itertools
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.lit import SCENES
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.refine import expected_errors, refine
from nanobrag_torch.refine.goodness import BY_CHANCE
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.orientation import angles_of, matrix_of, rotation_vector
from nanobrag_torch.refine.parameters import parameters_of
from nanobrag_torch.scenario import Scenario

EDGES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
MISSET = tuple(f"crystal.misset_deg[{i}]" for i in range(3))
N_CELLS = tuple(f"crystal.N_cells[{i}]" for i in range(3))
FREE = (*EDGES, *MISSET, *N_CELLS, "beam.fluence")
TRUE_CELL, TRUE_MISSET, TRUE_N, TRUE_FLUENCE = (55.0, 65.0, 75.0), (20.0, -35.0, 50.0), (12.0, 10.0, 11.0), 1.5e27
#: Errors of the start: of the misset in degrees, and of each edge of the cell in percent.
MISSETS, CELLS = (0.01, 0.1, 0.3, 1.0, 2.0), (0.05, 0.2, 0.5, 1.0, 2.0)
#: Pixels and domains of the still whose noise is drawn many times.
SMALL = (64, 4)
#: Standard error of an edge, in Å, that a design is to reach.
ENOUGH = 0.01
#: Walkers of the chains that sample a posterior.
WALKERS = 32
#: Standard errors within which an end is the truth.
TRUTH = 5.0

#: Limits of a still of 1e5 photons: rotation in degrees, sum of the errors of a, b and c in Å, N, fluence in %.
LIMITS, FULL = (0.005, 0.025, 0.2, 1.0), 1e5
#: Standard errors within which an error beyond a limit is that of counting.
WITHIN = 4.0
#: More quantities, for the time against their number.
MORE = (
    "crystal.cell_alpha", "crystal.cell_beta", "crystal.cell_gamma", "crystal.mosaic_spread_deg",
    "detector.distance_mm", "detector.beam_center_s", "detector.beam_center_f", "detector.detector_rotx_deg",
    "detector.detector_roty_deg", "beam.wavelength_A", "beam.polarization_factor",
)  # fmt: skip


def still(pixels: int = 128, domains: int = 8, names: tuple[str, ...] = FREE, **start: Any) -> Scenario:
    """A still of parallelepipeds with structure factors drawn from a seed; ``start`` goes to the crystal."""
    generator = torch.Generator().manual_seed(1)
    amplitudes = torch.sqrt(-torch.log(torch.rand(41, 41, 41, generator=generator, dtype=torch.float64))) * 100
    crystal = CrystalConfig(
        **{
            **dict(zip(("cell_a", "cell_b", "cell_c"), TRUE_CELL, strict=True)),
            "misset_deg": TRUE_MISSET,
            "N_cells": TRUE_N,
            "mosaic_spread_deg": 0.15,
            "mosaic_domains": domains,
            **start,
        }
    )
    detector = DetectorConfig(
        spixels=pixels, fpixels=pixels, pixel_size_mm=51.2 / pixels, distance_mm=80.0, oversample=2
    )
    return Scenario(
        crystal, detector, BeamConfig(wavelength_A=1.2, fluence=TRUE_FLUENCE), names=names,
        hkl_data=amplitudes, hkl_metadata={"h_min": -20, "k_min": -20, "l_min": -20},
    )  # fmt: skip


def turned(misset: tuple[float, ...], angle: float, generator: np.random.Generator) -> tuple[float, ...]:
    """Misset angles after a turn by ``angle`` degrees about a random axis."""
    axis = generator.normal(size=3)
    turn = torch.from_numpy(angle * axis / np.linalg.norm(axis))
    angles = angles_of(matrix_of(turn) @ matrix_of(torch.tensor(misset, dtype=torch.float64)))
    return tuple(angles.tolist())


def off_by(misset: float, cell: float, seed: int) -> dict[str, Any]:
    """Fields of a crystal that is off by so many degrees and percent, and by some cells."""
    generator = np.random.default_rng(seed)
    edges = [edge * (1 + cell / 100 * sign) for edge, sign in zip(TRUE_CELL, generator.choice([-1, 1], 3), strict=True)]
    return {
        **dict(zip(("cell_a", "cell_b", "cell_c"), edges, strict=True)),
        "misset_deg": turned(TRUE_MISSET, misset, generator),
        "N_cells": tuple(n * factor for n, factor in zip(TRUE_N, (1.1, 0.9, 1.1), strict=True)),
    }


def pulls(result: Any, truth: dict[str, float], misset: tuple[float, ...]) -> np.ndarray:
    """Errors of a result in its own standard errors; misset by the turn that is left."""
    found = [(result[name].value - value) / result[name].sigma for name, value in truth.items() if result[name].sigma]
    last = matrix_of(torch.tensor([result.scenario.value(name) for name in MISSET], dtype=torch.float64))
    rest = rotation_vector(last @ matrix_of(torch.tensor(misset, dtype=torch.float64)).T).tolist()
    return np.array([*found, *(part / turn.sigma for part, turn in zip(rest, result.turns, strict=True) if turn.sigma)])


def true_values() -> dict[str, float]:
    """True values of the still but for the misset."""
    return {**dict(zip((*EDGES, *N_CELLS), (*TRUE_CELL, *TRUE_N), strict=True)), "beam.fluence": TRUE_FLUENCE}


def capture(seeds: int, console: Console, output: Path) -> None:
    """Map the starts from which the truth is found, with and without wide spots first, and draw the map.

    An end elsewhere is told by the result where it is not converged or does not describe the counts.
    """
    counts = drawn(still(), 1)
    rows = []
    for seed in range(seeds):
        for misset, cell in itertools.product(MISSETS, CELLS):
            for tried in (False, True):
                began = time.process_time()
                result = refine(still(**off_by(misset, cell, seed)), counts, residuals=0, capture=tried)
                close = result.converged and np.abs(pulls(result, true_values(), TRUE_MISSET)).max() < TRUTH
                silent = result.converged and result.goodness.excess < BY_CHANCE
                end = "true" if close else "wrong" if silent else "told"
                rows.append({
                    "misset_deg": misset, "cell_pct": cell, "seed": seed, "capture": tried, "end": end,
                    "steps": result.steps, "seconds": time.process_time() - began,
                    "excess": result.goodness.excess,
                })  # fmt: skip
                console.print(rows[-1])
                output.mkdir(parents=True, exist_ok=True)
                (output / "capture.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    draw(rows, output / "capture.png")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the part of starts that were found again, and mark where an end was wrong without a word."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8.4, 3.8), sharey=True, layout="constrained")
    for axis, tried in zip(axes, (False, True), strict=True):
        part = np.full((len(MISSETS), len(CELLS)), np.nan)
        for i, misset in enumerate(MISSETS):
            for j, cell in enumerate(CELLS):
                ends = [
                    row["end"] for row in rows
                    if (row["misset_deg"], row["cell_pct"], row["capture"]) == (misset, cell, tried)
                ]  # fmt: skip
                if ends:
                    part[i, j] = ends.count("true") / len(ends)
                    wrong = f"\n{ends.count('wrong')} wrong" if "wrong" in ends else ""
                    axis.text(j, i, f"{part[i, j]:.0%}{wrong}", ha="center", va="center", fontsize=8)
        axis.imshow(part, vmin=0, vmax=1, cmap="RdYlGn", origin="lower", aspect="auto", alpha=0.7)
        axis.set_xticks(range(len(CELLS)), [f"{cell:g}" for cell in CELLS])
        axis.set_yticks(range(len(MISSETS)), [f"{misset:g}" for misset in MISSETS])
        axis.set_xlabel("error of each edge of the cell, %")
        axis.set_title("wide spots first where needed" if tried else "sharp spots alone")
    axes[0].set_ylabel("error of the orientation, °")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def coverage(seeds: int, console: Console) -> None:
    """Table of pulls over draws of noise."""
    image, truth, found = still(*SMALL).image(), true_values(), []
    for seed in range(seeds):
        counts = torch.poisson(image, generator=torch.Generator().manual_seed(seed))
        result = refine(still(*SMALL, **off_by(0.02, 0.05, seed)), counts, residuals=0)
        if result.converged:
            found.append(pulls(result, truth, TRUE_MISSET))
    array = np.array(found)
    table = Table(
        "parameter", "mean", "standard deviation", "within 1 σ", "within 1.96 σ", title=f"{len(found)}/{seeds}"
    )
    for name, column in zip((*truth, "turn x", "turn y", "turn z"), array.T, strict=True):
        inside = [f"{(np.abs(column) < width).mean():.3f}" for width in (1.0, 1.96)]
        table.add_row(name, f"{column.mean():+.3f}", f"{column.std(ddof=1):.3f}", *inside)
    inside = [f"{(np.abs(array) < width).mean():.3f}" for width in (1.0, 1.96)]
    table.add_row("all", f"{array.mean():+.3f}", f"{array.std(ddof=1):.3f}", *inside)
    console.print(table)


def design(console: Console, output: Path) -> None:
    """Draw the error of a that counting allows against orientation, distance and exposure, and what is enough."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    start = still()
    sides = [start.value(name) for name in ("detector.distance_mm", "beam.fluence")]
    axes = {
        "misset about y, °": [(each, {"crystal": {"misset_deg": (20.0, each, 50.0)}}) for each in range(-90, 91, 15)],
        "distance, mm": [(each, {"detector": {"distance_mm": float(each)}}) for each in range(40, 201, 20)],
        "fluence, photons/m²": [
            (each, {"beam": {"fluence": float(each)}}) for each in np.geomspace(1e25, 1e29, 9)
        ],
    }  # fmt: skip
    figure, drawn_on = pyplot.subplots(1, 3, figsize=(9.6, 3.2), sharey=True, layout="constrained")
    for axis, (label, changes) in zip(drawn_on, axes.items(), strict=True):
        for name, colour in zip(EDGES, ("C0", "C1", "C2"), strict=True):
            errors = [expected_errors(start.changed(**change))[name] for _, change in changes]
            axis.plot([value for value, _ in changes], errors, "o-", color=colour, ms=3, label=f"σ({name[-1]})")
            console.print(
                label, name, ", ".join(f"{v:.3g}: {e:.2g}" for (v, _), e in zip(changes, errors, strict=True))
            )
        axis.axhline(ENOUGH, color="0.5", ls="--", lw=1)
        axis.set_xlabel(label)
        axis.set_yscale("log")
    drawn_on[2].set_xscale("log")
    drawn_on[0].set_ylabel("standard error, Å")
    drawn_on[0].set_title(f"at {sides[0]:g} mm and {sides[1]:.2g} photons/m²", fontsize=9)
    drawn_on[2].legend(fontsize=8)
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "design.png", dpi=110, metadata={"Software": None})


def posterior(draws: int, console: Console) -> None:
    """Table of refined values beside mean and standard deviation of the posterior, which emcee's walkers sample.

    The likelihood is written anew here: that of counting in all pixels, with flat priors. A quarter of the draws is
    left out as the way there.
    """
    import emcee

    names = (*EDGES, *N_CELLS, "beam.fluence")
    scenario = still(*SMALL, names=names)
    counts = drawn(scenario, 3)
    result = refine(scenario, counts)
    found = np.array([result[name].value for name in names])
    errors = np.array([result[name].sigma for name in names])

    def log_likelihood(shift: np.ndarray) -> float:
        values = {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in zip(names, found + shift * errors, strict=True)
        }
        image = scenario.image(values).clamp_min(1e-6)
        return float((counts * image.log() - image).sum())

    generator = np.random.default_rng(1)
    sampler = emcee.EnsembleSampler(WALKERS, len(names), log_likelihood)
    sampler.random_state = np.random.RandomState(1).get_state()
    sampler.run_mcmc(generator.normal(scale=0.5, size=(WALKERS, len(names))), draws, progress=True)
    chain = sampler.get_chain(discard=draws // 4)
    effective = WALKERS * len(chain) / sampler.get_autocorr_time(quiet=True)
    table = Table("parameter", "refined", "standard error", "posterior mean − refined, σ", "its s.d. / standard error")
    table.title = f"{WALKERS} walkers, {draws} draws, at least {effective.min():.0f} independent of each parameter"
    for i, name in enumerate(names):
        mean, spread, count = chain[..., i].mean(), chain[..., i].std(), effective[i]
        table.add_row(
            name, f"{found[i]:.6g}", f"{errors[i]:.2g}", f"{mean:+.3f} ± {spread / count**0.5:.3f}",
            f"{spread:.3f} ± {spread / (2 * count) ** 0.5:.3f}",
        )  # fmt: skip
    console.print(table)


def steps(console: Console) -> None:
    """Table of seconds for one evaluation, with all derivatives, against parameters and pixels."""
    table = Table("pixels", "parameters", "processor seconds a step")
    everything = (*FREE, *MORE)
    for pixels in (128, 256, 512):
        for count in (1, 6, len(FREE), len(everything)):
            scenario = still(pixels, 20, everything[-count:] if count == 1 else everything[:count])
            parameters, state = parameters_of(scenario)
            model = Model.of(scenario, parameters, torch.ones((pixels, pixels), dtype=torch.bool))
            model.with_derivatives(state)
            began = time.process_time()
            model.with_derivatives(state)
            table.add_row(f"{pixels} x {pixels}", str(count), f"{time.process_time() - began:.3f}")
    console.print(table)
    table = Table("pixels", "structure factors free beside", "seconds of the last step")
    for pixels in (128, 256, 512):
        scenario = still(pixels, 20)
        result = refine(scenario, drawn(scenario, 1), structure_factors=0.2, residuals=0)
        before, last = (point.seconds for point in result.history[-2:])
        table.add_row(f"{pixels} x {pixels}", f"{len(result.structure_factors)}, {len(FREE)}", f"{last - before:.2f}")
    console.print(table)


def large(console: Console) -> None:
    """Table of seconds and memory of a step: 12 parameters, W7's 100 wavelengths and 25 domains, boxes of 300 spots."""
    scene = SCENES["W7"]
    table, metadata = scene.table()
    names = (EDGES[0], EDGES[2], *MISSET, *N_CELLS, "beam.fluence", "detector.distance_mm",
             "detector.beam_center_s", "detector.beam_center_f")  # fmt: skip
    console.print(f"{len(names)} parameters, ties b = a")
    shown = Table("samples", "pixels", "seconds a step", "largest memory of the process, MiB")
    chosen = None
    for words, cutoff in (("lit", None), ("all", 0.0)):
        scenario = Scenario(
            CrystalConfig(**scene.crystal | {"cutoff": cutoff}), DetectorConfig(**scene.detector),
            BeamConfig(**scene.beam), names=names, hkl_data=table, hkl_metadata=metadata,
        )  # fmt: skip
        if chosen is None:
            chosen = _boxes_of_spots(scenario.image().detach(), 300)
        parameters, state = parameters_of(scenario, ties={EDGES[1]: EDGES[0]})
        model = Model.of(scenario, parameters, chosen)
        model.with_derivatives(state)
        began = time.perf_counter()
        model.with_derivatives(state)
        seconds = time.perf_counter() - began
        shown.add_row(words, str(int(chosen.sum())), f"{seconds:.2f}", f"{_peak_MiB():.0f}")
    console.print(shown)


def _boxes_of_spots(image: torch.Tensor, spots: int, margin: int = 6) -> torch.Tensor:
    """True for the pixels (slow, fast) around the brightest spots, one box each."""
    left, chosen = image.clone(), torch.zeros(image.shape, dtype=torch.bool)
    for _ in range(spots):
        slow, fast = divmod(int(left.argmax()), image.shape[1])
        box = slice(max(slow - margin, 0), slow + margin + 1), slice(max(fast - margin, 0), fast + margin + 1)
        chosen[box], left[box] = True, 0.0
    return chosen


def _peak_MiB() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stills(folder: Path, console: Console) -> None:
    """Table of noisy stills of known truth: ``truth.json``, ``list.hkl.gz``, and an ``.npz`` of photons for each."""
    import gzip

    with gzip.open(folder / "list.hkl.gz", "rt", encoding="utf-8") as file:
        listed = np.loadtxt(file)
    low = listed[:, :3].min(0).astype(int)
    amplitudes = torch.zeros(tuple(listed[:, :3].max(0).astype(int) - low + 1), dtype=torch.float64)
    amplitudes[tuple((listed[:, :3].astype(int) - low).T)] = torch.from_numpy(listed[:, 3])
    metadata = dict(zip(("h_min", "k_min", "l_min"), low.tolist(), strict=True))
    table = Table(
        "still", "system", "photons", "end", "steps", "rotation °", "Σ|Δ edges| Å", "|Δ N|", "Δ fluence %", "of limit",
        "pulls", "largest", "CPU s",
    )  # fmt: skip
    everything, beyond = [], []
    for name, entry in json.loads((folder / "truth.json").read_text(encoding="utf-8")).items():
        with np.load(folder / f"{name}.npz") as held:
            photons = held["photons"]
        began = time.process_time()
        result = refine(_scenario(entry, amplitudes, metadata), photons, system=entry["system"], residuals=0)
        seconds, true = time.process_time() - began, entry["truth"]
        values = {f"crystal.{each}": value for each, value in zip(CELL, true["cell"], strict=True)}
        own = {name for name in result.scenario.names if "equals" not in result[name].note}
        values = {k: v for k, v in {**values, **dict(zip(N_CELLS, true["N"], strict=True)),
                                    "beam.fluence": true["fluence"]}.items() if k in own}  # fmt: skip
        found = pulls(result, values, tuple(true["misset"])) if result.converged else np.array([np.nan])
        everything.append(found)
        last = matrix_of(torch.tensor([result.scenario.value(each) for each in MISSET], dtype=torch.float64))
        turn = rotation_vector(last @ matrix_of(torch.tensor(true["misset"], dtype=torch.float64)).T)
        edges = sum(
            abs(result.scenario.value(each) - value) for each, value in zip(EDGES, true["cell"][:3], strict=True)
        )
        cells = max(abs(result.scenario.value(each) - value) for each, value in zip(N_CELLS, true["N"], strict=True))
        scale = 100 * (result.scenario.value("beam.fluence") / true["fluence"] - 1)
        part = part_of_limit((float(turn.norm()), edges, cells, abs(scale)), float(photons.sum()))
        if not result.converged or (part > 1 and np.abs(found).max() > WITHIN):
            beyond.append(name)
        table.add_row(
            name, entry["system"], str(int(photons.sum())), "converged" if result.converged else result.reason,
            str(result.steps), f"{float(turn.norm()):.4f}", f"{edges:.4f}", f"{cells:.2f}", f"{scale:+.2f}",
            f"{part:.2f}", f"{found.mean():+.2f} ± {found.std():.2f}", f"{np.abs(found).max():.1f}", f"{seconds:.1f}",
        )  # fmt: skip
    console.print(table)
    console.print(f"beyond a limit and beyond {WITHIN:g} standard errors, or no fit: {', '.join(beyond) or 'none'}")
    joined = np.concatenate(everything)
    console.print(f"{len(joined)} pulls: mean {joined.mean():+.3f}, standard deviation {joined.std(ddof=1):.3f}")


def part_of_limit(errors: tuple[float, float, float, float], photons: float) -> float:
    """Largest error of a still as a part of its limit, which grows as the counts of a still below 1e5 photons fall.

    Args:
        errors: rotation in degrees, sum of the errors of the edges in Å, largest error of N, error of the fluence in %.
        photons: photons of the still.
    """
    eased = max(1.0, (FULL / photons) ** 0.5)
    return max(error / (eased * limit) for error, limit in zip(errors, LIMITS, strict=True))


CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")
CONSTANTS = {"cubic": CELL[:3], "orthorhombic": CELL[:3], "monoclinic": (*CELL[:3], "cell_beta"), "triclinic": CELL}


def _scenario(entry: dict[str, Any], amplitudes: torch.Tensor, metadata: dict[str, int]) -> Scenario:
    start, true = entry["start"], entry["truth"]
    crystal = CrystalConfig(
        *start["cell"], N_cells=tuple(map(float, start["N"])), misset_deg=tuple(start["misset"]),
        mosaic_spread_deg=true["mosaic"], mosaic_domains=20,
    )  # fmt: skip
    detector = DetectorConfig(spixels=256, fpixels=256, pixel_size_mm=0.4, distance_mm=true["distance"], oversample=2)
    beam = BeamConfig(wavelength_A=1.2, fluence=start["fluence"], polarization_factor=0.9)
    names = (*(f"crystal.{each}" for each in CONSTANTS[entry["system"]]), *MISSET, *N_CELLS, "beam.fluence")
    return Scenario(crystal, detector, beam, names=names, compat="c", hkl_data=amplitudes, hkl_metadata=metadata)


def drawn(scenario: Scenario, seed: int) -> torch.Tensor:
    """Counts of a scenario."""
    return torch.poisson(scenario.image(), generator=torch.Generator().manual_seed(seed))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "large", "coverage", "capture", "stills", "posterior", "design"))
    parser.add_argument("folder", nargs="?", type=Path, help="of noisy stills")
    parser.add_argument("--seeds", type=int, default=0, help="draws of noise (200), starts of each kind (3)")
    parser.add_argument("--draws", type=int, default=600, help="of each walker of a posterior")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"))
    given, console = parser.parse_args(), Console(width=170)
    if given.what == "stills" and given.folder is None:
        parser.error("stills: name the folder that holds truth.json, list.hkl.gz and the images.")
    {
        "steps": lambda: steps(console),
        "large": lambda: large(console),
        "coverage": lambda: coverage(given.seeds or 200, console),
        "capture": lambda: capture(given.seeds or 3, console, given.output),
        "stills": lambda: stills(given.folder, console),
        "posterior": lambda: posterior(given.draws, console),
        "design": lambda: design(console, given.output),
    }[given.what]()


if __name__ == "__main__":
    main()

"""Several panels in a run of the command: options that one panel alone has, and the experiment as files describe it."""

from dataclasses import replace

from nanobrag_torch.cli.counts import nexus_holds_counts, pedestal, saturation
from nanobrag_torch.cli.errors import CommandError, option_of
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.experiments import describe
from nanobrag_torch.io.description import Description, PanelDescription
from nanobrag_torch.validation import number_of

#: Settings of what one flat panel alone has: images in other formats, and single pixels.
_FLAT_ALONE = ("cbf_file", "int_file", "noise_file", "intfile_scale", "printout_pixel", "trace_pixel")
#: Bound of a trusted range that is none.
_UNBOUNDED = 1e30


def check_panels(conf: Configuration) -> None:
    """Raise ``CommandError`` for an option that one flat panel alone has."""
    s = conf.settings
    assert conf.panels is not None
    asked = [str(option_of(name)) for name in _FLAT_ALONE if name in s.given] + ["-printout"] * s.printout
    if asked:
        raise CommandError(
            f"{asked[0]}: {s.experiment_file} has several panels, and this is of images of one panel. Leave it out; "
            "-floatfile holds the photons of all panels, -nexusfile these or the counts of the detector."
        )
    edges = {tuple(number_of(edge) for edge in panel.edges_mm) for panel in conf.panels.panels}
    if conf.noise.psf != "none" and (len(edges) > 1 or len(set(*edges)) > 1):
        found = ", ".join(sorted(f"{fast:g} x {slow:g} mm" for fast, slow in edges))
        raise CommandError(
            f"-psf {conf.noise.psf}: {s.experiment_file} has pixels of {found}: must be squares of one size. "
            "Leave it out."
        )


def description_of(conf: Configuration, images: int = 1, with_panels: bool = True) -> Description:
    """The experiment of a configuration as other programs read it; pixels of several panels are those of its images.

    Args:
        conf: Configuration of the run.
        images: Images of its scan.
        with_panels: False describes the panel farthest from the beam in place of several.

    Raises:
        ValueError: It has what no description can hold.
    """
    s, several = conf.settings, with_panels and conf.panels is not None
    frame = None if s.experiment is None else s.experiment.description.frame
    detector = conf.rendered if several else conf.detector
    found = describe(conf.crystal, detector, conf.beam, images=images, frame=frame, compat=conf.compat)
    if not several:
        return found
    counts = nexus_holds_counts(conf)
    gain, offset = (float(conf.noise.gain), pedestal(conf, "nexus_file")) if counts else (1.0, 0.0)
    most = saturation(conf) if counts else None
    return replace(found, panels=tuple(_read_with(panel, gain, offset, most) for panel in found.panels))


def for_nexus(description: Description) -> Description:
    """The same for an NXmx file, which has no place for gain and pedestal."""
    return replace(description, panels=tuple(replace(panel, gain=1.0, pedestal=0.0) for panel in description.panels))


def _read_with(panel: PanelDescription, gain: float, offset: float, most: float | None) -> PanelDescription:
    """A panel whose photons are read with another gain, offset and largest count than those of its file."""
    low, high = panel.trusted or (-_UNBOUNDED, _UNBOUNDED)
    low, high = (
        bound if abs(bound) >= _UNBOUNDED else (bound - panel.pedestal) / panel.gain * gain + offset
        for bound in (low, high)
    )
    if offset:
        low = min(low, 0.0)  # readout noise goes below the offset
    high = high if most is None else min(high, most)
    trusted = (low, high) if panel.trusted is not None or most is not None else None
    return replace(panel, gain=gain, pedestal=offset, trusted=trusted)

"""Damaged experiment files: a reader answers any bytes with a value, or with an error that names the file."""

import warnings
from pathlib import Path

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobrag_torch.io.crystfel import read_geometry, read_stream
from nanobrag_torch.io.crystfel_writer import write_geometry, write_stream
from nanobrag_torch.io.description import BeamDescription, CrystalDescription, Description, PanelDescription
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry
from nanobrag_torch.io.nexus_geometry_writer import write_nexus_geometry

PANELS = tuple(
    PanelDescription(name, (6, 5), (0.1, 0.1), (x, -1.0, 90.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), slab=(0, 5 * n))
    for n, (name, x) in enumerate((("a", -3.0), ("b", 1.0)))
)
EXPERIMENT = Description(
    "McStas", BeamDescription(1.1), PANELS,
    crystal=CrystalDescription(((30.0, 0.0, 0.0), (0.0, 40.0, 0.0), (0.0, 0.0, 50.0))),
)  # fmt: skip
KINDS = {
    ".expt": (lambda path: write_experiments(path, [EXPERIMENT]), read_experiments),
    ".geom": (lambda path: write_geometry(path, EXPERIMENT), read_geometry),
    ".stream": (lambda path: write_stream(path, [EXPERIMENT]), lambda path: list(read_stream(path).experiments())),
    ".nxs": (lambda path: write_nexus_geometry(path, EXPERIMENT), read_nexus_geometry),
}
EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "double"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
    min_size=1, max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    for suffix, (write, _) in KINDS.items():
        write(folder / f"sound{suffix}")
    return folder


def damaged(content: bytes, edits) -> bytes:
    for kind, place, byte in edits:
        at = int(place * len(content))
        if kind == "set":
            content = content[:at] + bytes([byte]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        else:
            content = content[: at + byte] + content[at:]
    return content


@pytest.mark.parametrize("suffix", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_damage_is_a_value_or_an_error_that_names_the_file(sound: Path, suffix, edits):
    _, read = KINDS[suffix]
    path = sound / f"damaged{suffix}"
    path.write_bytes(damaged((sound / f"sound{suffix}").read_bytes(), edits))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read(path)
        except (ValueError, OSError) as error:
            assert "damaged" in f"{error}{getattr(error, 'filename', '')}"


@pytest.mark.parametrize("suffix", KINDS)
def test_nothing_a_folder_and_a_missing_file_are_refused(sound, suffix):
    _, read = KINDS[suffix]
    (sound / f"empty{suffix}").write_bytes(b"")
    (sound / f"folder{suffix}").mkdir(exist_ok=True)
    for name in ("empty", "folder"):
        with pytest.raises((ValueError, OSError), match=name):
            read(sound / f"{name}{suffix}")
    with pytest.raises(FileNotFoundError) as error:
        read(sound / f"missing{suffix}")
    assert "missing" in str(error.value.filename)


def test_links_that_lead_in_a_circle_end_in_an_error(sound):
    path = sound / "circle.nxs"
    write_nexus_geometry(path, EXPERIMENT)
    with h5py.File(path, "r+") as file:
        offset = file["/entry/instrument/detector/module_000/module_offset"]
        offset.attrs["depends_on"] = offset.name
    with pytest.raises(ValueError, match="depends on itself"):
        read_nexus_geometry(path)

"""Places of panels: trees of groups against matrices of scipy, pixels with unequal edges, and what hides what."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nanobrag_torch import Detector, DetectorConfig
from nanobrag_torch.kernel.weights import sample_solid_angles
from nanobrag_torch.models.panels import PanelledDetector
from nanobrag_torch.models.sight import View, first_hidden
from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig

LENGTH, ANGLE = st.floats(-20, 20), st.floats(-180, 180)


def made(panels, groups=(), **fields):
    return PanelledDetector(PanelledDetectorConfig(panels, groups, **fields), dtype=torch.float64)


@st.composite
def groups(draw):
    """Groups of which each stands in an earlier one or in the laboratory, with axes of their own."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        axes = Rotation.from_euler("xyz", draw(st.tuples(ANGLE, ANGLE, ANGLE)), degrees=True).as_matrix()
        found.append(
            PanelGroup(
                str(number), None if parent is None else str(parent), draw(st.tuples(LENGTH, LENGTH, LENGTH)),
                draw(st.tuples(ANGLE, ANGLE, ANGLE)), draw(st.tuples(LENGTH, LENGTH, LENGTH)),
                tuple(axes[:, 0]), tuple(axes[:, 1]),
            )
        )  # fmt: skip
    return found


def moved(point, group):
    """A point after the motion of one group, by scipy's matrices."""
    first, second = np.array(group.fast), np.array(group.slow)
    axes = np.stack([first, second, np.cross(first, second)], axis=1)
    turn = axes @ Rotation.from_euler("xyz", group.rotation_deg, degrees=True).as_matrix() @ axes.T
    pivot = np.array(group.pivot_mm)
    return pivot + turn @ (point - pivot) + axes @ np.array(group.shift_mm)


@given(groups())
@settings(max_examples=60, deadline=None)
def test_a_panel_goes_where_its_group_and_then_its_parents_move_it(tree):
    corner, fast, slow = np.array([300.0, 10.0, -5.0]), np.array([0, 0.6, 0.8]), np.array([0, -0.8, 0.6])
    panel = PanelConfig("a", 2, 2, 0.1, tuple(corner), tuple(fast), tuple(slow), group=tree[-1].name)
    config = PanelledDetectorConfig([panel], tree)
    points = [corner, corner + fast, corner + slow]
    for group in config.ancestors(tree[-1].name):
        points = [moved(point, group) for point in points]
    detector = PanelledDetector(config)
    place = detector._place(panel, detector._motion(panel.group, {}))
    found = [place.origin * 1e3, place.fast, place.slow]
    expected = [points[0], points[1] - points[0], points[2] - points[0]]
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value.numpy(), wanted, rtol=0, atol=1e-11 * 400)


def test_groups_at_rest_move_nothing_not_even_the_last_bit():
    fields = {
        "origin_mm": (123.4567, 8.9, -7.1),
        "fast": (0.1, 0.3, math.sqrt(0.9)),
        "slow": (0.3, math.sqrt(0.91), 0.0),
    }
    fields["slow"] = tuple(np.cross([math.sqrt(0.9), 0, -0.1], fields["fast"]) / np.linalg.norm([math.sqrt(0.9), 0.1]))
    tree = [PanelGroup("all", pivot_mm=(100.1, 3.3, 0.7)), PanelGroup("q", "all", pivot_mm=(7.7, 0.1, 50.3))]
    alone, within = made([PanelConfig("a", 3, 3, **fields)]), made([PanelConfig("a", 3, 3, group="q", **fields)], tree)
    assert torch.equal(alone.pixel_coords("a"), within.pixel_coords("a"))


def rectangle(a, b, distance):
    """Solid angle of a rectangle with one corner at the foot of its normal."""
    return math.atan(a * b / (distance * math.sqrt(a * a + b * b + distance * distance)))


def test_pixels_of_unequal_edges_lie_where_they_should_and_subtend_the_solid_angle_of_their_panel():
    # 12 x 20 mm with one corner at the foot of the normal, 50 mm away.
    detector = made([PanelConfig("a", 200, 40, (0.3, 0.1), (50.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))])
    position = detector.pixel_coords("a")
    assert position[17, 3].tolist() == pytest.approx([0.05, 17.5 * 1e-4, 3.5 * 3e-4], abs=1e-15)
    (panel,) = detector.scene_panels(detector.geometry(), 1)
    total = float(sample_solid_angles(panel, position.norm(dim=-1)).sum())
    assert total == pytest.approx(rectangle(0.012, 0.02, 0.05), rel=1e-5)


def test_a_panel_of_square_pixels_is_the_detector_of_one_panel_to_the_last_bit():
    one = Detector(
        DetectorConfig(spixels=5, fpixels=4, detector_rotx_deg=3.0, detector_rotz_deg=7.0), compat="physical"
    )
    place = one.geometry()
    config = PanelConfig(
        "a", 5, 4, 0.1, place.origin * 1e3, place.fast, place.slow, thick_um=320.0, abs_um=200.0, thicksteps=3
    )
    other = made([config])
    mine, theirs = other.geometry().panels[0], place
    torch.testing.assert_close(mine.normal, theirs.normal, rtol=0, atol=1e-15)
    torch.testing.assert_close(mine.origin, theirs.origin, rtol=1e-15, atol=0)
    (panel,) = other.scene_panels(other.geometry(), 2)
    assert panel.pixel_size.item() == 1e-4 and panel.layers == 3 and panel.attenuation.item() == pytest.approx(5e3)


def at(name, x, y, z, pixels=(10, 10), size=1.0, **fields):
    """A panel across the beam along x, with its middle at (x, y, z) mm."""
    return PanelConfig(name, *pixels, size, (x, y + pixels[0] * size / 2, z - pixels[1] * size / 2), **fields)


def test_a_panel_between_source_and_sample_is_named_unless_a_hole_lets_the_beam_through():
    behind = {"x": -50.0, "y": 0.2, "z": 0.2}
    with pytest.raises(ValueError, match=r"panel 'back' stands between source and sample.*\(5, 4\)"):
        made([at("front", 100, 0, 0), at("back", **behind)]).geometry()
    hole = torch.ones(10, 10)
    hole[5, 4] = 0
    assert len(made([at("front", 100, 0, 0), at("back", **behind, mask_array=hole)]).geometry().panels) == 2


def test_panels_that_hide_each_other_are_named_unless_that_is_allowed():
    panels = [at("far", 200, 0, 0), at("apart", 100, 30, 0), at("near", 100, 6, 0)]
    with pytest.raises(ValueError, match=r"panels 'far' and 'near' overlap .* nearer one, 'near', hides the other"):
        made(panels).geometry()
    assert len(made(panels, may_overlap=True).geometry().panels) == 3


def test_a_plane_that_holds_the_sample_is_refused_by_the_name_of_its_panel():
    with pytest.raises(ValueError, match="the sample lies in the plane of panel 'flat'"):
        made([PanelConfig("flat", 4, 4, 0.1, (0.0, 5.0, 5.0))]).geometry()


@given(st.lists(st.tuples(*[st.floats(-1, 1)] * 4), min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_panels_hide_each_other_exactly_where_a_ray_through_the_inside_of_one_meets_the_other(numbers):
    views = []
    for index, (a, b, c, distance) in enumerate(numbers):
        turn = Rotation.from_euler("xyz", [120 * a, 90 * b, 180 * c], degrees=True).as_matrix()
        origin = turn @ np.array([3 + distance, -1.0, -1.0])
        views.append(View(str(index), (20, 20), (*origin, *(turn[:, 1] / 10), *(turn[:, 2] / 10), *turn[:, 0])))
    grid = np.stack(np.meshgrid(np.arange(2.5, 20, 2.5), np.arange(2.5, 20, 2.5)), -1).reshape(-1, 2)
    touching = set()
    for one, view in enumerate(views):
        row = np.array(view.row)
        rays = row[0:3] + grid[:, :1] * row[3:6] + grid[:, 1:] * row[6:9]
        for other, seen in enumerate(views):
            if one != other and any(seen.hit(ray / np.linalg.norm(ray)) is not None for ray in rays):
                touching.add(frozenset((one, other)))
    found = first_hidden(views)
    if touching:
        assert found is not None
    if found is not None:  # more than a pixel is shared: a fine grid over all of a panel finds a ray
        assert frozenset(found) in touching or _shared(views[found[0]], views[found[1]])


def _shared(one, other):
    """True where a ray through a fine grid over one panel meets the other."""
    grid = np.stack(np.meshgrid(np.linspace(0, 20, 81), np.linspace(0, 20, 81)), -1).reshape(-1, 2)
    row = np.array(one.row)
    rays = row[0:3] + grid[:, :1] * row[3:6] + grid[:, 1:] * row[6:9]
    return any(other.hit(ray / np.linalg.norm(ray)) is not None for ray in rays)

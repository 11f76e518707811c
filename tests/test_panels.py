"""Configs of panels and groups: what they refuse, and how."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig


def panel(name="a", **fields):
    return PanelConfig(name, **{"spixels": 4, "fpixels": 3, **fields})


PANEL_ERRORS = {
    "name": ({"name": "a[0]"}, ["PanelConfig.name = 'a[0]'", "without brackets"]),
    "no pixels": ({"spixels": 0}, ["PanelConfig('a').spixels = 0", "at least 1"]),
    "pixel size": ({"pixel_size_mm": (0.1, -0.2)}, ["PanelConfig('a').pixel_size_mm = -0.2", "greater than 0"]),
    "three edges": ({"pixel_size_mm": (0.1, 0.2, 0.3)}, ["pixel_size_mm", "2 numbers", "(fast, slow)"]),
    "no place": ({"origin_mm": (1.0, float("nan"), 0.0)}, ["PanelConfig('a').origin_mm[1] = nan", "finite"]),
    "long vector": ({"fast": (0.0, 0.0, 2.0)}, ["PanelConfig('a').fast", "unit length, not 2", "pixel_size_mm"]),
    "skew": ({"fast": (0.0, 0.6, 0.8)}, ["PanelConfig('a').fast, slow", "perpendicular", "-0.6"]),
    "mask": ({"mask_array": torch.ones(3, 4)}, ["PanelConfig('a').mask_array = 'tensor of shape (3, 4)'", "(4, 3)"]),
    "gain": ({"gain": 0.0}, ["PanelConfig('a').gain = 0.0", "greater than 0"]),
    "offset": ({"raw_offset": (0, -1)}, ["PanelConfig('a').raw_offset[1] = -1", "at least 0"]),
    "layers": ({"thicksteps": -2}, ["PanelConfig('a').thicksteps = -2", "-1 (automatic)"]),
}  # fmt: skip


@pytest.mark.parametrize("case", PANEL_ERRORS)
def test_a_panel_that_cannot_be_is_named_with_what_is_allowed(case):
    fields, words = PANEL_ERRORS[case]
    with pytest.raises(ValueError) as error:
        panel(**fields)
    assert all(word in str(error.value) for word in words), error.value


def detector(panels=None, groups=(), **fields):
    return PanelledDetectorConfig(panels or [panel()], groups, **fields)


DETECTOR_ERRORS = {
    "none": (lambda: PanelledDetectorConfig(), ["at least one PanelConfig"]),
    "twice": (lambda: detector([panel("a"), panel("b"), panel("a")]), ["panels[2].name = 'a'", "panels[0]"]),
    "group twice": (lambda: detector(groups=[PanelGroup("q"), PanelGroup("q")]), ["groups[1].name = 'q'"]),
    "no group": (lambda: detector([panel(group="q")], [PanelGroup("p")]), ["PanelConfig('a').group = 'q'", "'p'"]),
    "no parent": (lambda: detector(groups=[PanelGroup("q", parent="all")]), ["PanelGroup('q').parent = 'all'"]),
    "own parent": (lambda: detector(groups=[PanelGroup("q", parent="q")]), ["'q' in 'q'", "parent=None"]),
    "circle": (
        lambda: detector(groups=[PanelGroup("a", "b"), PanelGroup("b", "c"), PanelGroup("c", "b")]),
        ["'b' in 'c' in 'b'"],
    ),
    "no panel": (lambda: detector([panel(), "b"]), ["panels[1] is a str, must be a PanelConfig"]),
    "one offset": (lambda: detector([panel(raw_offset=(0, 0)), panel("b")]), ["PanelConfig('b').raw_offset = None"]),
    "shared": (
        lambda: detector([panel(raw_offset=(0, 0)), panel("b", raw_offset=(2, 3))]),
        ["PanelConfig('b').raw_offset = (2, 3)", "outside panel 'a'", "3 x 4 pixels begin at (0, 0)"],
    ),
    "region": (lambda: detector(roi_xmax=3), ["roi_xmin, roi_xmax = (0, 3)", "roi_xmax <= 2"]),
    "beam": (lambda: detector(beam_vector=(0, 0, 0)), ["beam_vector", "non-zero length"]),
}


@pytest.mark.parametrize("case", DETECTOR_ERRORS)
def test_a_detector_that_cannot_be_is_named_with_what_is_allowed(case):
    make, words = DETECTOR_ERRORS[case]
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in words), error.value


def test_an_unknown_panel_or_field_is_refused_by_name():
    config = detector(groups=[PanelGroup("q")])
    with pytest.raises(ValueError, match="panels = 'b': must be one of 'a'"):
        config.panel("b")
    with pytest.raises(AttributeError, match="Did you mean 'shift_mm'"):
        config.group("q").shift_m = (0, 0, 1)


@given(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_groups_are_refused_exactly_where_one_stands_in_itself_or_in_none(parents):
    groups = [PanelGroup(str(n), None if p is None else str(p)) for n, p in enumerate(parents)]

    def rooted(number):
        for _ in parents:
            number = parents[number]
            if number is None:
                return True
            if number >= len(parents):
                return False
        return False

    if all(map(rooted, range(len(parents)))):
        found = detector([panel(group="0")], groups).ancestors("0")
        assert found[0].name == "0" and found[-1].parent is None
    else:
        with pytest.raises(ValueError, match="parent"):
            detector([panel(group="0")], groups)


def test_panels_without_offsets_are_stacked_along_slow_and_the_widest_decides():
    config = detector([panel(), panel("b", spixels=2, fpixels=5)])
    assert (config.spixels, config.fpixels) == (6, 5)
    assert config.roi() == ((0, 5), (0, 4))

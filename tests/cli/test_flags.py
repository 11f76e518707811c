"""The table of options."""

from dataclasses import fields

import pytest

from nanobrag_torch.cli.flags import FLAGS, flag_named, format_help, format_markdown
from nanobrag_torch.cli.parse import READERS
from nanobrag_torch.cli.settings import Settings

SETTINGS = {item.name for item in fields(Settings)}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_an_option_changes_settings_that_exist(flag):
    assert {*flag.sets, *flag.also} <= SETTINGS
    assert flag.kind in READERS


#: What was said, and what an experiment file brings as it is, beside what its options set.
BROUGHT = {"given", "experiment", "panels", "stars", "mask_pixels", "spectrum"}


def test_every_setting_can_be_reached_from_the_command_line():
    assert {name for flag in FLAGS for name in (*flag.sets, *flag.also)} == SETTINGS - BROUGHT


def test_no_name_belongs_to_two_options():
    names = [name.rstrip("*") for flag in FLAGS for name in flag.names]
    assert len(names) == len(set(names))


def test_help_lists_every_name_with_its_unit_and_default():
    text = format_help()
    for flag in FLAGS:
        line = next(line for line in text.splitlines() if line.split()[:1] in ([flag.name], [f"{flag.name},"]))
        assert flag.help in line
        assert flag.unit in line
        assert flag.default in line


def test_the_table_of_the_documentation_has_a_row_for_every_option():
    rows = [line for line in format_markdown().splitlines() if line.startswith("| `")]
    for row, flag in zip(rows, FLAGS, strict=True):
        assert row.startswith(f"| `{flag.name}`") and row.endswith(f"| {flag.help} |")


@pytest.mark.parametrize(
    ("name", "values", "changes"),
    [
        ("-N", (7,), {"Na": 7, "Nb": 7, "Nc": 7}),
        ("-misset", ("random",), {"misset_random": True}),
        ("-misset", (1.0, 2.0, 3.0), {"misset_deg": (1.0, 2.0, 3.0)}),
        ("-energy", (12398.42,), {"wavelength_A": 1.0000000000000002}),
        ("-pix0_vector_mm", (100.0, 5.0, -5.0), {"pix0_vector_m": (0.1, 0.005, -0.005)}),
    ],
)
def test_values_enter_the_settings_as_documented(name, values, changes):
    settings = Settings()
    flag_named(name).apply(settings, values)
    for setting, value in changes.items():
        assert getattr(settings, setting) == pytest.approx(value)


@pytest.mark.parametrize("depth", [0.0, float("inf")])
def test_a_sensor_that_absorbs_nothing_has_no_thickness(depth):
    settings = Settings(detector_thick_um=300.0)
    flag_named("-detector_abs").apply(settings, (depth,))
    assert settings.detector_thick_um == 0.0


@pytest.mark.parametrize(("name", "value"), [("-energy", 0.0), ("-energy", -5.0), ("-pivot", "corner")])
def test_an_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        flag_named(name).apply(Settings(), (value,))

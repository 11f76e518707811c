import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

import nanobrag_torch
from nanobrag_torch.compat import PRESETS, Compat


def test_a_preset_is_found_by_name_and_a_record_stands_for_itself():
    assert Compat.of(None) is PRESETS["physical"] is PRESETS["fixed"]
    own = Compat.of("c").with_changes(cell_construction="exact")
    assert Compat.of(own) is own and own.name == "c+cell_construction=exact"


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(ValueError, match=r"'C'.*c, physical, fixed, legacy_torch"):
        Compat.of("C")


def test_a_record_is_frozen_and_lists_all_its_choices():
    with pytest.raises(FrozenInstanceError):
        Compat().omega_sampling = "first"
    assert set(Compat().as_dict()) == {field.name for field in fields(Compat)}


def test_the_c_preset_differs_from_physics_in_every_deviation_that_touches_the_image():
    same = {name for name, value in PRESETS["c"].as_dict().items() if value == PRESETS["physical"].as_dict()[name]}
    assert same == {"misset_random_cap", "strict_c_files"}


def test_every_choice_is_read_where_the_simulator_decides():
    package = Path(nanobrag_torch.__file__).parent
    text = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "compat.py")
    unread = [field.name for field in fields(Compat) if not re.search(rf"\.{field.name}\b", text)]
    assert unread == []

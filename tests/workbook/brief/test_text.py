import pytest

from nanobrag_torch.workbook.brief import text as brief_text
from nanobrag_torch.workbook.errors import InputError

REQUIRED = "".join(f"{name}: x\n" for name, required in brief_text.FIELDS.items() if required)


def test_items_folds_and_fences_belong_to_the_field_above() -> None:
    fields = brief_text.split_fields(
        REQUIRED + "How-To Map:\n- first\n  folded\n```\n Summary: kept  as it is\n\n```\n- second\n"
    )
    first, second = fields["How-To Map"]
    assert (first.text, first.scripts) == ("first folded", [" Summary: kept  as it is\n"])
    assert (second.text, second.scripts) == ("second", [])


def test_a_line_in_the_first_column_without_a_colon_is_folded_too() -> None:
    text = REQUIRED.replace("Summary: x", "Summary: one\ntwo three")
    assert brief_text.split_fields(text)["Summary"][0].text == "one two three"


def test_an_unknown_field_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="The nearest field is 'Mapped tests'"):
        brief_text.split_fields(REQUIRED.replace("Mapped tests", "Mapped Test"))


def test_a_script_without_an_end_names_its_field() -> None:
    with pytest.raises(InputError, match="brief, How-To Map: got 'a script without an end'"):
        brief_text.split_fields(REQUIRED + "How-To Map:\n- run\n```\nnever closed\n")


def test_text_before_the_first_field_is_refused() -> None:
    with pytest.raises(InputError, match="line 1"):
        brief_text.split_fields("hello\n" + REQUIRED)


def test_an_empty_required_field_is_named() -> None:
    with pytest.raises(InputError, match="brief, Branch: got 'nothing'"):
        brief_text.split_fields(REQUIRED.replace("Branch: x", "Branch:"))


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x85", "\u202e", "\u2028"])
def test_characters_that_would_deceive_a_reader_are_refused(character: str) -> None:
    with pytest.raises(InputError, match="line 1"):
        brief_text.split_fields(REQUIRED.replace("Summary: x", f"Summary: x{character}y"))

"""The check of a notebook's parameters in the kernel, where a person has typed them."""

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nanobrag_torch.workbook.cells import parameters
from nanobrag_torch.workbook.errors import InputError


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, *cells: str) -> None:
    for cell in cells:
        assert shell.run_cell(cell, store_history=True).success


GOOD = 'size: int = 3  # [pixels] 1 .. 4: how many\nkind: str = "a"  # {a | b}: which'


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([GOOD.replace("= 3", "= 5")], "size: got 5; allowed: an integer from 1 to 4 pixels"),
        ([GOOD.replace("= 3", "= 3.0")], "size: got 3.0"),
        ([GOOD.replace('"a"  #', '"c"  #')], "kind: got 'c'; allowed: a or b"),
        ([GOOD, "size = 9"], "size: got 9"),
        ([GOOD.replace("= 3", "= 5"), GOOD, GOOD.replace("= 3", "= 7")], "size: got 7"),
        (["%pprint\n" + GOOD.replace("  # {a | b}: which", "")], "Say behind '#' what it is"),
    ],
)
def test_a_value_that_is_not_allowed_is_an_error(shell: InteractiveShell, cells: list[str], said: str) -> None:
    run(shell, *cells)
    with pytest.raises(InputError) as error:
        parameters.check()
    assert said in str(error.value)


@pytest.mark.parametrize("cells", [[GOOD], [GOOD, "size = 4", "x = 1"], ["x = 1"], [GOOD.replace("= 3", "= 9"), GOOD]])
def test_values_that_are_allowed_say_nothing(shell: InteractiveShell, cells: list[str]) -> None:
    run(shell, *cells)
    parameters.check()


def test_where_no_cell_can_be_seen_there_is_nothing_to_check() -> None:
    InteractiveShell.clear_instance()
    parameters.check()

import pytest

from nanobrag_torch.workbook.brief import pytest_command as commands
from nanobrag_torch.workbook.errors import InputError


def test_a_command_is_rebuilt_from_what_was_recognised() -> None:
    command = commands.recognise(
        "env KMP_DUPLICATE_LIB_OK=TRUE python -m pytest -x --tb long tests/test_a.py::TestB::test_c[1-x] "
        "--junitxml reports/i/p/$STAMP/pytest.xml"
    )
    assert command.guards == {"KMP_DUPLICATE_LIB_OK": "TRUE"}
    assert command.options == ("-x", "--tb=long")
    assert command.tests == ("tests/test_a.py::TestB::test_c[1-x]",)
    assert command.junit == "reports/i/p/$STAMP/pytest.xml"
    assert command.shown() == "env KMP_DUPLICATE_LIB_OK=TRUE pytest -x --tb=long 'tests/test_a.py::TestB::test_c[1-x]'"


def test_guards_need_no_env_in_front() -> None:
    assert commands.recognise("NANOBRAGG_DISABLE_COMPILE=1 pytest test_a.py").guards == {
        "NANOBRAGG_DISABLE_COMPILE": "1"
    }


def test_a_guard_given_twice_with_two_values_is_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        commands.recognise("env NANOBRAGG_DISABLE_COMPILE=1 NANOBRAGG_DISABLE_COMPILE=0 pytest test_a.py")


@pytest.mark.parametrize("options", ["-vv --maxfail 1", "-q --durations=3 --timeout=60", ""])
def test_options_from_the_list_pass(options: str) -> None:
    assert commands.check_options(options) == tuple(
        word for word in options.replace("--maxfail 1", "--maxfail=1").split()
    )


@pytest.mark.parametrize(
    "options", ["-n 4", "--pdb", "--maxfail", "-vv=3", "tests/test_x.py", "--junitxml=x.xml", "-vv;id"]
)
def test_other_options_do_not(options: str) -> None:
    with pytest.raises(InputError):
        commands.check_options(options)


@pytest.mark.parametrize(
    "node", ["--co", "tests/../../x.py", "/x.py", "tests/x.txt", "x.py::a b", "-x.py", "tests//x.py"]
)
def test_a_test_id_stays_within_the_project(node: str) -> None:
    with pytest.raises(InputError, match="a test id such as"):
        commands.check_test(node)

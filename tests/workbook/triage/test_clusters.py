"""Failures with one cause are one cluster, and keep its name."""

import pytest

from nanobrag_torch.workbook.records.triage import Failure, Frame, TestResult
from nanobrag_torch.workbook.triage.clusters import REMEDIES, clusters, key, normalise, remedy


def failed(test: str, message: str, exception: str = "AssertionError", line: int = 10) -> TestResult:
    frame = Frame(path="tests/test_a.py", line=line, function="check")
    failure = Failure(exception=exception, message=message, frame=frame)
    return TestResult(id=test, outcome="failed", seconds=0.1, failure=failure)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("assert 1.25 == 3e-7", "assert -12 == .5"),
        ("<Detector object at 0x7f3a10>", "<Detector object at 0xdeadbeef>"),
        ("no file /home/ana/run 1/data.hkl", "no file /scratch/b/data.hkl"),
        (
            "\x1b[31mlost\x1b[0m   job 12ab34cd-1234-5678-9abc-123456789abc",
            "lost job 00000000-0000-0000-0000-000000000000",
        ),
        ("first line 3\nsecond", "first line 4\nanother"),
        ("shape (3, 4, 5)", "shape (2, 2)"),
        ("assert 'amber' == 'xenotime'", "assert 'basalt' == 'xenotime'"),
        ("assert 'it\\'s' in ['a', 'b', 'c']", "assert \"it's\" in ['a', 'b']"),
        ("assert b'\\x00' == b'12'", "assert b'' == b'abc'"),
        ("lost \x1b[31m'amber'\x1b[0m", "lost 'basalt'"),
        ("'amber'", "'/data/run 7/basalt.img'"),
        ("it can't read '/data/a.img' at 0x1f", "it can't read '/home/b.img' at 0x2e"),
        ("'data_\\udcff.img' is unknown", "'data.img' is unknown"),
    ],
)
def test_what_changes_from_run_to_run_is_not_part_of_a_message(one, other):
    assert normalise(one) == normalise(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cell_a is zero", "cell_b is zero"),
        ("no file /home/a/data.hkl", "no file /home/a/other.hkl"),
        ("float32 expected", "float64 expected"),
        ("it can't be opened, and won't be", "it can't be closed, and won't be"),
        ("no 'amber' was found", "too much 'amber' was found"),
    ],
)
def test_what_names_a_cause_stays_in_a_message(one, other):
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize("exception", ["ModuleNotFoundError", "ImportError", "FixtureLookupError"])
def test_the_name_of_what_is_missing_stays_though_it_is_quoted(exception):
    one, other = (f"No module named '{name}'" for name in ("gemmi", "fabio"))
    assert normalise(one, exception) != normalise(other, exception)
    assert normalise(one, "AssertionError") == normalise(other, "AssertionError")


def test_the_failures_of_one_assertion_for_many_parameters_are_one_cluster():
    names = ["amber", "basalt", "it's", 'a "quoted" one', "/data/a b.img", "17", "", "0xff", "data_\\udcff"]
    tests = [failed(f"test_known[{name}]", f"AssertionError: assert {name!r} == 'xenotime'") for name in names]
    (only,) = clusters(tests)
    assert only.pattern == "AssertionError: assert 'VALUE' == 'VALUE'" and len(only.tests) == len(names)


def test_a_line_that_moved_leaves_the_cluster_where_it_was():
    one, other = failed("t", "assert 1 == 2").failure, failed("t", "assert 3 == 4", line=99).failure
    assert one is not None and other is not None and key(one) == key(other)


def test_exception_message_and_function_each_make_another_cluster():
    one = failed("t", "lost").failure
    assert one is not None and one.frame is not None
    others = [
        one.model_copy(update={"exception": "ValueError"}),
        one.model_copy(update={"message": "found"}),
        one.model_copy(update={"frame": one.frame.model_copy(update={"function": "other"})}),
        one.model_copy(update={"frame": one.frame.model_copy(update={"path": "tests/test_b.py"})}),
    ]
    assert len({key(one), *map(key, others)}) == 5


def test_the_largest_cluster_comes_first_whatever_the_order_of_the_tests():
    tests = [failed("a", "lonely"), failed("b", "pair 1"), failed("c", "pair 2"), failed("d", "alone")]
    found = clusters(tests)
    assert found == clusters(reversed(tests))
    assert [(cluster.label, len(cluster.tests)) for cluster in found] == [("C1", 2), ("C2", 1), ("C3", 1)]
    assert found[0].tests == ("b", "c") and found[0].pattern == "pair N"
    assert found[1].key < found[2].key


def test_a_cluster_keeps_its_name_when_others_appear_and_go():
    before = clusters([failed("a", "old"), failed("b", "gone"), failed("c", "gone")])
    names = {cluster.pattern: cluster.label for cluster in before}
    now = clusters(
        [failed("a", "old"), *(failed(f"n{i}", "fresh") for i in range(5))],
        {cluster.key: cluster.label for cluster in before},
    )
    assert {cluster.pattern: cluster.label for cluster in now} == {"old": names["old"], "fresh": "C3"}


def test_tests_that_did_not_fail_are_in_no_cluster():
    assert clusters([TestResult(id="a", outcome="passed", seconds=0.1)]) == ()


@pytest.mark.parametrize(
    ("exception", "word"),
    [
        ("ModuleNotFoundError", "Install"),
        ("torch.autograd.gradcheck.GradcheckError", "doctor"),
        ("torch.OutOfMemoryError", "smaller"),
        ("TimeLimit", "longer limit"),
        ("some.package.StrangeError", "frame"),
    ],
)
def test_every_exception_has_a_remedy(exception, word):
    assert word in remedy(exception)


def test_the_last_remedy_is_for_everything():
    assert REMEDIES[-1][0] == ""

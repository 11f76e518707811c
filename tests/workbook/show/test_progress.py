import signal
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.report import page
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.progress import PROGRESS_TYPE

_VERDICT = Verdict(code="right", status="passed", title="Right", sentence="It is right.")
_LONG = """
import sys, time
from nanobrag_torch.workbook.show import progress
with progress.shown("The scan") as work:
    for each in work.each(range(1000)):
        sys.stdout.write("begun" if each == 0 else "")
        sys.stdout.flush()
        time.sleep(0.05)
made = each
"""
_AFTER = """
from nanobrag_torch.workbook.records.run import Verdict
print(work.interrupted, 0 < made < 999)
print(progress.said(Verdict(code="c", status="passed", title="t", sentence="It is right.")).sentence)
"""


@pytest.fixture(autouse=True)
def begun_anew() -> Iterator[None]:
    progress.forget()
    yield
    progress.forget()


def test_an_interruption_ends_the_work_alone_and_a_verdict_says_so() -> None:
    seen = []
    with progress.shown("The scan") as work:
        for each in work.each(range(10)):
            if each == 3:
                raise KeyboardInterrupt
            seen.append(each)
    assert work.interrupted and seen == [0, 1, 2]
    said = progress.said(_VERDICT)
    assert said.sentence == "It is right. Interrupted, so nothing is said of it: The scan."
    assert said.model_copy(update={"sentence": _VERDICT.sentence}) == _VERDICT


def test_work_that_is_done_in_a_second_try_is_no_longer_missed() -> None:
    with progress.shown("The scan"):
        raise KeyboardInterrupt
    with progress.shown("The scan") as work:
        assert list(work.each("ab")) == ["a", "b"]
    assert not work.interrupted and progress.said(_VERDICT) == _VERDICT


def test_other_work_of_the_same_name_does_not_make_up_for_what_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    executed = {"dark": 1, "lit": 2}
    for cell in executed:
        monkeypatch.setattr(progress, "_cell", lambda cell=cell: (cell, executed[cell]))
        for interrupted in (cell == "dark", False):
            with progress.shown("The scan"):
                if interrupted:
                    raise KeyboardInterrupt
    assert progress.said(_VERDICT).sentence.endswith("nothing is said of it: The scan.")
    monkeypatch.setattr(progress, "_cell", lambda: ("dark", 3))
    with progress.shown("The scan"):
        pass
    assert progress.said(_VERDICT) == _VERDICT


@pytest.mark.parametrize("first", [0, 1])
def test_an_interruption_of_the_display_is_told_and_leaves_no_bar(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    calls: list[str] = []

    def show(self: progress.Work, told: str, bar: str) -> None:
        self._shown = True
        calls.append(bar + told)
        if len(calls) - 1 == first:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Work, "_show", show)
    with pytest.raises(KeyboardInterrupt), progress.shown("The scan"):
        raise KeyboardInterrupt
    assert calls[-1].startswith("interrupted after ")
    assert progress.said(_VERDICT).sentence.endswith("nothing is said of it: The scan.")


def test_an_interruption_of_what_is_needed_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt), progress.shown("The image", needed=True):
        raise KeyboardInterrupt


def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ValueError, match="wrong"), progress.shown("The scan") as work:
        raise ValueError("wrong")
    assert not work.interrupted and progress.said(_VERDICT) == _VERDICT


def test_a_notebook_whose_kernel_is_interrupted_goes_on_and_keeps_a_line_of_text(tmp_path: Any) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(c)) for c in (_LONG, _AFTER)])
    begun = threading.Event()

    class Client(NotebookClient):
        def process_message(self, msg: Any, *rest: Any) -> Any:
            if msg["msg_type"] == "stream":
                begun.set()
            return super().process_message(msg, *rest)

    client = Client(notebook, timeout=120, kernel_name="python3")

    def interrupt() -> None:
        assert begun.wait(120)
        time.sleep(0.3)
        client.km.provisioner.process.send_signal(signal.SIGINT)

    waiting = threading.Thread(target=interrupt, daemon=True)
    waiting.start()
    client.execute()
    waiting.join()
    first, second = notebook.cells
    (bar,) = (out for out in first.outputs if PROGRESS_TYPE in out.get("data", {}))
    assert bar.data["text/plain"].startswith("The scan: interrupted after ")
    assert "<progress" not in bar.data["text/html"] and len(str(bar)) < 500
    assert second.outputs[0].text == "True True\nIt is right. Interrupted, so nothing is said of it: The scan.\n"
    file = tmp_path / "notebook.ipynb"
    nbformat.write(notebook, file)
    assert [output.text for cell in page._cells(file) for output in cell.outputs if "The scan: " in output.text] == []


def test_a_terminal_of_ipython_shows_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.setattr("IPython.get_ipython", interactive.InteractiveShell)
    with progress.shown("The scan") as work:
        work.at(0.5, "a step")
    assert capsys.readouterr().out == ""

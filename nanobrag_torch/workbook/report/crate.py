"""Metadata of a report as an RO-Crate 1.1, by which archives and viewers of research objects know what is in it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.folder import PAGE

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

#: SPDX identifier, or the address of a licence.
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*|https?://[^\s\x00-\x20\"<>\\^`{|}]+")
#: DOI without its resolver, and ORCID, whose last sign is a check digit.
DOI = re.compile(r"10\.[0-9]{4,9}/[^\s\x00-\x20\"<>]+")
ORCID = re.compile(r"([0-9]{4}-){3}[0-9]{3}[0-9X]")
#: Terms that the context of RO-Crate 1.1 lacks, with the address that RO-Crates of runs give them.
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
#: Media type of a file by the end of its name.
TYPES = {
    ".html": "text/html", ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".md": "text/markdown",
    ".png": "image/png", ".svg": "image/svg+xml", ".csv": "text/csv", ".xml": "application/xml",
    ".parquet": "application/vnd.apache.parquet", ".sig": "application/octet-stream",
}  # fmt: skip
_PLAIN = "text/plain"
_SOFTWARE = "nanobrag-torch"


@dataclass(frozen=True)
class Crate:
    """Request for a research object.

    Attributes:
        licence: SPDX identifier or address of its licence.
        person: name and e-mail address of whoever shares it.
        doi: its DOI, where a repository has reserved one.
        orcid: ORCID of the person.
    """

    licence: str
    person: tuple[str, str] | None = None
    doi: str = ""
    orcid: str = ""


def metadata(manifest: Manifest, sizes: dict[str, int], asked: Crate) -> dict[str, Any]:
    """JSON-LD of the crate of a report.

    Args:
        manifest: manifest of the report.
        sizes: name of each file in the crate -> its size in bytes.
        asked: licence, DOI, and who shares it.

    Raises:
        InputError: licence, DOI or ORCID is none, or an ORCID is nobody's.
    """
    _check(asked)
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(_TERMS)
    about = f"{manifest.initiative}, {manifest.phase}, {manifest.stamp}"
    crate.name = f"{about}: {manifest.verdict.title}"
    crate.description = f"{manifest.verdict.opening} {manifest.verdict.sentence}".strip()
    crate.datePublished = manifest.finished
    terms = {"@type": "CreativeWork", "name": asked.licence}
    crate.license = crate.add(ContextEntity(crate, _address(asked.licence), terms))
    if asked.doi:
        crate.root_dataset["identifier"] = f"https://doi.org/{asked.doi}"
    author = _person(crate, *asked.person, asked.orcid) if asked.person else None
    if author:
        crate.root_dataset["author"] = author
    for name, size in sizes.items():
        sha256 = {"sha256": manifest.files[name]} if name in manifest.files else {}
        words = {"name": name, "contentSize": str(size), "encodingFormat": TYPES.get(Path(name).suffix, _PLAIN)}
        crate.add_file(dest_path=name, properties=words | sha256)
    if PAGE in sizes:
        crate.mainEntity = crate.dereference(PAGE)
    _add_run(crate, manifest, author)
    described: dict[str, Any] = crate.metadata.generate()
    return described


def _check(asked: Crate) -> None:
    """Raise ``InputError`` for what archives of research data would not take."""

    def demand(right: bool, name: str, given: str, allowed: str, remedy: str) -> None:
        if not right:
            raise InputError.of("export", name, given or "none", allowed, remedy)

    demand(
        bool(LICENCE.fullmatch(asked.licence)), "licence", asked.licence,
        "an SPDX identifier, as CC-BY-4.0, or an address",
        "Give --licence: a research object says under which terms it may be used.",
    )  # fmt: skip
    demand(
        not asked.doi or bool(DOI.fullmatch(asked.doi)), "doi", asked.doi, "a DOI such as 10.5281/zenodo.1234567",
        "Give the one that the repository has reserved, without https://doi.org/.",
    )  # fmt: skip
    demand(
        not asked.orcid or _is_orcid(asked.orcid), "orcid", asked.orcid, "an ORCID such as 0000-0002-1825-0097",
        "Its last sign is a check digit: look for a mistyped one.",
    )  # fmt: skip
    demand(
        not asked.orcid or asked.person is not None, "orcid", asked.orcid, "the ORCID of a person with a name",
        "Tell git your name: git config user.name.",
    )  # fmt: skip


def _is_orcid(text: str) -> bool:
    """Tell whether a text is an ORCID whose check digit is right (ISO 7064, MOD 11-2)."""
    if not ORCID.fullmatch(text):
        return False
    *digits, last = list(text.replace("-", ""))
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    return "0123456789X".index(last) == (12 - total % 11) % 11


def _add_run(crate: "ROCrate", manifest: Manifest, author: Any) -> None:
    """Add the run as an action: its software, notebook, parameters, and the report that it made."""
    from rocrate.model.contextentity import ContextEntity

    versions = manifest.environment.versions if manifest.environment else {}
    made_with = [_program(crate, name, {"version": version}) for name, version in versions.items() if name != _SOFTWARE]
    known = {"version": versions[_SOFTWARE]} if _SOFTWARE in versions else {}
    software = _program(crate, _SOFTWARE, known)
    software["softwareRequirements"] = made_with
    source = {"@type": "SoftwareSourceCode", "name": manifest.notebook, "sha256": manifest.notebook_sha256}
    if manifest.repository.commit:
        source["version"] = manifest.repository.commit + (" and changes" if manifest.repository.dirty else "")
    inputs = [crate.add(ContextEntity(crate, "#source", source))]
    for name, entry in manifest.parameters.items():
        value = {"@type": "PropertyValue", "name": name, "value": str(entry.value)}
        value |= {"unitText": entry.unit} if entry.unit else {}
        inputs.append(crate.add(ContextEntity(crate, _id("parameter", name), value)))
    action = {
        "@type": "CreateAction", "name": f"Run of {manifest.notebook}", "startTime": manifest.started,
        "endTime": manifest.finished, "actionStatus": f"http://schema.org/{_ACTIONS.get(manifest.status, _ENDED)}",
    }  # fmt: skip
    run = crate.add(ContextEntity(crate, "#run", action))
    run["instrument"], run["object"], run["result"] = software, inputs, crate.root_dataset
    if author:
        run["agent"] = author
    crate.root_dataset["mentions"] = run


_ENDED = "CompletedActionStatus"
_ACTIONS = {"blocked": "FailedActionStatus", "interrupted": "FailedActionStatus"}


def _program(crate: "ROCrate", name: str, known: dict[str, str]) -> Any:
    from rocrate.model.contextentity import ContextEntity

    words = {"@type": "SoftwareApplication", "name": name} | known
    return crate.add(ContextEntity(crate, _id("software", name), words))


def _person(crate: "ROCrate", name: str, address: str, orcid: str) -> Any:
    from rocrate.model.person import Person

    words = {"name": name} | ({"email": address} if address else {})
    return crate.add(Person(crate, f"https://orcid.org/{orcid}" if orcid else _id("person", name), words))


def _address(licence: str) -> str:
    return licence if ":" in licence else f"https://spdx.org/licenses/{licence}"


def _id(kind: str, name: str) -> str:
    """Identifier within the crate, another one for each kind and name, whatever is in the name."""
    return f"#{kind}-{quote(name, safe='')}"

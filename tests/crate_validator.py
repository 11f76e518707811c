"""Validate an RO-Crate without a network: ``python crate_validator.py FOLDER``, in the environment of roc-validator.

The context of RO-Crate is the one that rocrate brings along, which has all terms of 1.1; nothing else is asked for.
"""

import sys
from pathlib import Path

import requests
import rocrate
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def answer(self: HttpRequester, address: str, *_: object, **__: object) -> requests.Response:
    response = requests.Response()
    response.url, response.status_code = address, 200 if address == CONTEXT else 404
    response._content = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
    response.headers["Content-Type"] = "application/ld+json"
    return response


if __name__ == "__main__":
    HttpRequester.get = answer
    found = services.validate(
        models.ValidationSettings(
            rocrate_uri=sys.argv[1],
            profile_identifier="ro-crate-1.1",
            requirement_severity=models.Severity.REQUIRED,
            offline=True,
        )
    )
    sys.exit("\n".join(f"{issue.severity}: {issue.message}" for issue in found.get_issues()) or 0)

"""Prism (checks requests against a vendor's API description) and emulate (a stateful GitHub), both npm programs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from servers.processes import answers, needs, plain_environment, serve

_REPOSITORY = Path(__file__).resolve().parents[2]
# emulate listens on every interface; this preload keeps it on loopback.
_LOOPBACK_ONLY = Path(__file__).with_name("loopback_only.cjs")


def npm_program(path: str) -> str:
    """A file of the packages that `tools/test-servers` installed; skips the test when it is absent."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    servers = Path(os.environ.get("RUNBOOK_TEST_NPM") or Path(cache) / "runbook-tui-tests" / "npm")
    program = servers / "node_modules" / path
    if not program.is_file():
        pytest.skip(f"npm package {path.split('/dist', maxsplit=1)[0]} is not installed (sh tools/test-servers)")
    return str(program)


def specification(name: str) -> Path:
    """A vendor's API extract, e.g. "github"; skips the test when it is absent."""
    folder = Path(os.environ.get("RUNBOOK_TEST_SPECS") or _REPOSITORY.parent / "shared" / "reference" / "specs")
    file = folder / f"{name}.extract.json"
    if not file.is_file():
        pytest.skip(f"the API extract {file.name} is not beside this checkout (shared/reference/specs)")
    return file


def violations(headers: Mapping[str, str]) -> list[str]:
    """What Prism found wrong with the *request*, from its answer's headers: one line each.

    Prism lists faults of the specification's own examples in the same header; those are left out.
    """
    found = json.loads({name.lower(): value for name, value in headers.items()}.get("sl-violations", "[]"))
    return [
        f"{'.'.join(map(str, violation['location']))}: {violation['message']}"
        for violation in found
        if violation["location"][0] == "request"
    ]


@contextlib.contextmanager
def run_prism(spec: Path, folder: Path) -> Iterator[str]:
    """Serve one specification; gives the URL prefix under which its paths stand."""
    node = needs("node", "nodejs")
    program = npm_program("@stoplight/prism-cli/dist/index.js")
    with serve(
        lambda port: [node, program, "mock", "-h", "127.0.0.1", "-p", str(port), str(spec)],
        lambda port: answers(f"http://127.0.0.1:{port}/"),
        folder,
        plain_environment(),
        seconds=90,
    ) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class GitHub:
    """The organisation `acme`: `owner` is its admin, `leaver` and `stays` are members; `leaver` also has a team role.

    emulate takes an unknown token for a default user, so the death of a *token* cannot be shown with it.
    """

    url: str
    token: str = field(repr=False)
    organisation: str = "acme"
    team: str = "platform"


_SEED: dict[str, Any] = {
    "tokens": {"fake-owner-token": {"login": "owner", "scopes": ["repo", "user", "admin:org"]}},
    "github": {
        "users": [{"login": login, "name": login.title()} for login in ("owner", "leaver", "stays")],
        "orgs": [
            {
                "login": "acme",
                "name": "Acme",
                "members": [
                    {"login": "owner", "role": "admin"},
                    {"login": "leaver", "role": "member"},
                    {"login": "stays", "role": "member"},
                ],
            }
        ],
        "repos": [{"owner": "acme", "name": "site", "private": True}],
    },
}


@contextlib.contextmanager
def run_emulate(folder: Path) -> Iterator[GitHub]:
    import httpx

    node = needs("node", "nodejs")
    program = npm_program("emulate/dist/index.js")
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / "seed.json"
    seed.write_text(json.dumps(_SEED))
    with serve(
        lambda port: [
            *(node, "--require", str(_LOOPBACK_ONLY), program),
            *("start", "--port", str(port), "-s", "github", "--seed", str(seed)),
        ],
        lambda port: answers(f"http://127.0.0.1:{port}/user"),
        folder,
        plain_environment(),
    ) as port:
        github = GitHub(f"http://127.0.0.1:{port}", "fake-owner-token")
        with httpx.Client(
            base_url=github.url, headers={"Authorization": f"Bearer {github.token}"}, trust_env=False
        ) as owner:
            made = owner.post(f"/orgs/{github.organisation}/teams", json={"name": github.team})
            made.raise_for_status()
            for login, role in (("owner", "maintainer"), ("leaver", "member")):
                owner.put(
                    f"/orgs/{github.organisation}/teams/{github.team}/memberships/{login}", json={"role": role}
                ).raise_for_status()
        yield github

"""`runbook webhook`: what it prints can be sent as it stands, and no secret is shown or taken from an argument."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import pty
import shutil
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook_tui.cli import runbook, wiring
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault

SECRET = "fake-secret-for-tests"
BODY = b'{"zen":"\xe2\x99\xa5","id":1}\n'
MAC = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_bytes(BODY)
    return tmp_path


def run(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The real command, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "runbook_tui", "webhook", *args],
        input=stdin,
        capture_output=True,
        start_new_session=True,
        check=False,
    )


def document(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_is_the_delivery_and_nothing_else() -> None:
    """`--json` prints method, url, headers and the exact bytes, in one document."""
    done = run(
        "sign", "--scheme", "github", "--body", "body.json", "--url", "https://example.com/h", "--event", "push",
        "--secret-stdin", "--json", stdin=SECRET.encode() + b"\n",
    )  # fmt: skip
    found = document(done)
    assert set(found) == {"method", "url", "headers", "body_base64"}
    assert (found["method"], found["url"]) == ("POST", "https://example.com/h")
    assert base64.b64decode(found["body_base64"]) == BODY
    assert found["headers"]["X-Hub-Signature-256"] == f"sha256={MAC}"
    assert found["headers"]["X-GitHub-Event"] == "push"
    assert done.stderr == b""


def test_the_time_and_the_id_can_be_given() -> None:
    """The Standard Webhooks vector from the command line: --at and --id decide what is signed."""
    Path("vector.json").write_bytes(b'{"test": 2432232314}')
    found = document(
        run(
            "sign",
            "--scheme",
            "standard-webhooks",
            "--body",
            "vector.json",
            "--at",
            "2021-02-25T15:02:10Z",
            "--id",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "--secret-stdin",
            "--json",
            stdin=b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\r\n",
        )
    )
    assert found["headers"]["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert found["headers"]["webhook-timestamp"] == "1614265330"


class Seen(HTTPServer):
    requests: list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def endpoint() -> Any:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = Seen(("127.0.0.1", 0), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize(
    ("scheme", "suffix"), [("github", ""), ("streampixel", ""), ("streampixel", "/{token}/in?x=1"), ("gitlab", "")]
)
def test_the_printed_curl_line_sends_the_signed_bytes(endpoint: Seen, scheme: str, suffix: str) -> None:
    """Pasted into a shell, the last line delivers the file's bytes with their proof; no output shows the secret."""
    url = f"http://127.0.0.1:{endpoint.server_address[1]}/hooks{suffix}"
    done = run("sign", "--scheme", scheme, "--body", "body.json", "--url", url, "--secret-stdin", stdin=SECRET.encode())
    assert done.returncode == 0, done.stderr
    assert SECRET.encode() not in done.stdout + done.stderr
    line = done.stdout.decode().splitlines()[-1]
    Path("TOKEN_FILE").write_text(SECRET + "\n", encoding="utf-8")
    sent = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    assert sent.returncode == 0, sent.stderr
    path, headers, body = endpoint.requests[0]
    assert body == BODY
    if scheme == "github":
        assert headers["x-hub-signature-256"] == f"sha256={MAC}"
        assert path == "/hooks"
    elif scheme == "gitlab":
        assert headers["x-gitlab-token"] == SECRET
    else:
        assert path == (f"/hooks/{SECRET}/in?x=1" if suffix else f"/hooks/{SECRET}")


def test_a_token_scheme_warns_that_its_document_holds_the_secret() -> None:
    done = run(
        "sign", "--scheme", "streampixel", "--body", "body.json", "--url", "https://example.com/hooks/",
        "--secret-stdin", "--json", stdin=SECRET.encode(),
    )  # fmt: skip
    assert document(done)["url"] == f"https://example.com/hooks/{SECRET}"
    assert b"holds the secret" in done.stderr


def test_the_vault_gives_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--secret NAME` is a name in the vault, never a value."""
    vault = SessionVault()
    vault.put(Credential("github-webhook", Secret(SECRET), Binding("", {})))
    vault.put(Credential("only-an-id", None, Binding("", {}, key_id="k_1")))
    monkeypatch.setattr(wiring, "open_vault", lambda: vault)
    arguments = ["webhook", "sign", "--scheme", "github", "--body", "body.json", "--secret"]
    done = CliRunner().invoke(runbook, [*arguments, "github-webhook", "--json"], standalone_mode=False)
    assert json.loads(done.stdout)["headers"]["X-Hub-Signature-256"] == f"sha256={MAC}"
    done = CliRunner().invoke(runbook, [*arguments, "only-an-id"], standalone_mode=False)
    assert "only the key id" in str(done.exception)


def test_the_secret_is_asked_for_without_echo() -> None:
    """With a terminal and no option the secret is typed, and does not appear on the screen; the body may be piped."""
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "runbook_tui", "webhook", "sign", "--scheme", "github", "--body", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=slave,
        preexec_fn=own_terminal,  # noqa: PLW1509 - the child needs the terminal as its own; no threads run here
    )
    os.close(slave)
    assert process.stdin is not None
    process.stdin.write(BODY)
    process.stdin.close()
    shown = b""
    while b"not shown" not in shown:
        shown += os.read(master, 1000)
    os.write(master, SECRET.encode() + b"\n")
    assert process.stdout is not None
    found = json.loads(process.stdout.read())
    assert process.wait() == 0
    os.close(master)
    assert SECRET.encode() not in shown
    assert found["headers"]["X-Hub-Signature-256"] == f"sha256={MAC}"


def test_two_secrets_sign_as_in_a_roll(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--secret` twice gives both signatures in one header, in this order; where there is no room it says so."""
    vault = SessionVault()
    for name in ("old", "new"):
        vault.put(Credential(name, Secret(f"whsec_fake_{name}"), Binding("", {})))
    monkeypatch.setattr(wiring, "open_vault", lambda: vault)
    arguments = ["--body", "body.json", "--secret", "old", "--secret", "new", "--at", "2026-11-21T22:04:00Z", "--json"]
    done = CliRunner().invoke(runbook, ["webhook", "sign", "--scheme", "stripe", *arguments], standalone_mode=False)
    parts = json.loads(done.stdout)["headers"]["Stripe-Signature"].split(",")
    content = b"1795298640." + BODY
    macs = [hmac.new(f"whsec_fake_{name}".encode(), content, hashlib.sha256).hexdigest() for name in ("old", "new")]
    assert parts == ["t=1795298640", *(f"v1={mac}" for mac in macs)]
    done = CliRunner().invoke(runbook, ["webhook", "sign", "--scheme", "github", *arguments], standalone_mode=False)
    assert "one signature only" in str(done.exception)


def test_a_proof_inside_the_body_needs_a_file_to_go_to(endpoint: Seen) -> None:
    """Mailgun's signature is a part of the body: the curl line sends the file with it, never the one without."""
    url = f"http://127.0.0.1:{endpoint.server_address[1]}/hooks"
    arguments = ["sign", "--scheme", "mailgun", "--body", "body.json", "--url", url, "--secret-stdin"]
    refused = run(*arguments, stdin=SECRET.encode())
    assert refused.returncode == 2
    assert b"--out FILE" in refused.stderr
    done = run(*arguments, "--out", "signed.json", stdin=SECRET.encode())
    assert done.returncode == 0, done.stderr
    assert Path("signed.json").stat().st_mode & 0o777 == 0o600
    signed = json.loads(Path("signed.json").read_bytes())["signature"]
    mac = hmac.new(SECRET.encode(), (signed["timestamp"] + signed["token"]).encode(), hashlib.sha256)
    assert signed["signature"] == mac.hexdigest()
    assert "@signed.json" in done.stdout.decode().splitlines()[-1]
    lost = run(*arguments, "--out", "missing/signed.json", stdin=SECRET.encode())
    assert lost.returncode == 2
    assert b"cannot write" in lost.stderr


def test_a_test_key_pair_stands_in_for_the_vendors() -> None:
    """A PEM on standard input signs Discord's way; a fact is given as NAME=VALUE."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    arguments = ["sign", "--scheme", "discord", "--body", "body.json", "--secret-stdin", "--json"]
    headers = document(run(*arguments, stdin=pem))["headers"]
    key.public_key().verify(
        bytes.fromhex(headers["X-Signature-Ed25519"]), headers["X-Signature-Timestamp"].encode() + BODY
    )
    arguments = ["sign", "--scheme", "livekit", "--body", "body.json", "--secret-stdin", "--json"]
    assert (
        document(run(*arguments, "--fact", "api_key=fake-id", stdin=b"fake"))["headers"]["Authorization"].count(".")
        == 2
    )


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["--scheme", "livekit", "--body", "body.json", "--secret-stdin"], b"x", "also needs api_key"),
        (["--scheme", "livekit", "--body", "body.json", "--fact", "api_key", "--secret-stdin"], b"x", "NAME=VALUE"),
        (["--scheme", "github", "--body", "body.json", "--fact", "a=b", "--secret-stdin"], b"x", "knows: none"),
        (["--scheme", "discord", "--body", "body.json", "--secret-stdin"], b"x", "only Discord interactions can sign"),
        (["--scheme", "standard-webhooks", "--body", "body.json", "--secret-stdin"], b"plain text", "expected whsec"),
        (["--scheme", "adyen-payments", "--body", "body.json", "--secret-stdin"], b"00ff", "the body has nothing at"),
        (["--scheme", "nosuch", "--body", "body.json", "--secret-stdin"], b"x", "unknown webhook scheme"),
        (["--scheme", "github", "--body", "missing.json", "--secret-stdin"], b"x", "cannot read the body"),
        (["--scheme", "github", "--body", ".", "--secret-stdin"], b"x", "cannot read the body"),
        (["--scheme", "github", "--body", "body.json", "--secret-stdin"], b"\n", "the secret is empty"),
        (["--scheme", "fastpix", "--body", "body.json", "--secret-stdin"], b"not base64!", "b64"),
        (["--scheme", "github", "--body", "-", "--secret-stdin"], b"x", "cannot be combined"),
        (["--scheme", "streampixel", "--body", "body.json", "--secret-stdin"], b"x", "needs --url"),
        (["--scheme", "square", "--body", "body.json", "--secret-stdin"], b"x", "needs --url"),
        (["--scheme", "github", "--body", "body.json", "--url", "nonsense", "--secret-stdin"], b"x", "URL"),
        (["--scheme", "github", "--body", "body.json", "--at", "noon", "--secret-stdin"], b"x", "not a time"),
        (
            ["--scheme", "github", "--body", "body.json", "--at", "2026-11-21T22:04:00", "--secret-stdin"],
            b"x",
            "offset",
        ),
        (
            ["--scheme", "github", "--body", "body.json", "--id", "a\nb", "--event", "x\ny", "--secret-stdin"],
            b"x",
            "header",
        ),
        (["--scheme", "nowpayments", "--body", "body.json", "--secret-stdin"], b"has a line end\n\n", "white space"),
        (["--scheme", "github", "--body", "body.json"], b"", "terminal"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_2(arguments: list[str], stdin: bytes, said: str) -> None:
    done = run("sign", *arguments, stdin=stdin)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_schemes_are_listed_with_their_source(home: Path) -> None:
    """Shipped and workspace schemes; every one says where its facts come from."""
    (home / "inventory.yaml").write_text("inventory: 1\n", encoding="utf-8")
    (home / "schemes").mkdir()
    own = (Path(wiring.__file__).parent.parent / "webhooks" / "schemes" / "github.yaml").read_text(encoding="utf-8")
    (home / "schemes" / "acme.yaml").write_text(own.replace("scheme: github", "scheme: acme"), encoding="utf-8")
    found = {entry["id"]: entry for entry in document(run("schemes", "--json"))["schemes"]}
    assert {"fastpix", "stripe", "github", "slack", "standard-webhooks", "nowpayments", "streampixel", "acme"} <= set(
        found
    )
    assert all(entry["source"] and entry["checked_on"] for entry in found.values())
    text = run("schemes").stdout.decode()
    assert "acme" in text
    assert "hmac-sha512" in text

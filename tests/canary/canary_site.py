"""An operator's machine for the canary tests: folders of its own, an environment that tries to log everything, programs
on PATH that keep what they are given, and a witness for every process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from canaries import CANARIES
from canary_pty import Pty
from canary_search import Find, files, finds, sequences
from canary_vendor import MANIFEST, Vendor

from servers.processes import plain_environment

HERE = Path(__file__).parent
RUNBOOK = [sys.executable, "-m", "runbook_tui"]
FOLDERS = ("home", "rb", "config", "state", "cache", "data", "runtime", "tmp", "desk", "logs")
_CLIPBOARD = """\
#!/bin/sh
printf '%s\\n' "$0 $*" >>"$CANARY_CLIPS/calls"
case "$*" in
*-o*) cat "$CANARY_CLIPS/now" ;;
*) cat >"$CANARY_CLIPS/now"; cat "$CANARY_CLIPS/now" >>"$CANARY_CLIPS/all"; echo >>"$CANARY_CLIPS/all" ;;
esac
"""
INVENTORY = """\
inventory: 1
credentials:
  leaked: {provider: acme, owner: kim, admin: acme-admin, consumers: [worker]}
  acme-admin: {provider: acme, owner: kim}
consumers:
  worker: {kind: env-file, title: worker, path: app.env, variable: ACME_KEY, used: {health: "URL/health"}}
endpoints:
  hooks: {url: "URL/hooks/in", scheme: standard-webhooks, secret: hook}
repositories: [repo]
"""


class Site:
    """`root` holds all that is searched; `evidence`, beside it, what the witnesses wrote."""

    def __init__(self, root: Path, vendor: Vendor, keyring: Mapping[str, str] | None = None) -> None:
        self.root, self.evidence, self.vendor = root / "site", root / "evidence", vendor
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True)
        (self.root / "runtime").chmod(0o700)
        self.desk, self.logs = self.root / "desk", self.root / "logs"
        (self.evidence / "clips").mkdir(parents=True)
        (self.evidence / "clips" / "now").touch()
        self.streams: list[tuple[str, bytes]] = []
        self.terminals: list[Pty] = []
        self.env = self._environment(keyring)
        self._clipboard_programs()

    def _environment(self, keyring: Mapping[str, str] | None) -> dict[str, str]:
        root, logs = self.root, self.logs
        path = os.pathsep.join([str(self.evidence / "bin"), os.environ["PATH"]])
        mine = {
            "PATH": path,
            "HOME": str(root / "home"),
            "RUNBOOK_HOME": str(root / "rb"),
            "XDG_CONFIG_HOME": str(root / "config"),
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_DATA_HOME": str(root / "data"),
            "XDG_RUNTIME_DIR": str(root / "runtime"),
            "TMPDIR": str(root / "tmp"),
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE / "saboteur"), os.environ.get("PYTHONPATH", "")])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CANARY_NOTES": str(self.evidence / "spawned"),
            "CANARY_CLIPS": str(self.evidence / "clips"),
        }
        loud = {
            "SSLKEYLOGFILE": str(logs / "tls"),
            "TEXTUAL": "devtools,debug",
            "TEXTUAL_LOG": str(logs / "textual"),
            "TEXTUAL_SCREENSHOT": "0.1",
            "TEXTUAL_SCREENSHOT_LOCATION": str(logs),
            "TEXTUAL_SCREENSHOT_FILENAME": "shot.svg",
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONWARNINGS": "default",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "HTTPX_LOG_LEVEL": "trace",
            "GIT_TRACE": str(logs / "git"),
            "GIT_TRACE2_EVENT": str(logs / "git2"),
            "GIT_PYTHON_TRACE": "full",
            "CANARY_DEBUG": str(logs / "debug"),
            "http_proxy": self.vendor.url,
            "COLUMNS": "70",
        }
        bus = {key: value for key, value in (keyring or {}).items() if key == "DBUS_SESSION_BUS_ADDRESS"}
        return plain_environment(**mine, **loud, **bus)

    def _clipboard_programs(self) -> None:
        (self.evidence / "bin").mkdir()
        for name in ("xclip", "xsel", "wl-copy", "wl-paste", "pbcopy", "clip", "klipper", "osascript", "tmux-copy"):
            program = self.evidence / "bin" / name
            program.write_text(_CLIPBOARD)
            program.chmod(0o755)

    # -- what stands on the desk

    def furnish(self) -> None:
        """A workspace that knows the vendor, an env file, a request body, and a repository full of the leaked key."""
        (self.desk / "manifests").mkdir()
        (self.desk / "manifests" / "acme.yaml").write_text(MANIFEST)
        (self.desk / "inventory.yaml").write_text(INVENTORY.replace("URL", self.vendor.url))
        (self.desk / "app.env").write_text(f"ACME_KEY='{CANARIES['old']}'\n")
        (self.desk / "body.json").write_text('{"a": 1}')
        old = CANARIES["old"]
        self._repository("repo", {f"named-{old}/key.txt": old}, old)
        self._repository("repo-pem", {"key.pem": CANARIES["pem"]}, "oops")

    def _repository(self, name: str, content: dict[str, str], oops: str) -> None:
        """A repository whose files, messages, author, tag and branch hold what leaked."""
        repo = self.desk / name
        git = ["git", "-c", f"user.name=Kim {oops}", "-c", "user.email=kim@example.test", "-C", str(repo)]
        subprocess.run(["git", "init", "-q", "-b", "main", str(repo)], check=True)
        for file, text in content.items():
            (repo / file).parent.mkdir(exist_ok=True)
            (repo / file).write_text(f"{text}\n")
        for command in (["add", "."], ["commit", "-qm", oops], ["tag", f"tag-{oops}"], ["branch", f"b/{oops}"]):
            subprocess.run([*git, *command], check=True)

    # -- driving

    def run(self, *args: str, stdin: str | bytes = "", more: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command to its end; its streams are kept as evidence. (exit code, standard output)"""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*RUNBOOK, *args],
            input=given,
            env={**self.env, **(more or {})},
            cwd=self.desk,
            capture_output=True,
            timeout=120,
        )
        name = " ".join(args)
        self.streams += [(f"stdout of {name}", done.stdout), (f"stderr of {name}", done.stderr)]
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.returncode, done.stdout.decode()

    def store(self, name: str, value: str, *options: str) -> None:
        code, _ = self.run("credential", "add", name, "--value-stdin", *options, stdin=value + "\n")
        assert code == 0, self.streams[-1]

    def store_all(self) -> None:
        """Every canary that can be a credential, in the keyring."""
        for name, key_id, canary in (
            ("leaked", "ak_old", "old"),
            ("acme-admin", "ak_admin", "admin"),
            ("long", "ak_long", "long"),
        ):
            self.store(
                name, CANARIES[canary], "--provider=acme", f"--key-id={key_id}", f"--origin=api={self.vendor.url}"
            )
        self.store("hook", CANARIES["hook"], "--provider=none")
        self.store("pem", CANARIES["pem"], "--provider=none")

    def open(self, *args: str, more: Mapping[str, str] | None = None, program: list[str] | None = None) -> Pty:
        """A command in a terminal; every byte it sends there is kept."""
        opened = Pty([*(program or RUNBOOK), *args], {**self.env, **(more or {})}, self.desk)
        self.terminals.append(opened)
        return opened

    @property
    def incidents(self) -> Path:
        return self.root / "rb" / "state" / "incidents"

    def newest(self) -> str:
        return max(self.incidents.iterdir(), key=lambda folder: folder.stat().st_mtime_ns).name

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """A second process looks at every process's arguments and environment meanwhile."""
        program = [sys.executable, "-S", str(HERE / "canary_watch.py"), str(self.evidence / "watched"), str(self.root)]
        with subprocess.Popen(program, stdin=subprocess.PIPE) as watcher:
            assert watcher.stdin is not None
            try:
                wait_for((self.evidence / "watched").exists, "the watcher does not start")
                yield
            finally:
                watcher.stdin.close()

    # -- the search

    def sinks(self) -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
        """Everything that was written or shown: (sink, bytes, canaries that belong there)."""
        env_file = self.desk / "app.env"
        for path, content in files([self.root], [self.desk / "repo", self.desk / "repo-pem"]):
            yield path, content, ("old", "new", "byhand") if path == str(env_file) else ()
            yield f"the name {path}", os.fsencode(path), ()
        yield from ((name, blob, ()) for name, blob in self.streams)
        yield from ((f"terminal of {one.name}", bytes(one.received), ()) for one in self.terminals)
        yield from ((f"processes, {name}", blob, ()) for name, blob in self.processes_seen().items())
        calls = self.evidence / "clips" / "calls"
        yield "clipboard arguments", calls.read_bytes() if calls.exists() else b"", ()

    def processes_seen(self) -> dict[str, bytes]:
        """Arguments and environments: of what was `spawned`, told from inside, and what a second process `watched`."""
        seen = {}
        for name in ("spawned", "watched"):
            notes = self.evidence / name
            lines = notes.read_text().splitlines() if notes.exists() else []
            seen[name] = "\n".join(str(part) for line in lines for part in json.loads(line)).encode(
                "latin-1", "replace"
            )
        return seen

    def leaks(self) -> list[Find]:
        """Every canary in every sink; and every terminal sequence that no screen of ours may send."""
        found = [find for sink, blob, but in self.sinks() for find in finds(sink, blob, but)]
        for one in self.terminals:
            found += [Find(f"terminal of {one.name}", "", name) for name in sequences(bytes(one.received))]
        return found

    def clean_up(self) -> None:
        """End what still runs here."""
        for one in self.terminals:
            one.close()
        for pid in self.processes("runbook_tui", "conductor"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)

    def processes(self, *words: str) -> list[int]:
        """Our processes whose command line holds all words: those that stand on this desk."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if all(word.encode() in line for word in words) and (entry / "cwd").readlink() == self.desk:
                    found.append(int(entry.name))
        return found


def assert_clean(site: Site) -> None:
    """Zero finds; else the list of them."""
    found = site.leaks()
    assert not found, "\n".join(f"{one.canary} ({one.form}) in {one.sink}" for one in found)


def wait_for(true: Callable[[], object], what: str, seconds: float = 30) -> object:
    """Poll until it gives something true."""
    limit = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < limit, what
        time.sleep(0.05)
    return found

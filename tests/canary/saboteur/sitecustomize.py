"""Inside a `runbook` process under test: notes every program it starts, and breaks the function it is told to break."""

import importlib.abc
import importlib.machinery
import json
import os
import pathlib
import sys

_NOTES, _BREAK = os.environ.get("CANARY_NOTES"), os.environ.get("CANARY_BREAK", "")


def _note(event, args):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.putenv"):
        line = json.dumps([event, repr(args), repr(dict(os.environ)) if event != "os.putenv" else ""]) + "\n"
        notes = os.open(_NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(notes, line.encode())
        os.close(notes)


class _Breaker(importlib.abc.MetaPathFinder):
    """`module:Class.method`: after the import of the module the method raises an error that holds the secret."""

    def find_spec(self, name, path, target=None):
        module, _, where = _BREAK.partition(":")
        if name != module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def loaded(made):
            load(made)
            *owners, last = where.split(".")
            owner = made
            for one in owners:
                owner = getattr(owner, one)
            setattr(owner, last, _broken)

        spec.loader.exec_module = loaded
        return spec


def _broken(*args, **kwargs):
    value = pathlib.Path(os.environ["CANARY_VALUE"]).read_text(encoding="utf-8")
    pathlib.Path(os.environ["CANARY_VALUE"] + ".hit").touch()
    raise ValueError(f"broken while it held {value!r}: {value}")


if _NOTES:
    sys.addaudithook(_note)
if _BREAK:
    sys.meta_path.insert(0, _Breaker())
if os.environ.get("CANARY_DEBUG"):
    import logging

    logging.basicConfig(level=logging.DEBUG, filename=os.environ["CANARY_DEBUG"])

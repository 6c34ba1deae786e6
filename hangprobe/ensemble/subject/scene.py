"""What Parsl has done so far, read from what it leaves on disk: managers that registered, what a block has said.

The interchange logs each registration with the manager's host, which nothing else of Parsl tells (connected_managers()
has none in any version); reading its log also disturbs nothing that is measured.
"""

from __future__ import annotations

import ast
import glob
import os
import re
import time
from typing import Any

_REGISTRATION = re.compile(r"Registration info for manager [^{]*(\{.*\})")
_START_METHOD = re.compile(r"[Ss]tart method: *(\w+)")
_TAIL = 4000  # characters of what a launcher has said
_STREAMS = {"stdout": ("out", "stdout"), "stderr": ("err", "stderr")}


class Scene:
    """Parsl's run folder, read on."""

    def __init__(self, run_dir: str) -> None:
        """Nothing is read yet."""
        self.run_dir = run_dir
        self.managers: dict[str, dict[str, Any]] = {}
        self._read: dict[str, int] = {}  # an interchange's log -> how far

    def look(self) -> bool:
        """Read on; return whether a manager has registered that had not before."""
        before = len(self.managers)
        for path in glob.glob(os.path.join(self.run_dir, "*", "interchange.log")):
            with open(path, "rb") as log:
                log.seek(self._read.get(path, 0))
                whole, newline, _ = log.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + len(whole) + len(newline)
            for line in whole.decode(errors="replace").splitlines():
                found = _REGISTRATION.search(line)
                if found:
                    self._register(line, found[1])
        return len(self.managers) != before

    def told(self) -> list[dict[str, Any]]:
        """Return the managers in the order in which they registered, with what their logs say by now."""
        for uid, manager in self.managers.items():
            if manager["start_method_said"] is None:
                manager["start_method_said"] = self._start_method(uid)
        return list(self.managers.values())

    def outputs(self) -> list[dict[str, Any]]:
        """Return what each block's launcher has said, its exit code if it has one, and GNU parallel's log."""
        scripts = glob.glob(os.path.join(self.run_dir, "*", "submit_scripts", "*")) + glob.glob(
            os.path.join(self.run_dir, "submit_scripts", "*")
        )
        blocks = sorted(path for path in scripts if os.path.basename(path).startswith("parsl."))
        names = sorted({_block_of(path) for path in blocks} - {""})
        return [self._output(name, blocks) for name in names]

    def _output(self, name: str, paths: list[str]) -> dict[str, Any]:
        own = [path for path in paths if _block_of(path) == name]
        said: dict[str, Any] = {
            stream: "".join(_tail(path) for path in own if path.rpartition(".")[2] in endings)
            for stream, endings in _STREAMS.items()
        }
        code = "".join(_tail(path) for path in own if path.endswith(".ec")).strip()
        joblog = f"{name}.sh.parallel.log"
        return {
            "block": name,
            "exit_code": int(code) if code.isdigit() else None,
            **said,
            "joblog": _tail(joblog) if os.path.exists(joblog) else None,
        }

    def _register(self, line: str, text: str) -> None:
        try:
            said = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            said = _loosely(text)
        uid = str(said.get("uid") or f"manager-{len(self.managers)}")
        self.managers[uid] = {
            "host": said.get("hostname"),
            "uid": uid,
            "block": str(said.get("block_id", "-")),
            "workers": said.get("worker_count"),
            "python": said.get("python_v"),
            "parsl": said.get("parsl_v"),
            "registered": _logged_at(line),
            "start_method_said": None,
        }

    def _start_method(self, uid: str) -> str | None:
        for path in glob.glob(os.path.join(self.run_dir, "*", "block-*", uid, "manager.log")):
            with open(path, errors="replace") as log:
                found = _START_METHOD.search(log.read())
            if found:
                return found[1]
        return None


def _block_of(path: str) -> str:
    """Return the name of the job that a file of submit_scripts is about; empty for the pool's own command."""
    name = os.path.basename(path)
    return re.sub(r"(\.(sh|submit|submit\.script))?(\.(out|err|ec|stdout|stderr))?$", "", name)


def _loosely(text: str) -> dict[str, Any]:
    """Return the plain strings and numbers of a dictionary whose text has other things in it."""
    pairs = re.findall(r"'(\w+)': ('([^']*)'|[\d.]+)", text)
    return {key: plain if value.startswith("'") else int(float(value)) for key, value, plain in pairs}


def _logged_at(line: str) -> float:
    """Return the time of a line of Parsl's logs: `1763870000.123456 ...` or `2026-11-23 04:00:00.123 ...`."""
    first, _, rest = line.partition(" ")
    try:
        return float(first)
    except ValueError:
        pass
    try:
        second, _, fraction = rest.partition(" ")[0].replace(",", ".").partition(".")
        at = time.strptime(f"{first} {second}", "%Y-%m-%d %H:%M:%S")
        return time.mktime(at) + float(f"0.{fraction or 0}")
    except ValueError:
        return time.time()


def _tail(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()[-_TAIL:]
    except OSError:
        return ""

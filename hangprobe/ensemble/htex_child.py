"""One ensemble of Parsl tasks, as a child process of a trial: `PYTHON htex_child.py SPEC.json`.

Stand-alone: PYTHON is that of the subject environment, from 3.8 on, with whatever Parsl it has; nothing of hangprobe
need be installed there, and nothing of hangprobe's environment comes onto its path. What the specification says stands
in subject/spec.py, how the ensemble is run in subject/driver.py. Everything is left below one folder, that of the
trial, and whoever watches reads it while it grows:

    marks/ensemble                           `nodes 3`, `workers 2`: before anything is started
    marks/workers/HOST/PID-START.log         what a worker does; subject/task.py has the lines
    events.jsonl                             what the driver sees; subject/events.py has the events
    runinfo/000/...                          Parsl's own run folder (of a user's configuration: where that says)

Ends with 0 all tasks done, 1 some failed, 2 the driver itself or Parsl's beginning failed, 3 configuration refused,
4 the launcher ended before the tasks did, or no manager ever registered, 5 the time was up, 143 it was told to leave
(SIGTERM).
"""

from __future__ import annotations

import sys

if not __package__:
    for _name, _up in (("hangprobe", 2), ("hangprobe.ensemble", 1)):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [__file__.rsplit("/", _up)[0]]
    sys.path.pop(0)  # this folder: its modules' names are nothing that a user's program should find

from hangprobe.ensemble.subject import driver


def run_task(home: str, marks: str, number: int, workload: str, path: str) -> None:
    """Run one task in a worker, which gets the text of this function and has nothing else of this program."""
    import sys

    task = sys.modules.get("hangprobe.ensemble.subject.task")
    if task is None:
        import importlib

        for name, below in (("hangprobe", ""), ("hangprobe.ensemble", "/ensemble")):
            if name not in sys.modules:
                sys.modules[name] = type(sys)(name)
                sys.modules[name].__path__ = [home + below]
        task = importlib.import_module("hangprobe.ensemble.subject.task")
    task.run(marks, number, workload, path)


if __name__ == "__main__":
    driver.main(sys.argv[1], run_task, __file__.rsplit("/", 2)[0])

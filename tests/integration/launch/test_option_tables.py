"""The tables of options say what real launchers do: with each of them the application is still found, and started."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from hangprobe.launch.environments import of_mpi
from hangprobe.launch.insertion import insert

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
APPLICATION = ("sh", "-c", "echo app:$PUT_BEFORE")
# of options whose values do no harm to one rank on one machine; several in one line where they go together
HYDRA = """
    -enable-x -disable-auto-cleanup -enable-hostname-propagation -pmi-port -genvall
    -rmk user -topolib hwloc -bind-to none -map-by none -membind none -demux poll -localhost localhost
    -order-nodes ASCENDING -prepend-pattern= -usize 4 -memory-alloc-kinds mpi -iface lo -ppn=1 -wdir /
    -launcher fork -launcher-exec ssh -hosts localhost -nameserver x:1 -genvlist PATH -env A app -genv B app
    -bootstrap fork -bootstrap-exec ssh -host localhost -envlist PATH -errfile-pattern /dev/null -rankmap 0
"""
INTEL = """
    -enable-x -silent-abort -rr -prot -genvall -errfile-pattern /dev/null
    -rmk user -localhost localhost -usize 4 -iface lo -perhost 1 -launcher fork -launcher-exec ssh
    -s all -grr 1 -hosts localhost -nameserver x:1 -cpu-bind 1 -genvlist PATH -env A app -genv B app -wdir /
    -hosts-group localhost -ppn=1 -path /bin -gpath /bin -envlist PATH -bind-to none -map-by core
"""
OPENMPI = """
    -v --oversubscribe --allow-run-as-root --get-stack-traces --show-progress
    --mca btl self -gmca a app --omca a app --gomca a app --prtemca a app --pmixmca a app --host=localhost -x A=app
    --bind-to none --display map --report-bindings -N 1 --wdir /
    -np 1 --rank-by slot --output tag --path /bin --timeout 50 --stdin all --tag-output --with-ft ulfm
    -c 1 -H localhost --map-by slot --prefix / --gpu-support true --display-map --merge-stderr-to-stdout
"""
LINES = [
    (mpi, line.strip())
    for mpi, lines in (("mpich", HYDRA), ("impi", INTEL), ("openmpi", OPENMPI))
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("mpi", "options"), LINES, ids=[f"{mpi} {line}" for mpi, line in LINES])
def test_prefix_reaches_the_application(mpi: str, options: str) -> None:
    flavour = of_mpi(mpi).flavour
    command = (flavour.path, *shlex.split(options), "-n", "1", *APPLICATION)
    line = insert(command, flavour.launcher, ("env", "PUT_BEFORE=yes"), {})
    assert line is not None
    done = subprocess.run(
        line,
        env={**os.environ, **AS_ROOT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "app:yes" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("mpi", ["mpich", "impi", "openmpi"])
def test_prefix_reaches_both_applications_of_a_line(mpi: str) -> None:
    flavour = of_mpi(mpi).flavour
    command = (flavour.path, "-n", "1", *APPLICATION, ":", "-n", "1", "sh", "-c", "echo second:$PUT_BEFORE")
    line = insert(command, flavour.launcher, ("env", "PUT_BEFORE=yes"), {})
    assert line is not None
    variables = {**os.environ, **AS_ROOT, "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    done = subprocess.run(
        line, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )
    assert set(done.stdout.split()) == {"app:yes", "second:yes"}, done.stdout + done.stderr

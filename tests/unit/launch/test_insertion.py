"""Words are put before the application where it certainly begins, and nowhere else."""

from __future__ import annotations

import shlex

import pytest

from hangprobe.launch.insertion import has_place, insert
from hangprobe.model import Launcher

HYDRA, INTEL, OPENMPI = Launcher.HYDRA, Launcher.INTEL, Launcher.OPENMPI
PALS, SRUN, PARALLEL = Launcher.PALS, Launcher.SRUN, Launcher.GNU_PARALLEL
PREFIX = ("py", "-m", "w")
MARK = " ".join(PREFIX)
LINES = [  # `^` is where the prefix belongs
    (HYDRA, "mpiexec ^ app"),
    (HYDRA, "mpiexec -n 4 ^ python app.py -n 4"),
    (HYDRA, "mpiexec -ppn 2 --hosts a,b -genv A -n -bind-to core:2 -prepend-rank -np=4 ^ ./app --x"),
    (HYDRA, "mpiexec -n 1 ^ a -v : -n 2 -env A B ^ b -n 3 : ^ c"),
    (INTEL, "mpirun -s all -hosts-group n[1-4] -print-rank-map -n 4 ^ app"),
    (OPENMPI, "mpirun ^ app"),
    (OPENMPI, "mpirun -np 4 --map-by ppr:2:node:OVERSUBSCRIBE --bind-to none --mca btl self,sm -x PATH ^ app -x"),
    (OPENMPI, "prterun --prtemca plm_ssh_agent ssh --host a:2,b:2 --output file=/out/rank:nocopy -n 4 ^ app"),
    (OPENMPI, "mpirun --host=a -N 2 --oversubscribe ^ a : -n 1 ^ b"),
    (PALS, "mpiexec -n 8 -ppn 4 --depth=8 --cpu-bind depth --no-vni --envall ^ app"),
    (SRUN, "srun ^ app"),
    (SRUN, "srun -N3 -n 6 --ntasks-per-node=2 -lu --mpi=pmi2 --exclusive -vvv ^ app -n"),
    (SRUN, "srun --exclusive=user --nodelist n[1-3] -K1 -I -- ^ app"),
    (SRUN, "srun -n1 ^ a : -n2 ^ b"),
    (PARALLEL, "parallel ^ app {} ::: a b"),
    (PARALLEL, "parallel -j4 -k --slf nodes -S 2/a,: --joblog=log ^ app {1} ::: a ::: b"),
    (PARALLEL, "parallel -kj 4 -0 -a list ^ app"),
    (PARALLEL, "parallel --pipe -N1 ^ app"),
]
NOWHERE = [
    (HYDRA, "mpiexec"),
    (HYDRA, "mpiexec -n 4"),
    (HYDRA, "mpiexec -n"),
    (HYDRA, "mpiexec -n 4 -new-option app"),
    (HYDRA, "mpiexec -configfile lines"),
    (HYDRA, "mpiexec -n 1 app : -n 2"),
    (HYDRA, "mpiexec -n 1 app : -zz 2 app"),
    (HYDRA, "mpiexec -l=1 app"),
    (HYDRA, "mpiexec -genv=A B app"),
    (HYDRA, "mpiexec -- app"),
    (INTEL, "mpiexec -gdb -n 2 app"),
    (OPENMPI, "mpirun --app lines"),
    (OPENMPI, "mpirun -s app"),
    (OPENMPI, "mpirun -np4 app"),
    (PALS, "mpiexec -env A B app"),
    (SRUN, "srun --multi-prog lines"),
    (SRUN, "srun --bcast=/tmp/a app"),
    (SRUN, "srun -nl app : -j 1"),
    (SRUN, "srun --nod 3 app"),
    (PARALLEL, "parallel"),
    (PARALLEL, "parallel -j 4"),
    (PARALLEL, "parallel ::: 'app 1' 'app 2'"),
    (PARALLEL, "parallel :::: lines"),
    (PARALLEL, "parallel {} ::: app"),
    (PARALLEL, "parallel {}/app ::: a"),
    (PARALLEL, "parallel A=1 app {} ::: a"),
    (PARALLEL, "parallel cd {} '&&' app ::: a"),
    (PARALLEL, "parallel '(app {})' ::: a"),
    (PARALLEL, "parallel '' ::: a"),
    (PARALLEL, "parallel --tmux app ::: a"),
    (PARALLEL, "parallel --jo 2 app ::: a"),
    (PARALLEL, "parallel -I % % ::: app"),
    (PARALLEL, "parallel -q 'app one' ::: a"),
    (Launcher.NONE, "python app.py"),
]


@pytest.mark.parametrize(("launcher", "line"), LINES, ids=[line for _, line in LINES])
def test_prefix_stands_before_each_application(launcher: Launcher, line: str) -> None:
    command = shlex.split(line.replace("^ ", ""))
    assert insert(command, launcher, PREFIX, {}) == tuple(shlex.split(line.replace("^", MARK)))


@pytest.mark.parametrize(("launcher", "line"), NOWHERE, ids=[line for _, line in NOWHERE])
def test_line_that_is_not_understood_is_left_alone(launcher: Launcher, line: str) -> None:
    assert insert(shlex.split(line), launcher, PREFIX, {}) is None


def test_prefix_is_quoted_where_a_shell_reads_it() -> None:
    prefix = ("/my env/python", "-c", "x;y")
    assert insert(("parallel", "app {} >{}.out", ":::", "a"), PARALLEL, prefix, {}) == (
        *("parallel", "'/my env/python'", "-c", "'x;y'"),
        *("app {} >{}.out", ":::", "a"),
    )
    assert insert(("parallel", "-q", "app", ":::", "a"), PARALLEL, prefix, {}) == (
        *("parallel", "-q", *prefix),
        *("app", ":::", "a"),
    )


def test_function_of_the_shell_is_no_program() -> None:
    command = ("parallel", "doit", "{}", ":::", "a")
    assert insert(command, PARALLEL, PREFIX, {"BASH_FUNC_other%%": "() { :; }"}) is not None
    assert insert(command, PARALLEL, PREFIX, {"BASH_FUNC_doit%%": "() { :; }"}) is None


@pytest.mark.parametrize(
    ("options", "is_understood"),
    [("--will-cite -j 2", True), ("", True), ("--arg-sep ,,", False), ("app", False), ("'", False)],
)
def test_options_in_a_variable_count_too(options: str, is_understood: bool) -> None:
    found = insert(("parallel", "app", ":::", "a"), PARALLEL, PREFIX, {"PARALLEL": options})
    assert (found is not None) is is_understood


def test_variable_may_ask_for_quoting() -> None:
    found = insert(("parallel", "app", ":::", "a"), PARALLEL, ("a b",), {"PARALLEL": "--quote"})
    assert found == ("parallel", "a b", "app", ":::", "a")


@pytest.mark.parametrize("launcher", [HYDRA, Launcher.NONE])
def test_place_that_is_named_is_taken_whatever_starts_it(launcher: Launcher) -> None:
    command = ("sh", "-c", "mpiexec -unheard-of {probe} app", "{probe}", "end")
    assert has_place(command)
    assert insert(command, launcher, ("a b", "c"), {}) == (
        *("sh", "-c", "mpiexec -unheard-of 'a b' c app"),
        *("a b", "c", "end"),
    )


def test_place_in_a_template_is_filled_for_the_shell_that_reads_it() -> None:
    assert insert(("parallel", "cd {};", "{probe}", "app", ":::", "a"), PARALLEL, ("a b", "c"), {}) == (
        *("parallel", "cd {};", "'a b'", "c"),
        *("app", ":::", "a"),
    )
    assert insert(("parallel", "-kq", "{probe}", "app"), PARALLEL, ("a b",), {}) == ("parallel", "-kq", "a b", "app")


def test_command_without_a_place_has_none() -> None:
    assert not has_place(("mpiexec", "-n", "4", "probe", "{}"))

"""What a rank was started with, as the files of `/proc` tell it."""

from __future__ import annotations

import msgspec
import pytest

from hangprobe.context.values import Channel, Far, Holder, Kind, LaunchContext, Limit, Processors, Role, Session
from hangprobe.model import StartMethod, Unreadable
from hangprobe.observe.context.read import Contexts
from hangprobe.observe.holders import Holders

from ..opened import opened, reads, unix_socket, writes
from ..tree import ProcTree
from .jobs import FIRST, PROXY, STARTER, context, contexts, hydra, process, view

BY_PROXY = (Holder(Role.PROXY, "hydra_pmi_proxy"),)


def stdin(context: LaunchContext) -> Channel:
    assert context.stdin is not None
    return context.stdin


def test_standard_input_under_hydra(tree: ProcTree) -> None:
    hydra(tree)
    first, second, third = contexts(tree, *(view(tree, rank) for rank in range(3)))
    assert stdin(first) == Channel(Kind.PIPE, None, "read", False, Far.CLOSED)
    assert stdin(second) == Channel(Kind.PIPE, None, "read", False, Far.HELD, BY_PROXY, False)
    assert second == third != first


def test_output_is_read_by_the_proxy(tree: ProcTree) -> None:
    hydra(tree)
    found = context(tree)
    assert found.stdout == Channel(Kind.PIPE, None, "write", False, Far.HELD, BY_PROXY)
    assert found.stderr == Channel(Kind.FILE, "/scratch/err", "write", False)


def test_descriptors_that_lead_out_of_the_rank(tree: ProcTree) -> None:
    hydra(tree)
    none, found = (each.descriptors for each in contexts(tree, view(tree, 0), view(tree, 1)))
    assert none is not None
    assert none.kinds == ()
    assert found is not None
    assert [(each.kind, each.access, each.holders) for each in found.kinds] == [(Kind.PIPE, "read", BY_PROXY)]
    assert found.least == found.most == (2,)


def test_what_a_program_opened_for_itself_is_not_inherited(tree: ProcTree) -> None:
    own = {0: opened("/dev/null"), 5: reads(77), 6: writes(77), 7: opened("/scratch/data"), 8: unix_socket(8)}
    process(tree, STARTER, comm="mpiexec", links={4: opened("/scratch/data")})
    process(tree, FIRST, parent=STARTER, links={**own, 9: opened("anon_inode:[eventpoll]")})
    process(tree, FIRST + 50, parent=FIRST, links=own)
    found = context(tree).descriptors
    assert found is not None
    assert found.kinds == ()


def test_file_at_the_number_that_the_launcher_has_it_is_inherited(tree: ProcTree) -> None:
    process(tree, STARTER, comm="mpiexec", links={9: opened("/scratch/lock"), 8: opened("/dev/null")})
    process(tree, 400, comm="editor", links={9: opened("/scratch/lock")})
    process(tree, FIRST, parent=STARTER, links={9: opened("/scratch/lock"), 8: opened("/dev/null")})
    found = context(tree).descriptors
    assert found is not None
    assert [(each.kind, each.path, each.holders) for each in found.kinds] == [
        (Kind.FILE, "/scratch/lock", (Holder(Role.LAUNCHER, "mpiexec"),))
    ]


def test_socket_whose_peer_a_launcher_has_leads_to_it(tree: ProcTree) -> None:
    tree.peers = {41: 42, 42: 41, 51: 52, 52: 51}
    process(tree, PROXY, comm="hydra_pmi_proxy", links={8: unix_socket(42)})
    process(tree, 400, comm="database", links={8: unix_socket(52)})
    process(tree, FIRST, parent=PROXY, links={0: unix_socket(41), 5: unix_socket(41), 6: unix_socket(51)})
    found = context(tree)
    assert (stdin(found).far, stdin(found).holders, stdin(found).was_replaced) == (Far.HELD, BY_PROXY, False)
    assert found.descriptors is not None
    assert [each.holders for each in found.descriptors.kinds] == [BY_PROXY]


def test_socket_without_a_known_peer_is_not_called_closed(tree: ProcTree) -> None:
    process(tree, FIRST, links={0: unix_socket(41)})
    assert stdin(context(tree)).far is Far.UNKNOWN


def test_nobody_in_sight_is_not_nobody(tree: ProcTree) -> None:
    process(tree, 50, comm="daemon")
    process(tree, FIRST, links={0: reads(7)})
    assert stdin(context(tree)).far is Far.CLOSED
    tree.refuse("50/task/50/fd")
    assert stdin(context(tree)).far is Far.UNSEEN


def test_write_end_that_only_the_rank_has(tree: ProcTree) -> None:
    process(tree, FIRST, links={0: reads(7), 5: writes(7)})
    process(tree, FIRST + 50, parent=FIRST, links={5: writes(7)})
    assert stdin(context(tree)).far is Far.OWN


def test_other_ranks_are_named_only_where_nobody_else_holds_an_end(tree: ProcTree) -> None:
    for rank in range(2):
        process(tree, FIRST + rank, links={0: reads(7), 5: writes(7)})
    assert stdin(contexts(tree, view(tree, 0), view(tree, 1))[0]).holders == (Holder(Role.OTHER_RANK),)
    process(tree, 50, comm="bash", links={5: writes(7)})
    assert stdin(contexts(tree, view(tree, 0), view(tree, 1))[0]).holders == (Holder(Role.SHELL, "bash"),)


def test_terminal_is_that_of_who_has_its_master(tree: ProcTree) -> None:
    master = opened("/dev/ptmx", more=["tty-index:\t3"])
    other = opened("/dev/ptmx", more=["tty-index:\t13"])
    process(tree, STARTER, comm="prterun", links={19: master})
    process(tree, 400, comm="sshd", links={19: other})
    process(tree, FIRST, parent=STARTER, links={0: opened("/dev/pts/3"), 1: opened("/dev/pts/13")})
    found = context(tree)
    assert found.stdin == Channel(
        Kind.TERMINAL, None, "both", False, Far.HELD, (Holder(Role.LAUNCHER, "prterun"),), False
    )
    assert found.stdout is not None
    assert found.stdout.holders == (Holder(Role.SSHD, "sshd"),)


def test_closed_descriptors_and_dev_null(tree: ProcTree) -> None:
    process(tree, FIRST, links={1: opened("/dev/null", 0o1)})
    found = context(tree)
    assert (found.stdin, found.stdout) == (Channel(Kind.CLOSED), Channel(Kind.NULL, None, "write", False))


def test_temporary_output_of_gnu_parallel_has_no_name_of_its_own(tree: ProcTree) -> None:
    name = "/tmp/parv8u4L.par (deleted)"
    process(tree, STARTER, comm="perl", command=["/usr/bin/perl", "/opt/bin/parallel", "-j2"], links={8: opened(name)})
    process(tree, FIRST, parent=STARTER, links={1: opened(name)})
    assert context(tree).stdout == Channel(
        Kind.FILE, "(deleted)", "both", False, None, (Holder(Role.PARALLEL, "parallel"),)
    )


def test_perl_that_runs_something_else_is_no_parallel(tree: ProcTree) -> None:
    process(tree, STARTER, comm="perl", command=["/usr/bin/perl", "relay.pl"], links={5: writes(7)})
    process(tree, FIRST, parent=STARTER, links={0: reads(7)})
    assert stdin(context(tree)).holders == (Holder(Role.OTHER, "perl"),)


def replaced(tree: ProcTree, *, copy: bool) -> bool | None:
    hydra(tree)
    links = {0: opened("/dev/null"), 1: writes(2001), **({7: reads(1001)} if copy else {})}
    tree.remove(FIRST + 1)
    process(tree, FIRST + 1, parent=PROXY, links=links)
    return stdin(contexts(tree, view(tree, 0), view(tree, 1))[1]).was_replaced


def test_standard_input_of_which_hydra_left_a_copy_was_replaced(tree: ProcTree) -> None:
    assert replaced(tree, copy=True) is True


def test_without_a_copy_nothing_is_said_of_a_replacement(tree: ProcTree) -> None:
    assert replaced(tree, copy=False) is None


def test_output_pipe_of_a_rank_that_has_ended_is_no_copy_of_standard_input(tree: ProcTree) -> None:
    hydra(tree)
    tree.remove(FIRST + 1)
    tree.remove(FIRST)
    process(tree, FIRST + 1, parent=PROXY, links={0: opened("/dev/null"), 9: reads(2000)})
    assert stdin(context(tree, view(tree, 1))).was_replaced is None


def test_program_behind_a_shell_has_its_own_standard_input(tree: ProcTree) -> None:
    process(tree, FIRST, comm="sh", links={0: reads(7)})
    process(tree, FIRST + 50, parent=FIRST, links={0: opened("/dev/null")})
    found = context(tree, view(tree, main=FIRST + 50))
    assert found.stdin_behind == Channel(Kind.NULL, None, "both", False)
    process(tree, FIRST + 60, parent=FIRST, links={0: reads(7)})
    assert context(tree, view(tree, main=FIRST + 60)).stdin_behind is None


def test_why_standard_input_never_ends_is_kept(tree: ProcTree) -> None:
    hydra(tree)
    assert context(tree, view(tree, 1, fed="it is kept open")).stdin_never_ends == "it is kept open"


def test_signals_session_limits_and_the_rest(tree: ProcTree) -> None:
    process(tree, STARTER, comm="mpiexec", files=1024)
    masks = {"SigBlk": "0000000000010000", "SigIgn": "0000000001101000", "Cpus_allowed_list": "0-3", "Umask": "0027"}
    process(tree, FIRST, parent=STARTER, files=4096, status=masks, tty=34816)
    found = context(tree)
    assert (found.blocked, found.ignored, found.is_python) == (("CHLD",), ("PIPE", "TTIN", "XFSZ"), True)
    assert found.session == Session(False, False, True)
    assert found.limits is not None
    assert found.limits.changed == ("open files",)
    assert Limit("open files", "4096", "20000") in found.limits.all
    assert (found.processors, found.umask, found.nice, found.oom) == (Processors(4, "0-3"), "0027", 0, 0)
    assert found.folder == "/scratch/run"


def test_limits_without_a_launcher_on_the_node_are_compared_with_nothing(tree: ProcTree) -> None:
    process(tree, FIRST)
    limits = context(tree).limits
    assert limits is not None
    assert limits.changed is None


def test_program_that_is_not_python_is_told(tree: ProcTree) -> None:
    process(tree, FIRST, program="/usr/bin/pythonic")
    assert context(tree).is_python is False


def test_secret_is_nowhere_in_the_value(tree: ProcTree) -> None:
    hydra(tree)
    found = context(tree)
    assert found.variables is not None
    assert "AWS_SECRET_ACCESS_KEY" in found.variables.names
    assert b"hushhush" not in msgspec.msgpack.encode(found)


def test_value_survives_messagepack(tree: ProcTree) -> None:
    hydra(tree)
    found = contexts(tree, view(tree, 1))[0]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=LaunchContext) == found


def test_start_methods_are_those_that_were_seen(tree: ProcTree) -> None:
    hydra(tree)
    rank = view(tree)
    node = Contexts(Holders(tree.scanned()), [rank])
    seen = [StartMethod.SPAWN, StartMethod.FORK, StartMethod.FORK]
    assert node.read(rank, seen).start_methods == (StartMethod.FORK, StartMethod.SPAWN)


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("status", {"blocked", "ignored", "processors", "umask"}),
        ("stat", {"session", "nice"}),
        ("environ", {"variables"}),
        ("limits", {"limits"}),
        ("cwd", {"folder"}),
        ("exe", {"is_python"}),
        ("oom_score_adj", {"oom"}),
        (f"task/{FIRST}/fd", {"stdin", "stdout", "stderr", "descriptors"}),
    ],
)
def test_what_cannot_be_read_is_unknown_with_its_reason(tree: ProcTree, file: str, fields: set[str]) -> None:
    hydra(tree)
    rank = view(tree)
    whole = context(tree, rank)
    world = tree.scanned()
    tree.refuse(f"{FIRST}/{file}")
    node = Contexts(Holders(world), [rank])
    found = node.read(rank)
    if file == "stat":  # then nothing shows that it is still the same process
        assert found.unreadable == (Unreadable("process", "gone"),)
        return
    unknown = {name for name in found.__struct_fields__ if getattr(found, name) is None} - {"stdin_behind"}
    assert unknown - {n for n in whole.__struct_fields__ if getattr(whole, n) is None} == fields
    assert [each.why for each in found.unreadable] == ["not permitted"]
    assert str(FIRST) not in found.unreadable[0].what


def test_process_that_has_gone_has_no_context(tree: ProcTree) -> None:
    hydra(tree)
    rank = view(tree, 1)
    tree.remove(FIRST + 1)
    found = context(tree, rank)
    assert found.unreadable == (Unreadable("process", "gone"),)
    assert (found.stdin, found.variables) == (None, None)


def test_process_that_took_over_the_pid_is_not_the_rank(tree: ProcTree) -> None:
    hydra(tree)
    rank = view(tree, 1)
    tree.remove(FIRST + 1)
    process(tree, FIRST + 1, parent=PROXY, start=99_999)
    assert context(tree, rank).unreadable == (Unreadable("process", "gone"),)


def test_ranks_that_nobody_has_named_are_known_by_their_launcher(tree: ProcTree) -> None:
    process(tree, PROXY, comm="hydra_pmi_proxy")
    process(tree, FIRST, parent=PROXY, links={0: reads(7)})
    process(tree, FIRST + 1, comm="sh", parent=PROXY, links={5: writes(7)})
    process(tree, FIRST + 50, parent=FIRST + 1, links={5: writes(7)})
    assert stdin(context(tree)).holders == (Holder(Role.OTHER_RANK),)


def test_ssh_below_mpiexec_is_no_rank(tree: ProcTree) -> None:
    process(tree, STARTER, comm="mpiexec")
    process(tree, 110, comm="ssh", parent=STARTER, links={5: writes(7)})
    process(tree, FIRST, links={0: reads(7)})
    assert stdin(context(tree)).holders == (Holder(Role.OTHER, "ssh"),)


def test_pipe_that_the_rank_may_only_write_is_no_copy_of_standard_input(tree: ProcTree) -> None:
    process(tree, PROXY, comm="hydra_pmi_proxy", links={11: writes(7)})
    process(tree, FIRST, parent=PROXY, links={0: opened("/dev/null"), 11: writes(7)})
    assert stdin(context(tree)).was_replaced is None

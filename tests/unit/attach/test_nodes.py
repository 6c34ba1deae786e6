"""A round over several nodes: what answered is judged, what did not is named, and no answer is taken for a good one."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from hangprobe.agent.look.fanout import Answers
from hangprobe.agent.look.nodereport import NodeReport, pack
from hangprobe.attach.nodes import LATE_S, Round
from hangprobe.errors.jobs import NoJobFound
from hangprobe.model import Barrier, Unreadable, Verdict
from hangprobe.policy import Policy
from hangprobe.result import Result
from tests.unit.agent.look.reports import POLICY, hung, node, working

HOSTS = ("node01", "node02", "node03")
LATE = "did not answer within 15 s"


class Site:
    """Nodes that answer as they are told to; it remembers what they were asked."""

    def __init__(self, **answers: NodeReport | bytes | str) -> None:
        self.answers: Answers = {
            host: pack(answer) if isinstance(answer, NodeReport) else answer for host, answer in answers.items()
        }
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...], float]] = []

    def ssh(self, hosts: Sequence[str], command: Sequence[str], deadline_s: float) -> Answers:
        self.asked.append((tuple(hosts), tuple(command), deadline_s))
        return {host: self.answers[host] for host in hosts}

    def look(self, policy: Policy = POLICY, **more: float) -> list[Result]:
        return Round(tuple(self.answers), policy, by_ssh=self.ssh, **more).look()  # type: ignore[arg-type]


def told(result: Result) -> list[tuple[str, str]]:
    return [(each.what, each.why) for each in result.unreadable]


def test_the_nodes_of_a_job_become_one_document() -> None:
    (result,) = Site(node01=node("node01", working("node01", 0)), node02=node("node02", hung("node02", 1))).look()
    assert result.verdict is Verdict.HANG
    assert [(rank.rank, rank.host) for rank in result.ranks] == [(0, "node01"), (1, "node02")]
    assert result.unreadable == ()


def test_a_node_that_does_not_answer_is_named_and_the_others_are_judged() -> None:
    (result,) = Site(node01=node("node01", hung("node01", 0)), node02=LATE).look()
    assert result.verdict is Verdict.HANG
    assert ("node02", LATE) in told(result)


def test_a_job_of_which_a_node_is_not_seen_is_not_known_to_be_well() -> None:
    (result,) = Site(node01=node("node01", working("node01", 0)), node02=LATE).look()
    assert result.verdict is Verdict.UNKNOWN


def test_a_job_of_which_ranks_are_missing_is_not_known_to_be_well() -> None:
    (result,) = Site(node01=node("node01", working("node01", 0, size=2))).look()
    assert result.verdict is Verdict.UNKNOWN
    assert told(result) == [("rank 1", "on none of the nodes that answered")]


def test_a_job_of_which_all_is_seen_is_well() -> None:
    (result,) = Site(node01=node("node01", working("node01", 0, size=1))).look()
    assert (result.verdict, result.unreadable) == (Verdict.OK, ())


@pytest.mark.parametrize("answer", [b"", b"bash: python: command not found\n", pack(node("node02"))[:40]])
def test_an_answer_that_is_no_report_names_its_node(answer: bytes) -> None:
    (result,) = Site(node01=node("node01", working("node01", 0)), node02=answer).look()
    assert [what for what, _ in told(result)] == ["node02"]
    assert result.verdict is Verdict.UNKNOWN


def test_what_a_node_could_not_do_is_told_with_its_name_and_with_what_forbade_it() -> None:
    failed = NodeReport("node02", (), (), (Unreadable("this node", "OSError: full", Barrier.PERMISSION),))
    (result,) = Site(node01=node("node01", working("node01", 0)), node02=failed).look()
    assert result.unreadable == (Unreadable("node02: this node", "OSError: full", Barrier.PERMISSION),)
    assert result.verdict is Verdict.UNKNOWN


def test_several_jobs_are_several_documents() -> None:
    both = node("node01", hung("node01", 0), working("node01", 0, job="another"))
    assert sorted(result.verdict for result in Site(node01=both).look()) == [Verdict.HANG, Verdict.OK]


def test_where_no_job_is_found_the_silent_nodes_are_named() -> None:
    with pytest.raises(NoJobFound, match="node02"):
        Site(node01=node("node01"), node02=LATE).look()


def test_a_node_is_told_to_end_before_its_answer_would_come_too_late() -> None:
    site = Site(node01=node("node01", working("node01", 0)))
    site.look(Policy(stall_after_s=90.0, has_stacks=False), deadline_s=20.0, patience_s=2.5)
    ((_, command, deadline_s),) = site.asked
    options = dict(zip(command[3::2], command[4::2], strict=False))
    assert deadline_s == 20.0
    assert float(options["--deadline"]) == 20.0 - LATE_S
    assert (options["--stall-after"], options["--patience"]) == ("90", "2.5")
    assert "--no-stacks" in command


def test_with_stacks_nothing_is_said_of_them() -> None:
    site = Site(node01=node("node01", working("node01", 0)))
    site.look(Policy())
    assert "--no-stacks" not in site.asked[0][1]


def test_the_shortest_deadline_leaves_a_node_a_second() -> None:
    site = Site(node01=node("node01", working("node01", 0)))
    site.look(deadline_s=0.5)
    assert site.asked[0][1][site.asked[0][1].index("--deadline") + 1] == "1"


def test_this_very_node_is_not_asked_by_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    from hangprobe.agent.look import fanout

    own = f"{socket.gethostname().partition('.')[0]}.somewhere.example"
    monkeypatch.setattr(fanout, "by_fork", lambda command, deadline_s: pack(node(own, hung(own, 0))))
    site = Site(node01=node("node01", working("node01", 1)))
    results = Round((own, "node01"), POLICY, by_ssh=site.ssh).look()
    assert [hosts for hosts, *_ in site.asked] == [("node01",)]
    assert [rank.host for rank in results[0].ranks] == [own, "node01"]

"""What a trial leaves on other nodes is told, and so is what cannot be known."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import msgspec
import pytest

from hangprobe.agent.look.fanout import Answers
from hangprobe.ensemble import leftovers
from hangprobe.ensemble.leftovers import Ask, Swept, sweep_all, sweep_nodes
from hangprobe.ensemble.records import Leftover, Unseen
from hangprobe.errors.base import ExtraMissing

LEFT = Leftover("b", 7, "cat")
FOUND = msgspec.json.encode(Swept((LEFT,), ("b: 8 ffmpeg (D)",)))
CLEAN = msgspec.json.encode(Swept())


def saying(**answers: bytes | str) -> Ask:
    """Return what answers for these hosts."""

    def ask(hosts: Sequence[str], command: Sequence[str], deadline_s: float) -> Answers:
        assert list(hosts) == list(answers)
        assert command[-1] == "tag"
        return dict(answers)

    return ask


def test_what_other_nodes_found_is_told() -> None:
    assert sweep_all("tag", ["a", "b"], saying(a=CLEAN, b=FOUND)) == Swept((LEFT,), ("b: 8 ffmpeg (D)",))


def test_a_node_that_does_not_answer_beside_others_is_silent() -> None:
    swept = sweep_all("tag", ["a", "b"], saying(a=CLEAN, b="ssh: Permission denied"))
    assert (swept.silent, swept.unseen) == ((Unseen("b", "ssh: Permission denied"),), ())
    late = sweep_all("tag", ["b"], saying(b="did not answer within 20 s"))
    assert (len(late.silent), late.unseen) == (1, ())
    broken = sweep_all("tag", ["b"], saying(b=b"Traceback"))
    assert (broken.silent, broken.unseen) == ((Unseen("b", "Traceback"),), ())


def test_where_no_node_takes_ssh_nothing_is_known_and_nothing_is_wrong() -> None:
    swept = sweep_all("tag", ["a", "b"], saying(a="ssh: Connection refused", b="ssh brought no answer"))
    assert ([each.host for each in swept.unseen], swept.silent) == (["a", "b"], ())


def test_without_clustershell_nothing_is_known_and_nothing_is_wrong() -> None:
    def ask(hosts: Sequence[str], command: Sequence[str], deadline_s: float) -> Answers:
        raise ExtraMissing("ClusterShell", "a job on several nodes", "nodes")

    (unseen,) = sweep_all("tag", ["a"], ask).unseen
    assert (unseen.host, "ClusterShell" in unseen.why) == ("a", True)


def test_this_node_needs_no_ssh() -> None:
    assert sweep_nodes("no-such-tag", [socket.gethostname()], saying()) == Swept()


def test_that_nothing_has_the_tag_says_nothing_where_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_are_readable", lambda: False)
    (silent,) = leftovers.sweep("no-such-tag").silent
    assert "could not be read" in silent.why

"""The border: what was written can be read again, and judged again, however hangprobe ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.errors.base import RecordUnreadable
from hangprobe.evidence import Code, Frame, Stack, Suspects
from hangprobe.explain.findings import find
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement, Progress, Quiet, RankVerdict, Sighting
from hangprobe.model import (
    Assumption,
    Barrier,
    DoubleCollect,
    Frozen,
    Keeper,
    Launcher,
    Mutex,
    ProcessId,
    ProcessView,
    RankState,
    RankView,
    Snapshot,
    Stdin,
    ThreadId,
    ThreadView,
    Unreadable,
    Wait,
    WaitKind,
    Worker,
)
from hangprobe.record import End, Header, Look, Writer, decode, encode, read, write_whole
from hangprobe.result import Result

from .explain.builders import HUNG_RANKS, hung_double, lineages, locks
from .judge.builders import WINDOW_S, but, quiet
from .report.builders import hang, leak

HEADER = Header(("mpiexec", "-n", "4", "python", "app.py"), "node01", "2026-11-22T16:00:00+00:00", WINDOW_S, "0.1.0")


def look() -> Look:
    """Return a look at two ranks in the same hang."""
    double, suspects = hung_double(), Suspects(locks(), (), lineages(), unreadable=(Unreadable("stacks", "no py-spy"),))
    judgement = judge(double, HUNG_RANKS, quiet(2.0), WINDOW_S)
    findings = find(judgement, double, HUNG_RANKS, suspects)
    return Look(judgement.at_s, double, HUNG_RANKS, quiet(2.0), suspects, judgement, findings)


def full_look() -> Look:
    """Return a look in which every field that a stage may fill is filled."""
    who = ThreadId(ProcessId("node01", 10, 1), 11)
    keeper = Keeper(who.process, ProcessId("node01", 30, 2), is_certain=False)
    wait = Wait(
        WaitKind.FILE_LOCK,
        "OFD on /scratch/run.lock",
        frozenset({who}),
        Mutex("normal", 7),
        frozenset({who}),
        (keeper,),
        (Assumption.A1, Assumption.A2),
    )
    seen = ThreadView(who, 1, "S", "72 ...", 7, wait, None, Barrier.PERMISSION, True, True, True, 100.0, 0.5, 0.75)
    process = ProcessView(who.process, 1, "python", True, (seen,), "catches TERM", ("libmpi.so.12",))
    unread = (Unreadable("maps", "late", Barrier.PERMISSION),)
    first = Snapshot("node01", 1.0, 2.0, (process,), unread, 103.0, False)
    double = DoubleCollect(first, first.but(began_s=3.0, ended_s=4.0, alarms=True, alarms_at_s=(130.0,)))
    stdin = Stdin("pipe:[9]", (who.process,), "Hydra feeds rank 0 only", "login:45813")
    view = RankView(1, Launcher.INTEL, who.process, who.process, (who.process,), stdin, 4, Worker(3, 1, 7, "noop"))
    progress = {1: Progress(1, 61.0, (Quiet(who.process, 62.0),))}
    spared = "a leak, not a proof"
    assumes, barrier = (Assumption.A1,), Barrier.HIDEPID
    verdict = RankVerdict(1, RankState.LEAK, "kept", True, (who,), 100.0, 3.0, (who,), spared, assumes, barrier)
    judgement = Judgement(4.0, frozenset({who}), frozenset({who}), (verdict,))
    stack = Stack(who, (Frame("acquire", "queue.py", 7),), "py-spy")
    suspects = Suspects(locks(), (stack,), lineages(), (Code(who, ("libgomp.so.1",)),), unread)
    sight = Sighting(who, "72 ...", 6, 101.0)
    return Look(4.0, double, (view,), progress, suspects, judgement, leak().findings, (sight,))


def test_every_field_of_every_value_survives_the_record(path: Path) -> None:
    assert list(read(written(path, full_look(), End(leak())))) == [full_look(), End(leak())]


@pytest.mark.parametrize(
    "kind",
    [Wait, Keeper, ThreadView, ProcessView, Snapshot, RankView, Stdin, Progress, Quiet, RankVerdict, Suspects, Code],
)
def test_no_field_of_these_values_was_left_at_its_default_above(kind: type[Frozen]) -> None:
    # so that a field that is added must be added to `full_look` too
    values = [value for value in inside(full_look()) if type(value) is kind]
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind) if not field.required}
    left = {name for name in defaults if all(getattr(value, name) == defaults[name] for value in values)}
    assert values
    assert left == set()


def inside(value: object) -> Iterator[object]:
    """Yield a value and everything that it holds."""
    yield value
    parts: Iterable[object] = ()
    if isinstance(value, msgspec.Struct):
        parts = (getattr(value, name) for name in value.__struct_fields__)
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple | frozenset):
        parts = value
    for part in parts:
        yield from inside(part)


def test_a_record_of_an_earlier_version_without_the_new_fields_can_be_read(path: Path) -> None:
    new = {"keepers", "assumes", "is_runtime_helper", "alarms", "stdin", "code"}
    written(path, look())
    document = without(msgspec.json.decode(path.read_bytes()), new)
    path.write_bytes(msgspec.json.encode(document) + b"\n")
    assert list(read(path)) == [look()]


def without(value: object, names: set[str]) -> object:
    """Return JSON without the members of these names."""
    if isinstance(value, dict):
        return {name: without(member, names) for name, member in value.items() if name not in names}
    return [without(member, names) for member in value] if isinstance(value, list) else value


def written(path: Path, *lines: Header | Look | End) -> Path:
    writer = Writer(path)
    for line in lines:
        writer.write(line)
    writer.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a record goes."""
    return tmp_path / "record.jsonl"


def test_what_is_written_can_be_read_again(path: Path) -> None:
    lines = (HEADER, look(), End(hang()))
    assert tuple(read(written(path, *lines))) == lines


def test_each_line_is_one_json_object_with_its_kind(path: Path) -> None:
    written(path, HEADER, look(), End(hang()))
    kinds = [msgspec.json.decode(line)["record"] for line in path.read_bytes().splitlines()]
    assert kinds == ["header", "look", "end"]


def test_judging_again_from_a_record_gives_the_same_judgement(path: Path) -> None:
    (seen,) = [line for line in read(written(path, HEADER, look())) if isinstance(line, Look)]
    assert judge(seen.double, seen.ranks, seen.progress, HEADER.stall_after_s) == seen.judgement
    assert find(seen.judgement, seen.double, seen.ranks, seen.suspects) == seen.findings
    assert seen.judgement.ranks[0].hung


def test_a_record_can_be_judged_with_another_window(path: Path) -> None:
    (seen,) = [line for line in read(written(path, HEADER, look())) if isinstance(line, Look)]
    assert judge(seen.double, seen.ranks, seen.progress, 1.0).proven == seen.judgement.proven


def test_a_last_line_that_was_cut_off_is_ignored(path: Path) -> None:
    written(path, HEADER, look())
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 100, whole.index(b"\n") + 2):
        path.write_bytes(whole[:length])
        assert list(read(path)) == [HEADER]


@given(st.integers(0, 3000))
def test_wherever_a_record_is_cut_off_its_whole_lines_can_be_read(length: int) -> None:
    whole = b"".join(msgspec.json.encode(line) + b"\n" for line in (HEADER, look(), End(hang())))
    with tempfile.NamedTemporaryFile() as cut:
        cut.write(whole[:length])
        cut.flush()
        assert len(list(read(Path(cut.name)))) == whole[:length].count(b"\n")


@pytest.mark.parametrize("damage", [b"{", b"", b"[]", b'{"record": "header"}', b'{"record": "other"}', b"\0"])
def test_a_damaged_line_before_the_last_is_refused_with_its_number(path: Path, damage: bytes) -> None:
    written(path, HEADER)
    path.write_bytes(path.read_bytes() + damage + b"\n" + msgspec.json.encode(End(hang())) + b"\n")
    with pytest.raises(RecordUnreadable, match="line 2"):
        list(read(path))


def test_a_damaged_line_of_bytes_that_are_no_text_is_refused(path: Path) -> None:
    written(path, HEADER)
    damaged = path.read_bytes().replace(b"node01", b"node\xff\xfe")
    path.write_bytes(damaged)
    with pytest.raises(RecordUnreadable, match="line 1"):
        list(read(path))


def test_a_document_of_bytes_that_are_no_text_is_refused() -> None:
    with pytest.raises(RecordUnreadable):
        decode(encode(hang()).replace(b"node01", b"node\xff\xfe"))


def test_a_command_with_bytes_that_are_no_text_can_be_recorded(path: Path) -> None:
    # sys.argv of `hangprobe watch -- app $'\\xff'` (PEP 383)
    (line,) = read(written(path, but(HEADER, command=("app", b"\xff".decode(errors="surrogateescape")))))
    assert isinstance(line, Header)


def test_a_document_about_such_a_command_can_be_written() -> None:
    encode(but(hang(), command=("app", b"\xff".decode(errors="surrogateescape"))))


def test_a_record_of_another_schema_is_refused(path: Path) -> None:
    with pytest.raises(RecordUnreadable, match=r"hangprobe\.record/2"):
        list(read(written(path, but(HEADER, schema="hangprobe.record/2"))))


def test_fields_that_a_newer_version_adds_are_passed_over(path: Path) -> None:
    document = msgspec.json.decode(msgspec.json.encode(HEADER)) | {"colour": "green"}
    path.write_bytes(msgspec.json.encode(document) + b"\n")
    assert list(read(path)) == [HEADER]


def test_lines_are_appended_to_what_is_there(path: Path) -> None:
    written(path, HEADER)
    assert list(read(written(path, End(hang())))) == [HEADER, End(hang())]


def test_without_a_path_nothing_is_kept() -> None:
    writer = Writer(None)
    writer.write(HEADER)
    writer.close()


def test_an_empty_record_has_no_lines(path: Path) -> None:
    assert list(read(written(path))) == []


# documents


def test_a_document_is_one_line_and_can_be_read_again() -> None:
    document = encode(hang())
    assert document.count(b"\n") == 1
    assert document.endswith(b"\n")
    assert decode(document) == hang()


@pytest.mark.parametrize("field", [name for name in Result.__struct_fields__ if name != "schema"])
def test_every_field_of_a_document_stands_in_it(field: str) -> None:
    assert field in msgspec.json.decode(encode(hang()))


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"null", b"{", b'{"verdict": "maybe"}'])
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        decode(document)


# whole files


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "result.json", b"old")
    write_whole(tmp_path / "result.json", b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("result.json", b"new")]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "result.json", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]

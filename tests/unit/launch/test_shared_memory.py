"""Only what belonged to the job, bears an MPI runtime's name and is used by nobody is removed."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.launch.proctree import list_processes
from hangprobe.launch.segments import (
    Segment,
    made_since,
    mapped_by,
    opened_by,
    parse_maps,
    remove,
    remove_launcher_files,
)


@pytest.fixture
def segment() -> Iterator[Path]:
    """A file in /dev/shm with MPICH's prefix, 4 KiB long."""
    path = Path(f"/dev/shm/mpich_shm_test_{os.getpid()}")
    path.write_bytes(bytes(4096))
    yield path
    path.unlink(missing_ok=True)


def found(path: Path) -> Segment:
    status = path.stat()
    return Segment(str(path), status.st_dev, status.st_ino)


def test_mapped_segment_is_found_and_kept(segment: Path) -> None:
    with segment.open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        assert mapped_by([os.getpid()]) == ({found(segment)}, True)
        assert remove({found(segment)}) == []
    assert segment.exists()


def test_segment_that_somebody_has_open_is_kept(segment: Path) -> None:
    with segment.open("rb"):
        assert opened_by([os.getpid()]) == {str(segment)}
        assert remove({found(segment)}) == []
    assert segment.exists()


def test_segment_made_while_the_job_ran_is_found_by_its_age(segment: Path) -> None:
    made_s = segment.stat().st_ctime
    assert found(segment) in made_since(made_s - 1)
    assert found(segment) not in made_since(made_s + 1)


def proxies() -> set[int]:
    return {pid for pid, process in list_processes().items() if process.name == "hydra_pmi_proxy"}


def test_launcher_file_is_removed_only_if_the_job_made_it(tmp_path: Path) -> None:
    ours, other = tmp_path / "hydra_hwloc_xmlfile_abc", tmp_path / "hydra_hwloc_xmlfile"
    for path in (ours, other):
        path.write_text("")
    assert remove_launcher_files(ours.stat().st_ctime + 1, str(tmp_path)) == []
    seen = proxies()
    removed = remove_launcher_files(ours.stat().st_ctime - 1, str(tmp_path))
    if not seen | proxies():  # another job may need the file
        assert removed == [str(ours)]
        assert other.exists()


def test_segment_that_nobody_maps_is_removed(segment: Path) -> None:
    assert remove({found(segment)}) == [str(segment)]
    assert not segment.exists()


def test_new_file_of_the_same_name_is_kept(segment: Path) -> None:
    old = found(segment)
    assert remove({old._replace(inode=old.inode + 1)}) == []
    assert remove({old._replace(device=old.device + 1)}) == []
    assert segment.exists()


def test_other_names_places_and_unlinked_files_are_no_segments() -> None:
    line = b"7f00-7f10 rw-s 00000000 00:1a 42 %s\n"
    kept = (
        b"/dev/shm/sem.mine",
        b"/tmp/mpich_shm_1",
        b"/dev/shm/sub/mpich_shm_1",
        b"/dev/shm/ucx_shm_posix_1 (deleted)",
    )
    assert parse_maps(b"".join(line % name for name in kept[:3]) + b"7f00-7f10 rw-p 0 00:00 0\n") == set()
    assert remove(parse_maps(line % kept[3])) == []
    assert parse_maps(line % b"/dev/shm/vader_segment.h.1.0") == {
        Segment("/dev/shm/vader_segment.h.1.0", os.makedev(0, 0x1A), 42)
    }

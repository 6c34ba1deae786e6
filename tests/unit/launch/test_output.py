"""What ranks printed has the same names whoever wrote it."""

from __future__ import annotations

from pathlib import Path

from hangprobe.launch.output import settle


def test_files_of_open_mpi_are_renamed_and_others_left(tmp_path: Path) -> None:
    names = ["rank.prterun-node.example-4711@1.0.out", "rank.prterun-node.example-4711@1.03.err", "rank.txt"]
    for name in (*names, "rank-1.out", "rank-1.marks"):
        (tmp_path / name).touch()
    settle(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("rank-0.out", "rank-3.err", "rank.txt"),
        *("rank-1.out", "rank-1.marks"),
    }

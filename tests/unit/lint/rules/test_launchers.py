from __future__ import annotations

import pytest

from ..subjects import TODAY, slugs

PALS = 'bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1"'


@pytest.mark.parametrize(
    ("text", "mpi", "expected"),
    [
        ("PBSProProvider(launcher=MpiExecLauncher())", None, ["launcher-options?"]),
        ("PBSProProvider(launcher=MpiExecLauncher())", "mpich", []),
        (f"PBSProProvider(launcher=MpiExecLauncher({PALS}))", None, []),
        (f"PBSProProvider(launcher=MpiExecLauncher({PALS}))", "pals", []),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=3)", None, []),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=3)", "mpich", []),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=3)", "pals", ["launcher-options?"]),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=3)", "impi", ["launcher-options?"]),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=3)", "openmpi", ["launcher-options?"]),
        ("LocalProvider(launcher=MpiExecLauncher(), nodes_per_block=1)", "openmpi", []),
        ("LocalProvider(launcher=MpiExecLauncher())", "impi", []),
        ("LocalProvider(launcher=MpiExecLauncher(overrides='-ppn 1'), nodes_per_block=3)", "impi", []),
        ("o = f()\ndef f(): ...\nLocalProvider(launcher=MpiExecLauncher(overrides=o), nodes_per_block=3)", "impi", []),
        ("o = {}\nLocalProvider(launcher=MpiExecLauncher(**o), nodes_per_block=3)", "impi", []),
    ],
)
def test_a_launcher_is_warned_of_where_its_mpi_needs_more(text: str, mpi: str | None, expected: list[str]) -> None:
    assert slugs(text, TODAY.but(mpi=mpi)) == expected

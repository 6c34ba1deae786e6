"""The reproducers and controls that come with hangprobe: stand-alone programs, described by a manifest."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hangprobe.errors.base import UnknownName
from hangprobe.model import Launcher, Tier, Verdict
from hangprobe.ranksets import fold

PLACES = (Path(__file__).parent / "_reproducers", Path(__file__).parent.parent / "reproducers")
"""In a wheel the programs lie inside the package, in a checkout or an editable install beside it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What hangprobe should say of a program."""

    verdict: Verdict
    tier: Tier | None
    mechanism: str | None
    lock: str | None
    hung: str
    """`all`, `1-` (every rank but 0), `0` (it alone), `node:1-` (every rank but its node's first), or nothing."""

    def ranks(self, size: int, per_node: int | None = None) -> str:
        """Return the ranks that hang in a job of `size`, folded; `per_node` None: all of them on one node."""
        followers = (rank for rank in range(size) if rank % (per_node or size))
        spans = {"all": range(size), "1-": range(1, size), "0": range(1), "node:1-": followers, "": range(0)}
        return fold(spans[self.hung])


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run a program."""

    name: str
    arguments: tuple[str, ...]
    expected: Expected
    mitigations: tuple[str, ...]
    expected_under: Mapping[Launcher, Expected] = field(default_factory=dict)
    """Where a launcher makes a difference."""

    def under(self, launcher: Launcher) -> Expected:
        """Return what hangprobe should say of a job that this launcher started."""
        return self.expected_under.get(launcher, self.expected)


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A reproducer or a control."""

    name: str
    path: Path
    kind: str
    title: str
    ranks: int
    seconds: float | None
    """How long a healthy control looks hung; None for the others."""
    variants: tuple[Variant, ...]

    def variant(self, name: str | None) -> Variant:
        """Return a variant by name, the first one if none is given. Raises UnknownName."""
        if name is None:
            return self.variants[0]
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise UnknownName("variant", name, [variant.name for variant in self.variants], f"of {self.name}")


def folder() -> Path:
    """Return the folder in which the programs lie. Raises FileNotFoundError for a broken installation."""
    for place in PLACES:
        if (place / "manifest.toml").exists():
            return place
    raise FileNotFoundError(f"no reproducers in {PLACES[0]} or {PLACES[1]}: reinstall hangprobe")


def load(place: Path | None = None) -> dict[str, ProgramFile]:
    """Return every program by name, in the manifest's order."""
    place = place or folder()
    with (place / "manifest.toml").open("rb") as file:
        manifest = tomllib.load(file)
    return {entry["name"]: _program(place, entry) for entry in manifest["program"]}


def pick(name: str, programs: Mapping[str, ProgramFile]) -> ProgramFile:
    """Return a program by name. Raises UnknownName."""
    if name not in programs:
        raise UnknownName("reproducer", name, list(programs), "hangprobe list shows them all")
    return programs[name]


def _program(place: Path, entry: Mapping[str, Any]) -> ProgramFile:
    mitigations = tuple(entry.get("mitigations", ()))
    return ProgramFile(
        entry["name"],
        place / entry["file"],
        entry["kind"],
        entry["title"],
        entry.get("ranks", 4),
        entry.get("seconds"),
        tuple(_variant(variant, mitigations) for variant in entry["variant"]),
    )


def _variant(entry: Mapping[str, Any], mitigations: tuple[str, ...]) -> Variant:
    own = tuple(entry["mitigations"]) if "mitigations" in entry else mitigations
    under = {Launcher(name): _expected(changed) for name, changed in entry.get("under", {}).items()}
    return Variant(entry["name"], tuple(entry.get("arguments", ())), _expected(entry), own, under)


def _expected(entry: Mapping[str, Any]) -> Expected:
    tier = entry.get("tier")
    return Expected(
        Verdict(entry["verdict"]),
        Tier(tier) if tier else None,
        entry.get("mechanism"),
        entry.get("lock"),
        entry.get("hung", ""),
    )

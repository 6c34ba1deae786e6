"""What two launchers give their managers; names of the user's own variables are counted and not told."""

from __future__ import annotations

import re

from hangprobe.ensemble.records import Cell, Trial
from hangprobe.explain.contextdiff import Alike, Change, Direction, Explanation, LauncherDiff
from hangprobe.ranksets import fold, unfold
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.document import document
from hangprobe.report.comparison.launchcontexts import NAMES, _counted
from hangprobe.result import StartedAlike
from tests.unit.explain.contexts import variables

from .campaigns import BOTH, flagship

OWN = ("MY_SECRET_PROJECT", "ACCOUNT_OF_MINE", "VIRTUAL_ENV_PROMPT")
CHANGE = Change(
    NAMES, "names of other variables", (Alike("0-2", "A, B, C"),), (Alike("0", "not known"), Alike("1", "-"))
)


def with_own_variables(trial: Trial) -> Trial:
    """Return a trial whose managers were given the user's variables by one launcher only."""
    if trial.cell.launcher != BOTH[0]:
        return trial
    seen = tuple(
        each.but(context=each.context.but(variables=variables("PMI_RANK", *OWN, OMP_NUM_THREADS="3")))
        for each in trial.contexts
    )
    return trial.but(contexts=seen)


def test_no_name_of_the_users_own_variables_is_told_in_any_format() -> None:
    campaign, done = flagship(2)
    found = compare(campaign, trials := tuple(map(with_own_variables, done)))
    for text in (markdown.page(found), html.page(found, trials), document(found).decode()):
        assert not re.search("|".join(OWN), text)
    assert re.search(r"managers 0-2: \d+ names", markdown.page(found))


def test_variables_that_matter_keep_their_names_and_values() -> None:
    campaign, done = flagship(2)
    page = markdown.page(compare(campaign, tuple(map(with_own_variables, done))))
    assert "OMP_NUM_THREADS=3" in page


def numbered_from_the_last(trial: Trial) -> Trial:
    """Return a trial whose launcher counts the nodes from the last one."""
    last = len(trial.managers) - 1
    managers = tuple(each.but(index=last - each.index) for each in trial.managers)
    turned = [(fold(last - rank for rank in unfold(each.ranks)), each.context) for each in trial.contexts]
    return trial.but(managers=managers, contexts=tuple(StartedAlike(*each) for each in turned))


def test_managers_are_compared_by_node_however_the_launcher_numbers_them() -> None:
    campaign, done = flagship(2)
    turned = tuple(numbered_from_the_last(each) if each.cell.launcher == BOTH[0] else each for each in done)
    assert turned != done
    assert compare(campaign, turned).contexts == compare(campaign, done).contexts


def test_the_trial_with_most_managers_looked_at_stands_for_its_cell() -> None:
    campaign, done = flagship(8)
    own = [each for each in done if each.cell == Cell(BOTH[1], "stdin-child")]
    halves = {each.number: each.but(contexts=(each.contexts[0].but(ranks="1"),)) for each in own[:-1]}
    (found,) = compare(campaign, tuple(halves.get(each.number, each) for each in done)).contexts
    assert found.second_trial == own[-1].number
    (whole,) = compare(campaign, done).contexts
    assert whole.second_trial == own[0].number


def test_names_are_told_where_a_rule_explains_a_mechanism_by_them() -> None:
    found = Explanation("deadlock", NAMES, Direction.FIRST, "0-2", "", "so it is")
    diff = LauncherDiff(("a", "b"), "0-2", (CHANGE,), (found,), ())
    assert _counted(diff) == diff
    (change,) = _counted(diff.but(explanations=())).changes
    assert [each.value for each in (*change.first, *change.second)] == ["3 names", "not known", "-"]

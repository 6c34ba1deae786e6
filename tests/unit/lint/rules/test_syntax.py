from __future__ import annotations

from ..subjects import TODAY, found, slugs


def test_the_subjects_own_python_has_the_last_word() -> None:
    assert slugs("x = 1 2") == ["missing-comma"]
    assert slugs("x = 1 2", TODAY.but(compiles=False)) == ["missing-comma"]
    assert slugs("x = 1 2\nConfig(app_cache=1)", TODAY.but(compiles=True)) == ["not-read?"]
    older = TODAY.but(compiles=False, syntax_words="invalid syntax", syntax_line=3, python="3.8.20")
    (one,) = found("match 1:\n    case 1: pass", older)
    assert (one.slug, one.line, "3.8.20" in one.why) == ("syntax-error", 3, True)


def test_all_is_told_though_python_stops_at_the_first() -> None:
    text = "opts = {'a': 1\n  'strategy': simple,\n}\nConfig(app_cache=True)\n"
    assert slugs(text) == ["missing-comma", "undefined-name", "unknown-keyword"]

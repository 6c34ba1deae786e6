"""Read a file whose syntax is broken as far as it can be read, so that all of its mistakes are told at once.

Python stops at the first error of syntax. Here the smallest edit beside it that lets the parser go on is looked for:
a comma, a bracket or a colon put in, a stray bracket taken out. Where none helps, the statement is blanked. Guesses
serve the analysis only: the file is never changed, and each edit is itself a mistake that is told.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator

from hangprobe.model import Frozen

LIMIT = 20
"""Errors of syntax in one file; beyond that it is no Python."""
REACH = 8
"""Tokens before the place where the parser stopped: a forgotten comma is two before, a key and a colon."""
SPAN = 200
"""Lines after a bracket that is never closed, in which its end is looked for."""
CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OTHERS = "never closed|unmatched|does not match"
"""What Python says of the brackets that a wrong edit leaves behind."""
_SKIPPED = (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


class Slip(Frozen, frozen=True):
    """One error of syntax, in places of the file as it was given: line and column from 1 on."""

    line: int
    column: int
    slug: str
    what: str
    instead: str
    words: str
    """The parser's own."""


class Edit(Frozen, frozen=True):
    """Text put in (or, of length 1, taken out) at an offset."""

    offset: int
    text: str
    removed: int = 0


class Parsed(Frozen, frozen=True):
    """A tree, and what had to be done to get it."""

    tree: ast.Module
    text: str
    """What was parsed: the given one with edits."""
    edits: tuple[Edit, ...]
    slips: tuple[Slip, ...]
    blanked: str = ""
    """What could not be read at all; names in it may be anything."""


def parse(text: str) -> Parsed:
    """Return the tree of a file, however broken. Pure."""
    slips: list[Slip] = []
    edits: list[Edit] = []
    current, blanked = text, ""
    for _ in range(LIMIT):
        error = error_of(current)
        if error is None:
            return Parsed(ast.parse(current), current, tuple(edits), tuple(slips), blanked)
        tree = _tree(current)
        edit = None if tree is not None else _best(current, error)
        if edit is None:
            place = line_and_column(text, original(edits, _offset(current, *_place(error))))
            slips.append(Slip(*place, "syntax-error", error.msg, "", error.msg))
            if tree is not None:
                return Parsed(tree, current, tuple(edits), tuple(slips), blanked)
            current, lost = _without_statement(current, error)
            blanked += lost
            continue
        place = line_and_column(text, original(edits, edit.offset))
        slips.append(Slip(*place, *_words(edit, current), error.msg))
        current = current[: edit.offset] + edit.text + current[edit.offset + edit.removed :]
        edits.append(edit)
    return Parsed(ast.Module(body=[], type_ignores=[]), "", (), tuple(slips[:1]), text)


def error_of(text: str) -> SyntaxError | None:
    """Return what Python says against the syntax of a text; None if nothing."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what the compiler only warns of is nobody's mistake
            compile(text, "<configuration>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, MemoryError, RecursionError) as error:  # null bytes; too deep to be parsed
        return SyntaxError(str(error) or type(error).__name__, ("<configuration>", 1, 1, ""))
    return None


def original(edits: tuple[Edit, ...] | list[Edit], offset: int) -> int:
    """Return where a place of the edited text was in the text as it was given."""
    for edit in reversed(edits):
        if offset > edit.offset:
            offset -= len(edit.text) - edit.removed
    return offset


def starts(text: str) -> list[int]:
    """Return the offset at which each line begins."""
    return [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the place of an offset, both from 1 on."""
    lines = starts(text)
    line = bisect_right(lines, offset)
    return line, offset - lines[line - 1] + 1


def _offset(text: str, line: int, column: int) -> int:
    lines = starts(text)
    return min(lines[min(line, len(lines)) - 1] + max(column - 1, 0), len(text))


def _place(error: SyntaxError) -> tuple[int, int]:
    return error.lineno or 1, error.offset or 1


def _words(edit: Edit, text: str) -> tuple[str, str, str]:
    """Return slug, what and instead of an edit."""
    if edit.removed:
        return "stray-bracket", f"nothing is open that '{text[edit.offset]}' could close", "take it out"
    before = next((word for _, end, word in _tokens(text) if end == edit.offset), "this")
    written = f"{before}{edit.text}"
    if edit.text == ",":
        return "missing-comma", f"a comma is missing after {before}", written
    if edit.text == ":":
        return "missing-colon", f"a colon is missing after {before}", written
    return "missing-bracket", f"'{edit.text}' is missing", written


def _best(text: str, error: SyntaxError) -> Edit | None:
    """Return the likeliest kind of edit that lets the parser go on, and of these the one that lets it go farthest."""
    best, reached, kind = None, _place(error), ""
    for edit in _candidates(text, error):
        this_kind = "bracket" if edit.text in CLOSERS.values() else edit.text
        if best is not None and this_kind != kind:
            break
        left = error_of(text[: edit.offset] + edit.text + text[edit.offset + edit.removed :])
        if left is None:
            return edit
        line, column = _place(left)
        if line == line_and_column(text, edit.offset)[0]:
            column -= len(edit.text) - edit.removed
        if (line, column) > reached and not re.search(_OTHERS, left.msg):
            best, reached, kind = edit, (line, column), this_kind
    return best


def _candidates(text: str, error: SyntaxError) -> Iterator[Edit]:
    """Yield edits near an error, the likeliest first."""
    if "never closed" in error.msg:
        opener = text[_offset(text, *_place(error))]
        lines, first = starts(text), _place(error)[0]
        ends = [_code_end(text, lines[line - 1]) for line in range(first, min(first + SPAN, len(lines)) + 1)]
        yield from (Edit(end, CLOSERS.get(opener, ")")) for end in ends)
        return
    stop = _offset(text, *_place(error))
    tokens = [one for one in _tokens(text) if one[0] <= stop][-REACH:]
    ends = [end for _, end, _ in reversed(tokens)]
    at_line_ends = [end for end in ends if _code_end(text, end) == end]
    yield from (Edit(end, ",") for end in ends)
    yield from (Edit(end, ":") for end in at_line_ends)
    yield from (Edit(start, "", 1) for start, _, word in reversed(tokens) if word in CLOSERS.values())
    yield from (Edit(end, closer) for end in ends for closer in CLOSERS.values())


def _tokens(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and words of the tokens, as far as the tokenizer gets."""
    lines, found = starts(text), []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in _SKIPPED:
                start, end = (lines[line - 1] + column for line, column in (token.start, token.end))
                found.append((start, end, token.string))
    except (tokenize.TokenError, SyntaxError, IndexError):
        pass  # what came before is what is needed
    return found


def _code_end(text: str, offset: int) -> int:
    """Return where the code of a line ends that holds an offset: before its comment and blanks."""
    end = text.find("\n", offset)
    line = text[offset : end if end >= 0 else len(text)]
    code = line.split("#", 1)[0].rstrip()
    return offset + len(code)


def _tree(text: str) -> ast.Module | None:
    """Return the tree of a text that the compiler refuses for its meaning only (a keyword twice), else None."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _without_statement(text: str, error: SyntaxError) -> tuple[str, str]:
    """Return the text with the statement of an error blanked, to the same length, and what it was."""
    lines = text.splitlines(keepends=True) or [""]
    first, last = _statement(text, min(error.lineno or 1, len(lines)))
    lost = lines[first - 1 : last]
    blank = ["".join(letter if letter.isspace() else " " for letter in line) for line in lost]
    indent = len(lost[0]) - len(lost[0].lstrip())
    if lost[0].strip():
        blank[0] = f"{blank[0][:indent]}0{blank[0][indent + 1 :]}"  # a statement, as a block needs one
    return "".join([*lines[: first - 1], *blank, *lines[last:]]), "".join(lost)


def _statement(text: str, line: int) -> tuple[int, int]:
    """Return the first and the last line of the statement that a line is in; the line itself if that cannot be told."""
    first = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NEWLINE:
                if first <= line <= token.start[0]:
                    return first or line, token.start[0]
                first = 0
            elif not first and token.type not in _SKIPPED:
                first = token.start[0]
    except (tokenize.TokenError, SyntaxError):
        pass
    return line, line

# SPDX-License-Identifier: GPL-2.0
"""What a change of a source tree touches, told by the names of its files and by their text.

  code    *.c, *.h, ... of the program; all else of a file is one of:
  build   makefiles, configure, what these read
  docs    manuals, texts
  tests   what lies in a directory for tests, or is named so
  other   scripts, examples, configuration
  types   a structure, union, class or enumeration is written otherwise in a file of code
"""
import os
import re

CODE = re.compile(r"\.(c|h|cc|cpp|cxx|hh|hpp|hxx|y|l|ll|S|s|inc|def|tbl)$")
BUILD = re.compile(r"(^|/)(GNU)?[Mm]akefile([-._].*)?$|(^|/)(configure|config\.(guess|sub|h)|meson\.build|"
                   r"CMakeLists\.txt|ltmain\.sh|install-sh|depcomp|missing|compile|VERSION|EDITME|"
                   r"Configure|Make(defs|rules)|Make\.\w+|libtool|aclocal\.m4)(\.\w+)?$|"
                   r"\.(mk|am|ac|in|m4|cmake|pc|make|map|sym|vcxproj|dsp|spec)$|^auto/|(^|/)scripts/Configure|"
                   r"^debian/|^OS/Makefile")
DOCS = re.compile(r"(^|/)(doc|docs|man|po|doc-\w+)/|\.(md|txt|rst|texi|pod|html?|xml|po|pot|[1-9]|[1-9]\w|mdoc|"
                  r"man|dox|dj|jd|rtf|hlp|d|sgml|gmo)$|(^|/)(README|NEWS|CHANGES|ChangeLog|AUTHORS|COPYING|"
                  r"TO" r"DO|BUGS|THANKS|CREDITS|RELEASE[-_]NOTES|CHANGELOG|INSTALL|HISTORY|LICEN[CS]E|"
                  r"PROTOCOL)[^/]*$")
TESTS = re.compile(r"(^|/)(tests?|testsuite|testing|testdata|testcode|unittests?|regress|reg-tests|fuzz(ing)?|"
                   r"t|testprogs|xmltest|result|fuzzing|oss-?fuzz)/|(^|/)(test|check)[-_.]?[^/]*\.(c|h|sh|py|pl)$|"
                   r"[-_](test|unittest)s?\.\w+$|(^|/)(runtest|test)[^/]*$")
HEAD = re.compile(r"\b(struct|union|enum|class)\b\s*(\w+\s*)?(:[^{;()]*)?\{")


def files_of(diff):
    """The paths that a change touches, as they are below the tree."""
    paths = set()
    lines = diff.splitlines()
    for line, following in zip(lines, lines[1:]):
        if not (line.startswith("--- ") and following.startswith("+++ ")):
            continue
        names = [word[4:].split("\t")[0].strip().split(" ")[0] for word in (line, following)]
        name = names[0] if names[1] == "/dev/null" else names[1]
        paths.add(name.split("/", 1)[1] if "/" in name else name)
    return sorted(paths)


def kind_of(path):
    # A test that is code is a test, and what documents a test, too.
    for kind, pattern in (("tests", TESTS), ("build", BUILD), ("docs", DOCS), ("code", CODE)):
        if kind == "docs" and CODE.search(path):
            continue
        if pattern.search(path):
            return kind
    return "other"


def without_texts(text):
    """Without comments, and with nothing between quotation marks."""
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
                  lambda found: found.group(0)[0] * 2 if found.group(0)[0] in "\"'" else " ", text,
                  flags=re.S)


def types_of(text):
    """The definitions of types in a file of code, each on one line."""
    text = without_texts(text)
    types = []
    for head in HEAD.finditer(text):
        depth, end = 1, head.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        types.append(" ".join(text[head.start():end].split()))
    return sorted(types)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def texts(tree, diff):
    """The files of code that the change touches, as they are."""
    return {path: read(os.path.join(tree, path)) for path in files_of(diff) if CODE.search(path)}


def classify(diff, before, after):
    """The kinds of what a change touches; @before and @after are texts() of the two trees."""
    kinds = {kind_of(path) for path in files_of(diff)}
    for path in before:
        if kind_of(path) == "code" and types_of(before[path]) != types_of(after.get(path, "")):
            kinds.add("types")
    return sorted(kinds)

# SPDX-License-Identifier: GPL-2.0
"""What 'run' and 'report' are sure of without building anything."""
import unittest

import changes
import programs
import report

DIFF = """\
--- a/src/parse.c
+++ b/src/parse.c
@@ -1 +1 @@
-a
+b
--- a/doc/parse.1\t2020-01-01
+++ b/doc/parse.1\t2020-01-02
--- /dev/null
+++ b/tests/new.c
--- a/old.h
+++ /dev/null
"""


class Changes(unittest.TestCase):
    def test_files_are_named_below_the_tree(self):
        self.assertEqual(changes.files_of(DIFF), ["doc/parse.1", "old.h", "src/parse.c", "tests/new.c"])

    def test_kinds_of_files(self):
        for path, kind in (("src/parse.c", "code"), ("include/parse.h", "code"), ("tests/new.c", "tests"),
                           ("src/parse_test.c", "tests"), ("doc/parse.1", "docs"), ("README.md", "docs"),
                           ("Makefile.am", "build"), ("configure.ac", "build"), ("conf/server.conf", "other")):
            self.assertEqual(changes.kind_of(path), kind, path)

    def test_a_change_of_a_type_is_seen(self):
        old = "struct a { int x; /* one */ };\nint f(struct a *a)\n{\n\treturn a->x;\n}\n"
        for new, kinds in ((old.replace("a->x;", "a->x + 1;"), ["code"]),
                           (old.replace("one", "two"), ["code"]),
                           (old.replace("int x;", "int x, y;"), ["code", "types"])):
            self.assertEqual(changes.classify("--- a/f.c\n+++ b/f.c\n", {"f.c": old}, {"f.c": new}), kinds)

    def test_words_in_texts_are_no_types(self):
        self.assertEqual(changes.types_of('const char *s = "struct a {"; /* enum b { */'), [])


class Programs(unittest.TestCase):
    def test_what_relocations_lead_to(self):
        for symbol, plain in (("f", "f"), ("f-0x4", "f-0x4"), (".bss.count-0x4", "count-0x4"),
                              ("wfpatch.local.parse_c.count-0x4", "count-0x4"), ("f.of.parse_c", "f"),
                              ("buffer.12+0x8", "buffer+0x8"), (".rodata.f.str1.8+0x20", "constant"),
                              (".rodata.merged+0x3", "constant"), (".data.rel.ro.local.names", "names")):
            self.assertEqual(programs.referred(symbol), plain, symbol)


class Report(unittest.TestCase):
    def result(self, verdict, kinds, concerned):
        return {"verdict": verdict, "kinds": kinds, "concerned": concerned}

    def test_what_is_counted(self):
        results = [self.result("made", ["code"], ["a.o"]), self.result("nothing", ["code"], []),
                   self.result("nothing", ["code"], ["a.o"]), self.result("refused", ["code"], ["a.o"]),
                   self.result("build failed", ["code"], [])]
        self.assertEqual(report.share(results), [5, 1, 1, 1, 1, 1, 0, "67 %"])

    def test_code_with_texts_is_not_code_only(self):
        both = self.result("made", ["code", "docs"], ["a.o"])
        self.assertFalse(report.code_only(both))
        self.assertTrue(report.code_of_functions(both))

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A random C program, and a random change of it: random_change.py SEED DIRECTORY.

Writes main.c, old.c and new.c there, and prints a line 'FUNCTIONS REFUSED COMPILER FLAGS...': how many
functions f0(), f1()... main.c can be asked for, the kind that the change may be refused for (or
'-'), and how to compile all three. The program reads lines 'NAME NUMBER' and prints what the function
returns, as test/unit/programs.h wants it. The same seed gives the same program.
"""
import os
import random
import sys

WORDS = "apple birch cedar dune elm fern gorse heath iris juniper kelp lichen moss nettle".split()


class Function:
    def __init__(self, rng, number):
        self.name = f"f{number}"
        self.number = number
        self.static = rng.random() < 0.4
        self.noinline = rng.random() < 0.7
        self.blank = 0
        self.locals = 0
        self.statements = []


class Program:
    """Functions that call others of lower numbers only, tables, and global variables."""

    def __init__(self, rng):
        self.rng = rng
        self.next_name = 0
        self.globals = {f"g{i}": rng.randrange(100) for i in range(3)}
        self.tables = {f"table{i}": [rng.randrange(100) for _ in range(4)] for i in range(3)}
        self.functions = []
        for number in range(rng.randrange(5, 11)):
            function = Function(rng, number)
            for _ in range(rng.randrange(1, 6)):
                function.statements.append(self.statement(function))
            self.functions.append(function)
        self.functions[-1].static = False
        self.extra = []

    def fresh(self, prefix):
        self.next_name += 1
        return f"{prefix}{self.next_name}"

    def text(self):
        return " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randrange(1, 4)))

    def statement(self, function):
        rng = self.rng
        kinds = ["linear", "table", "text", "local", "assert", "double", "global", "loop", "switch"]
        if function.number:
            kinds += ["call", "call", "pointer"]
        kind = rng.choice(kinds)
        constant = rng.randrange(1, 1000)
        if kind == "switch":
            return [kind, [rng.randrange(1000) for _ in range(rng.randrange(4, 9))]]
        if kind == "text":
            return [kind, self.text()]
        if kind == "local":
            # Functions share the names of their variables; one has each once.
            function.locals += 1
            return [kind, f"count{function.locals}", constant]
        if kind == "table":
            return [kind, rng.choice(sorted(self.tables))]
        if kind == "global":
            return [kind, rng.choice(sorted(self.globals))]
        if kind in ("call", "pointer"):
            callee = rng.randrange(max(0, function.number - 3), function.number)
            return [kind, f"f{callee}", constant]
        return [kind, constant]

    def change(self):
        """One change; returns the kind that it has to be refused for, or None."""
        rng = self.rng
        function = rng.choice(self.functions)
        kind = rng.choice(["constant", "constant", "insert", "insert", "delete", "swap", "lines",
                           "lines", "table", "new", "global", "text"])
        numbers = [s for s in function.statements if isinstance(s[-1], int) and s[0] != "local"]
        texts = [s for s in function.statements if s[0] == "text"]
        if kind == "constant" and numbers:
            rng.choice(numbers)[-1] += rng.randrange(1, 50)
        elif kind == "text" and texts:
            rng.choice(texts)[-1] = self.text()
        elif kind == "delete" and len(function.statements) > 1:
            function.statements.pop(rng.randrange(len(function.statements)))
        elif kind == "swap":
            rng.shuffle(function.statements)
        elif kind == "lines":
            function.blank += rng.randrange(1, 9)
        elif kind == "table":
            rng.choice(sorted(self.tables.items()))[1][rng.randrange(4)] += 1
        elif kind == "new":
            name = self.fresh("added")
            self.extra.append((name, rng.randrange(1, 1000), rng.random() < 0.5))
            function.statements.append(["call", name, rng.randrange(9)])
        elif kind == "global" and rng.random() < 0.4:
            name = rng.choice(sorted(self.globals))
            self.globals[name] += 1
            return "data"
        else:
            function.statements.insert(0, self.statement(function))
        return None

    @staticmethod
    def render_statement(statement):
        kind, argument = statement[0], statement[1]
        if kind == "switch":
            cases = "".join(f"\tcase {i}:\n\t\tacc += use({value});\n\t\tbreak;\n"
                            for i, value in enumerate(argument))
            return f"\tswitch (x & 15) {{\n{cases}\t}}\n"
        return {
            "linear": lambda: f"\tacc = acc * 31 + x * {argument};\n",
            "table": lambda: f"\tacc += {argument}[x & 3];\n",
            "text": lambda: f"\tacc = acc * 7 + sum(\"{argument}\");\n",
            "local": lambda: f"\t{{\n\t\tstatic int {argument} = {statement[2]};\n\n"
                             f"\t\t{argument} += x;\n\t\tacc ^= {argument};\n\t}}\n",
            "assert": lambda: f"\tassert(use(acc) != {argument} - 5000);\n",
            "double": lambda: f"\tacc += (int)((x & 63) * {argument}.25 + 1.5);\n",
            "global": lambda: f"\t{argument} += x & 7;\n\tacc += {argument};\n",
            "loop": lambda: f"\tfor (int i = 0; i < (x & 7); i++)\n\t\tacc += use(i) * {argument};\n",
            "call": lambda: f"\tacc ^= {argument}((x & 15) + {statement[2]});\n",
            "pointer": lambda: f"\tacc += through({argument}, x + {statement[2]});\n",
        }[kind]()

    def render(self):
        lines = ["#include <assert.h>", "#include \"main.h\"", ""]
        lines += [f"{'static ' if i % 2 else ''}int {name} = {value};"
                  for i, (name, value) in enumerate(sorted(self.globals.items()))]
        lines += [f"static const int {name}[] = {{ {', '.join(map(str, values))} }};"
                  for name, values in sorted(self.tables.items())]
        text = "\n".join(lines) + "\n"
        for name, constant, keeps in self.extra:
            body = f"\tstatic int count = {constant};\n\n\tcount += x;\n\treturn use(count) * 3;\n" \
                if keeps else f"\treturn use(x) * {constant} + use(x + 1);\n"
            text += f"\nstatic __attribute__((noinline)) int {name}(int x)\n{{\n{body}}}\n"
        for function in self.functions:
            text += "\n" * (1 + function.blank)
            text += f"{'static ' if function.static else ''}" \
                    f"{'__attribute__((noinline)) ' if function.noinline else ''}" \
                    f"int {function.name}(int x)\n{{\n\tint acc = x;\n\n"
            text += "".join(map(self.render_statement, function.statements))
            text += "\treturn acc;\n}\n"
        # Static functions that nobody calls would be left out.
        text += "\nint (*const all[])(int) = { " + \
                ", ".join(function.name for function in self.functions) + " };\n"
        return text


HEADER = """int use(int x);
int sum(const char *text);
int through(int (*function)(int), int x);
extern int (*const all[])(int);
"""
MAIN = """#include <stdio.h>
#include <stdlib.h>
#include "main.h"

int use(int x)
{
	return x ^ 5;
}

int sum(const char *text)
{
	int n = 0;

	while (*text)
		n = n * 3 + *text++;
	return n;
}

int through(int (*function)(int), int x)
{
	return function(x);
}

int main(void)
{
	char name;
	int number, x;

	puts("ready");
	fflush(stdout);
	while (scanf(" %c%d %d", &name, &number, &x) == 3) {
		printf("%d\\n", all[number](x));
		fflush(stdout);
	}
	return 0;
}
"""


def main():
    seed, directory = int(sys.argv[1]), sys.argv[2]
    rng = random.Random(seed)
    program = Program(rng)

    def write(name, text):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    write("main.h", HEADER)
    write("main.c", MAIN)
    write("old.c", program.render())
    refused = {program.change() for _ in range(rng.randrange(1, 4))} - {None}
    write("new.c", program.render())
    # The variables are those of the old program: what was replaced leads to new ones.
    code = rng.choice(["-fPIE -pie", "-fno-pie -no-pie", "-fPIC -pie"])
    print(len(program.functions), *(refused or {"-"}), rng.choice(["gcc", "gcc", "clang"]),
          rng.choice(["-O1", "-O2", "-O2", "-O3", "-Os"]), code, "-fwrapv")


if __name__ == "__main__":
    main()

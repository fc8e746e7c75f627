#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""wfpatch diff on each of the changes in changes/, by both compilers on every level of optimisation.

A change is one source file; NEW is defined when the changed version is compiled. The comment at its head
says what is expected, in lines 'WORD: VALUE...':
  verdict   can be patched, nothing to patch, cannot be patched
  replaced, new, lines, refused   names, in any order; compiler's numbers are left out ('f.cold' is f's)
  why       a text that the reason of one of the items or findings has in it
  options   more options of wfpatch diff
  flags, old-flags, new-flags     more options of the compilers
  only      configurations that the expectation holds for, as 'gcc' or 'gcc-O2 clang-O2'
Prints TAP: a line for each change. WFPATCH_SOURCE is the project's directory, WFPATCH_TOOL the command.
Arguments: names of changes; all by default.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("WFPATCH_SOURCE", os.path.join(HERE, "../../.."))
TOOL = os.environ.get("WFPATCH_TOOL", os.path.join(HERE, "../../tools/wfpatch"))
CHANGES = os.path.join(SOURCE, "test/unit/changes")
CONFIGURATIONS = [f"{compiler}-{level}" for compiler in ("gcc", "clang")
                  for level in ("O1", "O2", "O3", "Os")]
FLAGS = ["-g", "-Wall", "-ffunction-sections", "-fdata-sections"]
STATUS = {"can be patched": 0, "nothing to patch": 7, "cannot be patched": 2}
KEYS = {"verdict", "replaced", "new", "lines", "refused", "why", "options", "flags", "old-flags",
        "new-flags", "only"}


def expectation(path):
    with open(path, encoding="utf-8") as file:
        comment = re.search(r"^/\*\n(.*?)\*/", file.read(), re.S | re.M).group(1)
    wanted = dict(re.findall(r"^ \* ([a-z-]+): (.*)$", comment, re.M))
    if "verdict" not in wanted or not wanted["verdict"] in STATUS or set(wanted) - KEYS:
        sys.exit(f"{path}: its comment does not say what is expected, or more: {wanted}")
    return wanted


def build(path, configuration, wanted, new, to):
    compiler, level = configuration.split("-")
    if path.endswith(".cc"):
        compiler = {"gcc": "g++", "clang": "clang++"}[compiler]
    flags = wanted.get("flags", "").split() + wanted.get("new-flags" if new else "old-flags",
                                                         "").split()
    if "NOSECTIONS" in flags:
        flags.remove("NOSECTIONS")
        base = ["-g"]
    else:
        base = FLAGS
    subprocess.run([compiler, "-" + level, *base, *flags, *(["-DNEW"] if new else []), "-c",
                    "-o", to, os.path.basename(path)], cwd=CHANGES, check=True,
                   capture_output=True, text=True)


def plain(item):
    name = re.sub(r"\.(\d+|isra|part|constprop)\b", "", item["name"])
    # clang puts the function in front of its static variables.
    return name if item["kind"] == "function" else name.rpartition(".")[2]


def compare(path, configuration, wanted, work):
    name = f"{os.path.basename(path)}-{configuration}"
    old, new = (os.path.join(work, f"{name}.{version}.o") for version in ("old", "new"))
    try:
        build(path, configuration, wanted, False, old)
        build(path, configuration, wanted, True, new)
    except subprocess.CalledProcessError as error:
        return [f"{configuration}: {error.stderr}"]
    run = subprocess.run([TOOL, "diff", "--old", old, "--new", new, "--json",
                          *wanted.get("options", "").split()], capture_output=True, text=True)
    try:
        seen = json.loads(run.stdout)
    except ValueError:
        return [f"{configuration}: status {run.returncode}, {run.stdout}{run.stderr}"]
    what = {"replaced": "replaced", "new": "new", "left out": "lines"}
    lists = {key: set() for key in ("replaced", "new", "lines", "refused")}
    for item in seen["items"]:
        lists[what[item["what"]]].add(plain(item))
    lists["refused"] = {finding["kind"] for finding in seen["findings"] if not finding["allowed"]}
    faults = []
    if seen["verdict"] != wanted["verdict"] or run.returncode != STATUS[wanted["verdict"]]:
        faults.append(f"verdict: {seen['verdict']}, status {run.returncode}")
    for key, names in lists.items():
        # What a patch that is not made would have contained does not matter.
        if key in wanted or (key != "refused" and wanted["verdict"] == "can be patched") or \
           key == "refused":
            if names != set(wanted.get(key, "").split()):
                faults.append(f"{key}: {' '.join(sorted(names)) or 'none'}")
    if wanted.get("why", "") not in run.stdout:
        faults.append(f"nothing says '{wanted['why']}'")
    if faults:
        faults.append(run.stdout)
    return [f"{configuration}: {fault}" for fault in faults]


def main():
    names = sys.argv[1:] or sorted(os.listdir(CHANGES))
    failed = 0
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = []
        for name in names:
            path = os.path.join(CHANGES, name)
            wanted = expectation(path)
            only = wanted.get("only", "").split() or ["gcc", "clang"]
            runs.append((name, [pool.submit(compare, path, configuration, wanted, work)
                                for configuration in CONFIGURATIONS
                                if configuration in only or configuration.split("-")[0] in only]))
        for number, (name, results) in enumerate(runs, 1):
            faults = [fault for result in results for fault in result.result()]
            failed += bool(faults or not results)
            print(f"{'not ' if faults or not results else ''}ok {number} - {name}")
            for fault in faults:
                print("\n".join("# " + line for line in fault.splitlines()))
        print(f"1..{len(runs)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

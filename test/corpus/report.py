# SPDX-License-Identifier: GPL-2.0
"""Tables of what 'run' has found, for docs/building-patches.md."""
import json
from collections import Counter

VERDICTS = ("made", "nothing", "refused", "build failed", "error")


def load(paths):
    """The last result of each change counts."""
    results = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                result = json.loads(line)
                results[result["package"], result["number"]] = result
    return list(results.values())


def verdict(result):
    if result["verdict"] == "nothing" and not result["concerned"]:
        return "not in it"
    return result["verdict"]


def code_only(result):
    return result["kinds"] == ["code"]


def code_of_functions(result):
    """The program's code, and perhaps texts and tests beside it, but no types and nothing of the build."""
    return "code" in result["kinds"] and not set(result["kinds"]) & {"types", "build", "other"}


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def share(results):
    count = Counter(verdict(result) for result in results)
    good = count["made"] + count["nothing"]
    of = good + count["refused"] + count["error"]
    return [len(results), count["not in it"], count["made"], count["nothing"], count["refused"],
            count["build failed"], count["error"], f"{100 * good / of:.0f} %" if of else "-"]


def middle(values, digits=1):
    values = sorted(values)
    return f"{values[len(values) // 2]:.{digits}f}" if values else "-"


def seconds(results, step):
    return [result["seconds"][step] for result in results if step in result["seconds"]]


def show(paths):
    results = load(paths)
    packages = list(dict.fromkeys(result["package"] for result in results))
    heads = ["changes", "not in the program", "patch made", "nothing to patch", "refused", "does not build",
             "error", "made or nothing, of those in it"]
    print("What came of the changes:\n")
    row("", *heads)
    row(*["---"] * (len(heads) + 1))
    row("code only", *share([result for result in results if code_only(result)]))
    row("code, and perhaps texts and tests", *share([result for result in results if code_of_functions(result)]))
    row("with types", *share([result for result in results if "types" in result["kinds"]]))
    row("all", *share(results))
    print("\nBy package, code only; seconds (median), and bytes (median, largest):\n")
    row("package", "version", "changes", "in it", "made", "nothing", "refused", "first build", "next build",
        "the rest", "bytes", "largest")
    row(*["---"] * 12)
    for package in packages:
        own = [result for result in results if result["package"] == package]
        code = [result for result in own if code_only(result)]
        count = Counter(verdict(result) for result in code)
        sizes = [result["size"] for result in own if "size" in result]
        touched = [result for result in own if verdict(result) in ("made", "nothing", "refused")]
        row(package, own[0]["version"], len(code), len(code) - count["not in it"] - count["build failed"],
            count["made"], count["nothing"], count["refused"], middle(seconds(own, "first")),
            middle(seconds(touched, "second")), middle(seconds(touched, "compare")), middle(sizes, 0),
            max(sizes, default="-"))
    print("\nWhy code only was refused (a change may have several reasons):\n")
    kinds = Counter(kind for result in results if code_only(result) and result["verdict"] == "refused"
                    for kind in {reason[0] for reason in result["reasons"]})
    row("kind", "changes")
    row("---", "---")
    for kind, number in kinds.most_common():
        row(f"`{kind}`", number)
    checked = [result for result in results if "missing" in result]
    patches = [result for result in results if "strangers" in result]
    print(f"\nPrograms of {len(checked)} changes were compared by disassembly: in "
          f"{sum(bool(result['missing']) for result in checked)} a function differs of which nothing was said. "
          f"The code of {len(patches)} patches was compared with the new objects: "
          f"{sum(bool(result['strangers']) for result in patches)} have a function that is not as it is there.")

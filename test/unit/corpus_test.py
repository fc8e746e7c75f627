#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What test/corpus is sure of without building anything. Prints TAP. WFPATCH_SOURCE is the project's directory."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("WFPATCH_SOURCE", os.path.join(HERE, "../../.."))
sys.path.insert(0, os.path.join(SOURCE, "test/corpus"))
sys.dont_write_bytecode = True


class Result(unittest.TestResult):
    def stopTest(self, test):
        faults = [text for place, text in self.failures + self.errors if place is test]
        print(f"{'not ' if faults else ''}ok {self.testsRun} - {test.id().split('.')[-1]}")
        for fault in faults:
            print("\n".join("# " + line for line in fault.splitlines()))
        super().stopTest(test)


def main():
    result = Result()
    unittest.defaultTestLoader.loadTestsFromName("selftest").run(result)
    print(f"1..{result.testsRun}", flush=True)
    return 0 if result.testsRun and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

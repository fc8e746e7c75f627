#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Where a patch's functions are: entries.py PID FILE

For each jump in the process's mapping of FILE that the file has not, a line 'PATH:OFFSET' of the mapping that it
leads to, as /sys/kernel/tracing/uprobe_events takes it.
"""
import struct
import sys


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        for line in file:
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            yield (start, end, fields[1], int(fields[2], 16),
                   fields[5].strip() if len(fields) > 5 else "")


def main():
    pid, path = sys.argv[1:]
    maps = [m for m in mappings(pid) if "x" in m[2]]
    with open(f"/proc/{pid}/mem", "rb") as memory, open(path, "rb") as file:
        for start, end, _, offset, name in maps:
            if name != path:
                continue
            memory.seek(start)
            file.seek(offset)
            now, then = memory.read(end - start), file.read(end - start)
            at = 0
            while at < min(len(now), len(then)):
                if now[at] == then[at]:
                    at += 1
                    continue
                # The first byte of the jump may be what was there.
                at = at if now[at] == 0xe9 else now.rindex(0xe9, 0, at)
                to = start + at + 5 + struct.unpack_from("<i", now, at + 1)[0]
                for low, high, _, place, _ in maps:
                    if low <= to < high:
                        print(f"/proc/{pid}/map_files/{low:x}-{high:x}:0x{to - low + place:x}")
                at += 5


main()

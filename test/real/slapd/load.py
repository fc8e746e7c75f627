#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A load for slapd: load.py URI CLIENTS SECONDS_BETWEEN

Each client has a connection of its own, as a user whose rights a group gives it, and by turns changes an
entry, reads it back, compares it and searches for it; each answer is checked. Ends at SIGTERM with a line
'requests N failed N p50 MS p99 MS max MS'; the status is 1 if any request failed.
"""
import signal
import sys
import threading
import time

import ldap

BASE = "dc=example,dc=org"
stop = threading.Event()
times = []
failures = []


def client(uri, number, pause):
    entry = f"uid=user{number},{BASE}"
    server = ldap.initialize(uri)
    server.simple_bind_s(entry, f"secret{number}")
    turn = 0

    def check(what, right):
        if not right:
            failures.append(f"client {number}, turn {turn}: {what}")

    def timed(what, request):
        start = time.monotonic()
        try:
            return request()
        except ldap.LDAPError as error:
            failures.append(f"client {number}, turn {turn}: {what}: {error!r}")
            return None
        finally:
            times.append(time.monotonic() - start)

    def read():
        found = server.search_s(entry, ldap.SCOPE_BASE, "(objectClass=*)", ["description"])
        return found[0][1]["description"]

    while not stop.is_set():
        turn += 1
        value = f"turn {turn} ".encode() * 20
        timed("change", lambda: server.modify_s(
            entry, [(ldap.MOD_REPLACE, "description", [value])]))
        check("reads what was not written", timed("read", read) == [value])
        check("compares wrongly", timed("compare", lambda: server.compare_s(
            entry, "description", value)))
        found = timed("search", lambda: server.search_s(
            BASE, ldap.SCOPE_ONELEVEL, f"(uid=user{number})", ["uid"]))
        check("finds something else", found and [dn for dn, _ in found] == [entry])
        stop.wait(pause)
    server.unbind_s()


def main():
    uri, clients, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    threads = [threading.Thread(target=client, args=(uri, number, pause))
               for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures[:10]:
        print(failure)
    times.sort()
    if times:
        print(f"requests {len(times)} failed {len(failures)}",
              f"p50 {times[len(times) // 2] * 1e3:.1f} p99 {times[len(times) * 99 // 100] * 1e3:.1f}",
              f"max {times[-1] * 1e3:.1f}")
    sys.exit(1 if failures or not times else 0)


main()

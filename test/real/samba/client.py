#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A client of smbd, by Samba's own library: client.py holes | client.py load CLIENTS

holes: for each line that comes, writes a stream of one byte, then one byte far behind it, and prints how many of the
bytes between, which nobody has written, are not zero. The connection stays, and with it the process of smbd's.
load: clients with a connection each write files and streams and read them back, until SIGTERM; then a line
'requests N failed N'. The status is 1 if any request failed, or what was read is not what was written.
"""
import os
import signal
import sys
import threading

from samba import credentials
from samba.param import LoadParm
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param

FAR = 3000
READ, WRITE, OVERWRITE_IF = 0x120089, 0x120116, 5


def connect():
    lp = LoadParm()
    lp.load(os.environ["SMB_CONF"])
    s3_lp = param.get_context()
    s3_lp.load(os.environ["SMB_CONF"])
    creds = credentials.Credentials()
    creds.guess(lp)
    creds.set_anonymous()
    return libsmb.Conn("127.0.0.1", "share", s3_lp, creds)


def put(conn, path, pieces):
    handle = conn.create(path, DesiredAccess=READ | WRITE, ShareAccess=7,
                         CreateDisposition=OVERWRITE_IF)
    for offset, data in pieces:
        conn.write(handle, data, offset, 0)
    return handle


def holes():
    conn = connect()
    for line in sys.stdin:
        name = line.strip()
        conn.close(put(conn, name, [(0, b"file")]))
        handle = put(conn, f"{name}:stream", [(0, b"a"), (FAR, b"b")])
        data = conn.read(handle, 0, FAR + 1)
        conn.close(handle)
        if len(data) != FAR + 1 or data[:1] != b"a" or data[FAR:] != b"b":
            sys.exit(f"the stream is not what was written: {len(data)} bytes")
        print(sum(1 for byte in data[1:FAR] if byte), flush=True)


def load(clients):
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    connections = [connect() for _ in range(clients)]
    requests, failed, turn = 0, 0, 0
    while not stop.is_set():
        turn += 1
        for number, conn in enumerate(connections):
            for path in (f"load{number}", f"load{number}:stream"):
                data = f"{path} {turn} ".encode() * 40
                requests += 4
                try:
                    handle = put(conn, path, [(0, data), (len(data), data)])
                    good = conn.read(handle, 0, 2 * len(data) + 1) == data + data
                    conn.close(handle)
                except Exception as error:
                    print(path, turn, error)
                    good = False
                if not good:
                    print(path, turn, "is not what was written")
                    failed += 1
        stop.wait(0.2)
    print(f"requests {requests} failed {failed}")
    sys.exit(1 if failed or not requests else 0)


if sys.argv[1] == "holes":
    holes()
else:
    load(int(sys.argv[2]))

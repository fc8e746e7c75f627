#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A client that asks slapd for everything and reads nothing: stuck.py PORT SECONDS {leave|stay}

After that time it leaves; or it stays, then reads what has come, and says whether the server has closed the
connection: 'closed' or 'open'. slapd is left with a writer that waits for the client.
"""
import socket
import sys
import time


def tlv(tag, value):
    length = len(value)
    return bytes([tag, length] if length < 128 else [tag, 0x82, length >> 8, length & 255]) + value


def search():
    body = (tlv(4, b"dc=example,dc=org") + tlv(10, b"\x02") + tlv(10, b"\x00") + tlv(2, b"\x00")
            + tlv(2, b"\x00") + tlv(1, b"\x00") + tlv(0x87, b"objectClass") + tlv(0x30, b""))
    return tlv(0x30, tlv(2, b"\x01") + tlv(0x63, body))


port, seconds, then = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
client.connect(("127.0.0.1", port))
client.sendall(search())
time.sleep(seconds)
if then == "stay":
    client.settimeout(10)
    answer, total = "open", 0
    try:
        while True:
            got = len(client.recv(65536))
            total += got
            if not got:
                answer = "closed"
                break
    except ConnectionResetError:
        answer = "closed"
    except TimeoutError:
        pass
    print(answer, total)
client.close()

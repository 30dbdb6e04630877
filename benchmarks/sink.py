"""The smallest server that takes packets and gives them back:  python benchmarks/sink.py [MEGABYTES]

It speaks just enough HTTP/1.1 over raw sockets, so that what is measured against it is the client. It prints its port
and ends with its standard input.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import sys
import threading
from itertools import count

SENT = b'{"status":"OK","ErrorCode":"0","ErrorDesc":"","DocId":"%d"}'
HEAD = b'{"status":"OK","ErrorCode":"0","ErrorDesc":"","data":"'
_FOOT = b'"}'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ids = count(12345)
_BLOCK = b"<edXML>" + os.urandom((3 << 18) - 7)


def main(megabytes: int) -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, megabytes * 1_000_000), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, size: int) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_talk, args=(sock, size), daemon=True).start()


def _talk(sock: socket.socket, size: int) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room, kept = bytearray(1 << 20), b""
    while True:
        while (end := kept.find(b"\r\n\r\n")) < 0:
            if not (piece := sock.recv(65536)):
                return
            kept += piece
        head = kept[: end + 2]
        found = _LENGTH.search(head)
        left = int(found[1] if found else 0) - (len(kept) - end - 4)
        while left > 0:
            left -= sock.recv_into(room)
        kept = b""
        _answer(sock, head.split(b" ", 2)[1], size)


def _answer(sock: socket.socket, path: bytes, size: int) -> None:
    if path.endswith(b"/downloadEdoc"):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        _repeat(sock, _BLOCK, size)
    elif path.endswith(b"/getEdoc"):
        length = (size + 2) // 3 * 4
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(HEAD) + length + len(_FOOT)) + HEAD)
        _repeat(sock, base64.b64encode(_BLOCK), length - 4)
        sock.sendall(base64.b64encode(bytes(size % 3 or 3)) + _FOOT)
    else:
        answer = SENT % next(_ids)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def _repeat(sock: socket.socket, block: bytes, size: int) -> None:
    while size > 0:
        sock.sendall(block[:size])
        size -= len(block)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

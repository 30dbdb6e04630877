"""Takes webhooks, as a program of its own that may be killed: each that is signed rightly becomes a line of a file.

Run ``python webhook_receiver.py PORT FILE SECRET``. The signature is checked by what Standard Webhooks says, not by
what the library does.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, FILE, SECRET = int(sys.argv[1]), sys.argv[2], base64.b64decode(sys.argv[3].removeprefix("whsec_"))


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 when the line is on the disk, and 401 to what is not signed."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        message_id, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        content = f"{message_id}.{at}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
        if wanted not in self.headers["webhook-signature"].split(" ") or abs(time.time() - int(at)) > 300:
            self._answer(401)
            return
        data = json.loads(body)["data"]
        line = json.dumps([message_id, data["document_id"], data["id"], data["type"]]) + "\n"
        descriptor = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
        os.close(descriptor)
        time.sleep(random.uniform(0, 0.02))  # a kill meets this moment: what arrived is not answered
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


ThreadingHTTPServer.allow_reuse_address = True
ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()

"""The attacks that a reader of XML from strangers must stand, measured: each in a process of its own.

``python tests/fuzz/attacks.py`` prints what became of each, in how much time of the processor, and how much
memory it took beyond what the process had before. ``--json`` prints the same for a program.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
_HEADER = "<From><OrganId>{organ_id}</OrganId><OrganName>A</OrganName></From>"
_ATTACHMENT = (
    "<Attachment><ContentId>cid:1</ContentId><ContentTransferEncoded>QQ==</ContentTransferEncoded></Attachment>"
)


def _packet(organ_id: str = "H29.05", *, more: str = "", attachments: str = "", head: str = "") -> bytes:
    header = f"<MessageHeader>{_HEADER.format(organ_id=organ_id)}{more}</MessageHeader>"
    return (
        f'{head}<edXML xmlns="{_NS}"><edXMLEnvelope><edXMLHeader>{header}</edXMLHeader></edXMLEnvelope>'
        f"<AttachmentEncoded>{attachments}</AttachmentEncoded></edXML>"
    ).encode()


def _laughs() -> bytes:
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    return _packet("&a29;", head=f"<!DOCTYPE edXML [{entities}]>")


def _blow_up() -> bytes:
    return _packet("&a;" * 50_000, head=f'<!DOCTYPE edXML [<!ENTITY a "{"x" * 50_000}">]>')


ATTACKS: dict[str, Callable[[], bytes]] = {
    "billion laughs": _laughs,
    "quadratic blow-up": _blow_up,
    "external entity": lambda: _packet("&a;", head='<!DOCTYPE edXML [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "external DTD": lambda: _packet(head='<!DOCTYPE edXML SYSTEM "http://127.0.0.1:1/a.dtd">'),
    "100,000 levels": lambda: b"<a>" * 100_000 + b"</a>" * 100_000,
    "1,000,000 attributes": lambda: b"<a " + b" ".join(b"a%d='x'" % n for n in range(1_000_000)) + b"/>",
    "1,000,000 elements": lambda: _packet(more="<To/>" * 1_000_000),
    "99,000 unknown elements": lambda: _packet(more="<odd/>" * 99_000),
    "100,000 namespaces": lambda: b"<a>" + b"".join(b"<b xmlns:a%d='x'/>" % n for n in range(100_000)) + b"</a>",
    "text of 15 MiB in OrganId": lambda: _packet("x" * (15 << 20)),
    "text of 64 MiB in OrganId": lambda: _packet("x" * (64 << 20)),
    "attribute of 64 MiB": lambda: b"<a b='" + b"x" * (64 << 20) + b"'/>",
    "endless comment, 64 MiB": lambda: b"<!--" + b"x" * (64 << 20),
    "name of 64 MiB": lambda: b"<" + b"x" * (64 << 20),
    "base64 of 64 MiB": lambda: _packet(attachments=_ATTACHMENT.replace("QQ==", "QUJD" * (16 << 20))),
    "UTF-7": lambda: b'<?xml version="1.0" encoding="UTF-7"?>+ADw-edXML+AD4-',
    "UTF-16": lambda: _packet().decode().encode("utf-16"),
    "UTF-16 without a mark": lambda: _packet().decode().encode("utf-16-le"),
    "UTF-32": lambda: _packet().decode().encode("utf-32"),
    "UTF-16 declared, UTF-8 written": lambda: b'<?xml version="1.0" encoding="UTF-16"?>' + _packet(),
    "overlong UTF-8": lambda: _packet().replace(b"H29", b"H\xc0\xaf29"),
    "NUL in a value": lambda: _packet("H29\x00.05"),
    "NUL as a reference": lambda: _packet("H29&#0;.05"),
    "comment inside OrganId": lambda: _packet("H29<!-- -->.05"),
    "instruction inside OrganId": lambda: _packet("H29<?x ?>.05"),
    "CDATA inside OrganId": lambda: _packet("H29<![CDATA[.05]]>"),
    "duplicate MessageHeader": lambda: _packet(more="</MessageHeader><MessageHeader>"),
    "duplicate ContentId": lambda: _packet(attachments=_ATTACHMENT * 2),
    "10,000 attachments of one ContentId": lambda: _packet(attachments=_ATTACHMENT * 10_000),
    "brace in a namespace": lambda: _packet().replace(_NS.encode(), b"urn:}x"),
}
"""What each attack is made of."""

_READ = """
import sys, time
import edoc_connector.edxml as edxml
from edoc_connector.errors import PacketError

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

edxml.read(b'<edXML><edXMLEnvelope><edXMLHeader><MessageHeader/></edXMLHeader></edXMLEnvelope></edXML>')
before, start = peak(), time.process_time()
try:
    packet = edxml.read(sys.argv[1])
except PacketError as error:
    said = error.code
else:
    shown = packet.message.sender.id
    said = f"read: {shown[:20]!r} of {len(shown)}, {len(packet.findings)} findings"
print(time.process_time() - start, peak() - before, said)
"""


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Read one attack from a file in a new process.

    Returns:
        Its name, ``seconds`` of the processor, ``bytes`` of memory and what it was ``read`` as.
    """
    file = folder / "attack.edxml"
    file.write_bytes(ATTACKS[name]())
    command = [sys.executable, "-c", _READ, str(file)]
    started = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr.strip().splitlines()[-1]} after {time.perf_counter() - started:.1f} s")
    seconds, size, said = ran.stdout.rstrip("\n").split(" ", 2)
    return {"attack": name, "seconds": float(seconds), "bytes": int(size), "outcome": said}


def main() -> None:
    """Measure all and print them."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true")
    as_json = arguments.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(name, Path(folder)) for name in ATTACKS]
    if as_json:
        print(json.dumps(found))
        return
    for one in found:
        print(f"{one['attack']:40} {one['seconds']:7.3f} s {one['bytes'] / 1e6:7.1f} MB  {one['outcome']}")


if __name__ == "__main__":
    main()

"""The attacks that a reader of XML from strangers must stand, measured: each in a process of its own.

``python tests/fuzz/attacks.py`` prints the table of tests/fuzz/README.md, "Bounded work": these attacks and those of
`growth.py`, each with the processor's time and the memory for it and for twice as much. ``--outcomes`` prints what
became of these when they were read, ``--json`` the same for a program.
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


def make_packet(organ_id: str = "H29.05", *, more: str = "", attachments: str = "", head: str = "") -> bytes:
    """Make a small packet, with more in one place or another."""
    header = f"<MessageHeader>{_HEADER.format(organ_id=organ_id)}{more}</MessageHeader>"
    return (
        f'{head}<edXML xmlns="{_NS}"><edXMLEnvelope><edXMLHeader>{header}</edXMLHeader></edXMLEnvelope>'
        f"<AttachmentEncoded>{attachments}</AttachmentEncoded></edXML>"
    ).encode()


def _fill(times: int) -> str:
    """Make what is more of an attack that is not larger for being more: a text, so that there is more to read."""
    return f"<Content>{'x' * ((times - 1) << 20)}</Content>" if times > 1 else ""


def _laughs(times: int) -> bytes:
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30 * times))
    return make_packet("&a29;", head=f"<!DOCTYPE edXML [{entities}]>")


def _blow_up(times: int) -> bytes:
    return make_packet("&a;" * 50_000 * times, head=f'<!DOCTYPE edXML [<!ENTITY a "{"x" * 50_000 * times}">]>')


def _doctype(external: str, organ_id: str = "H29.05") -> Callable[[int], bytes]:
    return lambda times: make_packet(organ_id, head=f"<!DOCTYPE edXML {external}>", more=_fill(times))


def _value(text: str) -> Callable[[int], bytes]:
    return lambda times: make_packet(text, more=_fill(times))


def _written(change: Callable[[bytes], bytes]) -> Callable[[int], bytes]:
    return lambda times: change(make_packet(more=_fill(times)))


ATTACKS: dict[str, Callable[[int], bytes]] = {
    "billion laughs": _laughs,
    "quadratic blow-up": _blow_up,
    "external entity": _doctype('[<!ENTITY a SYSTEM "file:///etc/passwd">]', "&a;"),
    "external DTD": _doctype('SYSTEM "http://127.0.0.1:1/a.dtd"'),
    "100,000 levels": lambda times: b"<a>" * 100_000 * times + b"</a>" * 100_000 * times,
    "1,000,000 attributes": lambda times: b"<a " + b" ".join(b"a%d='x'" % n for n in range(1_000_000 * times)) + b"/>",
    "1,000,000 elements": lambda times: make_packet(more="<To/>" * 1_000_000 * times),
    "99,000 unknown elements": lambda times: make_packet(more="<odd/>" * 99_000 * times),
    "100,000 namespaces": lambda times: (
        b"<a>" + b"".join(b"<b xmlns:a%d='x'/>" % n for n in range(100_000 * times)) + b"</a>"
    ),
    "text of 15 MiB in OrganId": lambda times: make_packet("x" * (15 << 20) * times),
    "text of 64 MiB in OrganId": lambda times: make_packet("x" * (64 << 20) * times),
    "attribute of 64 MiB": lambda times: b"<a b='" + b"x" * (64 << 20) * times + b"'/>",
    "endless comment, 64 MiB": lambda times: b"<!--" + b"x" * (64 << 20) * times,
    "name of 64 MiB": lambda times: b"<" + b"x" * (64 << 20) * times,
    "base64 of 64 MiB": lambda times: make_packet(attachments=_ATTACHMENT.replace("QQ==", "QUJD" * (16 << 20) * times)),
    "UTF-7": lambda times: b'<?xml version="1.0" encoding="UTF-7"?>' + b"+ADw-edXML+AD4-" * times,
    "UTF-16": _written(lambda data: data.decode().encode("utf-16")),
    "UTF-16 without a mark": _written(lambda data: data.decode().encode("utf-16-le")),
    "UTF-32": _written(lambda data: data.decode().encode("utf-32")),
    "UTF-16 declared, UTF-8 written": _written(lambda data: b'<?xml version="1.0" encoding="UTF-16"?>' + data),
    "overlong UTF-8": _written(lambda data: data.replace(b"H29", b"H\xc0\xaf29")),
    "NUL in a value": _value("H29\x00.05"),
    "NUL as a reference": _value("H29&#0;.05"),
    "comment inside OrganId": _value("H29<!-- -->.05"),
    "instruction inside OrganId": _value("H29<?x ?>.05"),
    "CDATA inside OrganId": _value("H29<![CDATA[.05]]>"),
    "duplicate MessageHeader": lambda times: make_packet(more="</MessageHeader><MessageHeader>" * times),
    "duplicate ContentId": lambda times: make_packet(attachments=_ATTACHMENT * 2 * times),
    "10,000 attachments of one ContentId": lambda times: make_packet(attachments=_ATTACHMENT * 10_000 * times),
    "brace in a namespace": _written(lambda data: data.replace(_NS.encode(), b"urn:}x")),
    "99,000 comments": lambda times: make_packet(more="<!--x-->" * 99_000 * times),
    "marks without end": lambda times: make_packet("a" + "\u0301\u0323" * 100_000 * times),
}
"""What each attack is made of, once or twice as much of it."""

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
    file.write_bytes(ATTACKS[name](1))
    command = [sys.executable, "-c", _READ, str(file)]
    started = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr.strip().splitlines()[-1]} after {time.perf_counter() - started:.1f} s")
    seconds, size, said = ran.stdout.rstrip("\n").split(" ", 2)
    return {"attack": name, "seconds": float(seconds), "bytes": int(size), "outcome": said}


def print_outcomes(*, as_json: bool) -> None:
    """Measure the attacks of this module and print what each was read as."""
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(name, Path(folder)) for name in ATTACKS]
    if as_json:
        print(json.dumps(found))
        return
    for one in found:
        print(f"{one['attack']:40} {one['seconds']:7.3f} s {one['bytes'] / 1e6:7.1f} MB  {one['outcome']}")


def print_table() -> None:
    """Measure all attacks and works once and twice as large, and print them as a table."""
    import growth  # type: ignore[import-not-found]  # beside this file, which is run as a program

    print("| input | time | twice as much | factor | memory | twice as much |\n|---|---:|---:|---:|---:|---:|")
    for name in growth.list_all():
        once, twice = (growth.measure_apart(name, times) for times in (1, 2))
        factor = f"{twice.seconds / once.seconds:.1f}" if once.seconds > growth.NOISE else "–"
        times = f"{once.seconds * 1000:.0f} ms | {twice.seconds * 1000:.0f} ms"
        print(f"| {name} | {times} | {factor} | {once.size / 1e6:.1f} MB | {twice.size / 1e6:.1f} MB |", flush=True)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--outcomes", action="store_true")
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    if chosen.outcomes or chosen.json:
        print_outcomes(as_json=chosen.json)
    else:
        print_table()


if __name__ == "__main__":
    main()

"""Packets larger than the memory that a client may take, over a real socket. EDOC_TEST_LARGE=1 makes them 300 MB."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.testing.hub import RunningHub

SIZE = 300_000_000 if os.environ.get("EDOC_TEST_LARGE") else 40_000_000
ROOM = 16 * 1024
"""KiB that a client may grow while a packet passes: buffers, and what the allocator keeps."""

CLIENT = """
import json, os, sys
from pathlib import Path
import edoc_connector as edoc
from edoc_connector.hubs import MessageType

def peak():  # of this process alone: what getrusage tells begins with what the parent had
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

url, folder, call, small, large, sent = sys.argv[1:]
told = []
hub = edoc.Vxp(endpoint=url, system_id="G22", secret="secret-G22", fetch_with=call)
with edoc.HubClient(hub) as client:
    client.fetch(small, Path(folder) / "small")
    before = peak()
    fetched = client.fetch(large, Path(folder) / "large", on_progress=lambda *step: told.append(step))
    after = peak()
    if sent == "send":
        try:
            client.send(fetched.path, message_type=MessageType.EDOC, sender="G22")
        except edoc.HubError as error:  # it is no packet
            print(error, file=sys.stderr)
    last = peak()
print(json.dumps([before, after, last, fetched.size, fetched.sha256, told[-1], len(told)]))
"""


@pytest.fixture
def offered(mock_hub: RunningHub) -> tuple[RunningHub, str, str, bytes]:
    """A hub that offers a small packet and a large one."""
    for code in ("H29.05", "G22"):
        mock_hub.add_agency(code, f"secret-{code}")
    block = hashlib.shake_256(b"large").digest(1_000_000)
    large = b"<edXML>" + block * (SIZE // len(block))
    small = mock_hub.offer(b"<edXML/>", sender="H29.05", to="G22")
    return mock_hub, small, mock_hub.offer(large, sender="H29.05", to="G22"), large


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is not told there")
@pytest.mark.parametrize("call", ["downloadEdoc", "getEdoc"])
def test_memory_does_not_grow_with_a_packet(call: str, offered: Any, tmp_path: Path) -> None:
    """Raw or as base64 in JSON, a packet goes to its file, and from it, through buffers (design, streaming)."""
    hub, small, large, content = offered
    command = [sys.executable, "-c", CLIENT, hub.url, str(tmp_path), call, small, large]
    answer = subprocess.run([*command, "send"], capture_output=True, text=True, check=True).stdout
    before, after, last, size, sha256, told, steps = json.loads(answer)
    assert (size, sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (tmp_path / "large").stat().st_size == size
    assert told[0] == told[1] >= size
    assert steps > 30
    assert after - before < ROOM < SIZE // 1024
    assert last - after < ROOM

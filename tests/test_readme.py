"""The README's code runs as it stands there, against a real hub."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import edoc_connector as edoc
from edoc_connector.testing import RunningHub, agency_keys, sample_pdf

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VIETNAMESE = (ROOT / "README.vi.md").read_text(encoding="utf-8")
BOTH = (README, VIETNAMESE)
PARTIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


def _block(language: str, number: int = 0) -> str:
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return blocks[number]


def _settings(hub: RunningHub, party: str, folder: Path) -> Path:
    """The README's edoc.toml with the test hub's address and the party's name."""
    keys = agency_keys(PARTIES[party], organ_id=party)
    folder.mkdir()
    keys.write_p12(folder / "agency.p12", password="throwaway")
    keys.write_root(folder / "ca.pem")
    (folder / "agency.p12.password").write_text("throwaway")
    text = _block("toml").replace("https://hub.example.gov.vn", hub.url)
    (folder / "edoc.toml").write_text(
        text.replace("H29.05", party).replace("Sở Nội vụ", PARTIES[party]), encoding="utf-8"
    )
    return folder / "edoc.toml"


@pytest.fixture
def office(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[edoc.Connector]:
    """The sender's folder as the working directory, and the other agency's connector."""
    monkeypatch.setenv("EDOC_HUB_SECRET", "throwaway")
    for code, name in PARTIES.items():
        mock_hub.add_agency(code, "throwaway", name)
    ours, theirs = (_settings(mock_hub, party, tmp_path / party) for party in PARTIES)
    (ours.parent / "cong-van.pdf").write_bytes(sample_pdf(["7816/SNV-VP"]))
    monkeypatch.chdir(ours.parent)
    with edoc.Connector.open(theirs) as connector:
        yield connector


def test_the_readme_configuration_is_right(office: edoc.Connector) -> None:
    """Every setting in the README exists."""
    assert tomllib.loads(_block("toml"))["hub"]["dialect"] == "vxp"
    assert edoc.Settings.load("edoc.toml").agency.id == "H29.05"


def test_the_readme_code_runs(office: edoc.Connector, capsys: pytest.CaptureFixture[str]) -> None:
    """The twenty lines send, receive, accept, show and recall; the other agency sees it all."""
    _incoming(office)
    saved: list[Any] = []
    dms = SimpleNamespace(save=lambda document, attachments: saved.append((document.subject, len(attachments))))
    exec(compile(_block("python"), "README.md", "exec"), {"dms": dms})
    assert saved == [("V/v trả lời", 1)]
    assert "H29.05" not in capsys.readouterr().err
    kinds = []
    for receipt in office.receive():
        with receipt:
            kinds.append((receipt.kind, receipt.verification.status.name, receipt.verification.trusted))
    assert kinds == [("new", "VALID", True), ("recall", "VALID", True)]


def _incoming(office: edoc.Connector) -> None:
    """A document that waits for the README's reader."""
    office.send(
        edoc.testing.sample_document(
            sender=office.settings.organization(),
            recipients=(edoc.Organization(id="H29.05", name=PARTIES["H29.05"]),),
            subject="V/v trả lời",
        )
    )


def test_the_lines_to_copy_are_in_both_readmes() -> None:
    """The Vietnamese page has the same two lines."""
    for number in range(2):
        assert _block("sh", number) in VIETNAMESE


@pytest.mark.parametrize("language", ["python", "toml"])
def test_both_readmes_have_the_same_code(language: str) -> None:
    """The Vietnamese page differs in its comments only."""
    (english, vietnamese) = (re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)[0] for page in BOTH)
    assert _bare(english) == _bare(vietnamese)


def test_both_readmes_name_the_same_pages() -> None:
    """What the one page has to read on, the other has too."""
    english, vietnamese = (set(re.findall(r"^\| \[(docs/[^]]+)\]", page, re.M)) for page in BOTH)
    assert english == {page.replace(".vi.md", ".md") for page in vietnamese}


def _bare(code: str) -> list[str]:
    return [line.partition("  #")[0].rstrip() for line in code.splitlines()]


def test_every_page_the_readme_names_is_there() -> None:
    """No link leads nowhere, in the README or in docs/."""
    for page in (ROOT / "README.md", ROOT / "README.vi.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def _run(example: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "examples" / f"{example}.py"), *arguments]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def test_the_examples_work_together(
    office: edoc.Connector, mock_hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent by one example, received by another, seen by a third; each as its first line says to run it."""
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    theirs = str(office.settings.folder / "edoc.toml")
    assert "sent" in _run("send_document", "edoc.toml", "G22", PARTIES["G22"], "7816", "cong-van.pdf")
    assert "waiting:" in _run("hub_client", mock_hub.url, "G22")
    assert "VALID" in _run("receive_documents", theirs, "inbox")
    assert len(list(Path("inbox").glob("*/*.pdf"))) == 1
    assert "sent: H29.05," in _run("async_office", "edoc.toml")
    packet = max((path for path in Path("spool").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    assert "document VALID" in _run("check_packet", str(packet), "ca.pem")


UNTIL_IT_WORKS = """
work_a_while() {
    edoc worker "$@" >worker.log & worker=$!
    until grep -q "working for" worker.log; do kill -0 $worker; sleep 0.1; done
    sleep 2
    kill -TERM $worker
    wait $worker
}
"""


def test_the_tutorial_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the tutorial, one after another as they stand there, but for the port, the pauses and Ctrl-C."""
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    _, start, *steps = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    script = ["set -e", start.replace("edoc mockhub", f"edoc mockhub --port {port}"), "trap 'kill %1' EXIT"]
    script += [f"until curl -s -o hub.html http://127.0.0.1:{port}/; do sleep 0.1; done", *steps]
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    text = "\n".join(script).replace("127.0.0.1:8480", f"127.0.0.1:{port}")
    text = UNTIL_IT_WORKS + text.replace("\nedoc worker ", "\nwork_a_while ")
    done = subprocess.run(
        ["bash", "-c", text], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "Đã tiếp nhận" in done.stdout


@pytest.mark.parametrize("text", BOTH, ids=["English", "Vietnamese"])
def test_the_readme_snippet_is_typed(text: str, tmp_path: Path) -> None:
    """mypy accepts the snippet in strict mode, lists where several values are given included."""
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    snippet = tmp_path / "snippet.py"
    snippet.write_text("\n".join(["from typing import Any", "dms: Any = None", *blocks]), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        os.devnull,
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
    ]
    environment = os.environ | {"MYPYPATH": str(ROOT / "src")}
    done = subprocess.run([*command, str(snippet)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(snippet.read_text(encoding="utf-8").replace('number="7816"', "number=7816"), encoding="utf-8")
    done = subprocess.run([*command, str(wrong)], capture_output=True, text=True, env=environment)
    assert 'Argument "number" to "Document"' in done.stdout  # it does look

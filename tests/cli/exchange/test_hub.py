"""The group `edoc hub`, and the command as a whole with a provincial platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.mockhub import LgspTraps
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

Edoc = Callable[..., Any]
PASSWORD = "pass-of-the-application"


def _write_config(folder: Path, code: str, name: str, endpoint: str, *, extra: str = "") -> Path:
    folder.mkdir()
    path = folder / "edoc.toml"
    path.write_text(
        f'[agency]\nid = "{code}"\nname = "{name}"\n[hub]\ndialect = "lgsp"\nendpoint = "{endpoint}"\n'
        f'system_id = "{code}"\nsecret = "env:KEY_{code.replace(".", "")}"\n{extra}',
        encoding="utf-8",
    )
    return path


def test_capabilities_for_a_person_and_as_json(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hub can do and demands is shown in both languages, and as JSON with every field."""
    monkeypatch.setenv("KEY_H2905", "key")
    path = _write_config(tmp_path / "a", "H29.05", "Sở Nội vụ", "https://lgsp.example.gov.vn/apithunghiem")
    shown = edoc("hub", "capabilities", "--config", path)
    assert shown.code == 0
    assert "tệp lớn nhất, byte" in shown.out
    assert "52428800" in shown.out
    told = json.loads(edoc("hub", "capabilities", "--config", path, "--json").out)
    assert (told["dialect"], told["has_sent_list"], told["lists_by_date"], told["window_days"]) == (
        "lgsp",
        False,
        True,
        7,
    )
    assert told["packet"]["max_attachment"] == 50 * 1024**2


def test_capabilities_of_vxp(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that demands nothing shows that."""
    monkeypatch.setenv("KEY_H2905", "key")
    path = _write_config(tmp_path / "a", "H29.05", "Sở Nội vụ", "https://hub.example.gov.vn")
    path.write_text(path.read_text(encoding="utf-8").replace('dialect = "lgsp"\n', ""), encoding="utf-8")
    told = json.loads(edoc("hub", "capabilities", "--config", path, "--json").out)
    assert (told["dialect"], told["has_sent_list"], told["packet"]["max_attachment"]) == ("vxp", True, None)


def test_commands_over_a_platform(
    edoc: Edoc, mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """send, receive, status and directory work with ``dialect = "lgsp"``; no secret is printed."""
    mock_hub.lgsp = LgspTraps(username="qlvb", password=PASSWORD)
    for code in ("H29.05", "G22"):
        mock_hub.add_agency(code, f"key-{code}", code)
        monkeypatch.setenv(f"KEY_{code.replace('.', '')}", f"key-{code}")
    monkeypatch.setenv("LGSP_PASSWORD", PASSWORD)
    login = 'username = "qlvb"\npassword = "env:LGSP_PASSWORD"\napplication_code = "QLVB"\n'
    endpoint = f"{mock_hub.url}/apithunghiem"
    ours = _write_config(tmp_path / "ours", "H29.05", "Sở Nội vụ", endpoint, extra=login)
    theirs = _write_config(tmp_path / "theirs", "G22", "Văn phòng Chính phủ", endpoint, extra=login)
    document = tmp_path / "document.json"
    document.write_text(
        sample_document().model_copy(update={"attachments": ()}).model_dump_json(exclude_none=True), encoding="utf-8"
    )
    pdf = tmp_path / "cong-van.pdf"
    pdf.write_bytes(b"%PDF-1.4\nplain\n%%EOF\n")
    ran = [
        edoc("send", document, "--attach", pdf, "--config", ours),
        edoc("receive", "--save", tmp_path / "in", "--config", theirs),
        edoc("directory", "--sync", "--config", ours),
        edoc("deliveries", "--config", ours),
    ]
    assert [one.code for one in ran] == [0] * 4, [one.err for one in ran]
    assert "G22" in ran[2].out
    assert not [one for one in ran if PASSWORD in one.out + one.err or "key-H29" in one.out + one.err]


def test_capabilities_of_an_edoc_hub(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What confirmations do there, how statuses are numbered and what packets need is shown, and told as JSON."""
    monkeypatch.setenv("KEY_H2905", "key")
    path = _write_config(tmp_path / "a", "H29.05", "Sở Nội vụ", "https://edoc.example.gov.vn/EdocService")
    path.write_text(path.read_text(encoding="utf-8").replace('"lgsp"', '"edocservice"'), encoding="utf-8")
    shown = edoc("hub", "capabilities", "--config", path).out
    assert "status-N" in shown
    assert "edXML:Status" in shown
    told = json.loads(edoc("hub", "capabilities", "--config", path, "--json").out)
    assert (told["dialect"], told["confirms_all_statuses"], told["tells_delivery"]) == ("edocservice", True, False)
    assert told["packet"]["needs_attachment"] is True
    assert "To/OrganAdd" in told["packet"]["needed_elements"]


def test_moving_from_hub_to_hub(
    edoc: Edoc, mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` shows both hubs, `drain` and `switch` decide for every program; an unknown name is one line."""
    monkeypatch.setenv("KEY_H2905", "key")
    path = _write_config(tmp_path / "a", "H29.05", "Sở Nội vụ", f"{mock_hub.url}/apithunghiem")
    assert edoc("hub", "switch", "hub", "--config", path).code == 1  # there is no other one
    with path.open("a", encoding="utf-8") as file:
        file.write(
            f'[hubs.new]\nrole = "drain"\nendpoint = "{mock_hub.url}"\nsystem_id = "H29.05"\nsecret = "env:KEY_H2905"\n'
        )
    shown = edoc("hub", "status", "--config", path)
    assert shown.code == 0
    assert "đang nhận nốt" in shown.out
    roles = [(one["name"], one["role"]) for one in json.loads(edoc("hub", "status", "--config", path, "--json").out)]
    assert roles == [("hub", "active"), ("new", "drain")]
    assert edoc("hub", "drain", "hub", "--config", path, "--by", "An").code == 0
    told = json.loads(edoc("hub", "switch", "new", "--config", path, "--json").out)
    assert [(one["name"], one["role"], one["configured_role"]) for one in told] == [
        ("hub", "drain", "active"),
        ("new", "active", "drain"),
    ]
    assert edoc("hub", "switch", "nowhere", "--config", path).code == 1
    capabilities = json.loads(edoc("hub", "capabilities", "--hub", "new", "--config", path, "--json").out)
    assert capabilities["dialect"] == "vxp"

"""A FastAPI application with a connector, and the example that is one (in other software, point 3)."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

pytest.importorskip("fastapi", reason="the extra fastapi is not installed")

from fastapi import FastAPI

from edoc_connector.config import Settings
from edoc_connector.connector import AsyncReceipt
from edoc_connector.contrib.fastapi import Edoc, edoc_lifespan
from edoc_connector.errors import StoreError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import MockOffice, RunningHub, sample_document

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples/fastapi_dms"


@pytest.fixture
def settings(edoc_settings: Callable[..., Settings], tmp_path: Path, tables: bytes, plain_http: None) -> Settings:
    """Settings of H29.05, whose store has its tables."""
    made = edoc_settings("H29.05")
    (tmp_path / "H29.05" / "edoc.db").write_bytes(tables)
    return made


@asynccontextmanager
async def _serve(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application in this process, from its start to its end."""
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://dms") as one:
        yield one


async def _until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(30):
        while not await anyio.to_thread.run_sync(holds):
            await anyio.sleep(0.05)


async def test_what_comes_in_is_handled_on_the_applications_loop(
    settings: Settings, edoc_office: Callable[..., MockOffice]
) -> None:
    """The handler runs on the loop of the requests; one that fails has its packet offered again, and others go on."""
    g22, seen, failing = edoc_office("G22"), [], [ValueError("not now")]
    loop = asyncio.get_running_loop()

    async def handle(receipt: AsyncReceipt) -> None:
        assert asyncio.get_running_loop() is loop
        seen.append(receipt.id)
        if failing:
            raise failing.pop()

    app = FastAPI(lifespan=edoc_lifespan(settings, handle, every=0.05))
    names = [g22.send(number=number) for number in ("1", "2")]
    async with _serve(app):
        await _until(lambda: all(g22.list_statuses(name) == ["01"] for name in names))
        with anyio.fail_after(30):  # the hub is told after the senders
            while {one.state for one in await app.state.edoc.receipts()} != {ReceiptState.CONFIRMED}:
                await anyio.sleep(0.05)
    assert sorted(seen) == sorted([names[0], *names])


async def test_a_path_operation_gets_the_connector(settings: Settings, edoc_office: Callable[..., MockOffice]) -> None:
    """`Edoc` is the connector of the application, also where nothing is received."""
    edoc_office("G22")
    app = FastAPI(lifespan=edoc_lifespan(settings))

    @app.post("/")
    async def send(connector: Edoc) -> str:
        return (await connector.queue(sample_document())).id

    async with _serve(app) as client:
        document_id = (await client.post("/")).json()
        delivery = await app.state.edoc.delivery(document_id)
        assert delivery.state is DeliveryState.READY
    with pytest.raises(StoreError, match="not open"):
        _ = app.state.edoc.blocking


async def test_the_example_does_the_whole_round(
    mock_hub: RunningHub, edoc_office: Callable[..., MockOffice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """examples/fastapi_dms sends, sees the answer, registers what comes, and accepts it."""
    mock_hub.add_agency("H29.05", "secret-H29.05", "Sở Nội vụ")
    g22 = edoc_office("G22")
    text = (EXAMPLE / "edoc.toml").read_text(encoding="utf-8").replace("http://127.0.0.1:8480", mock_hub.url)
    (tmp_path / "edoc.toml").write_text(text + "\n[limits]\ngrace = 0.0\n", encoding="utf-8")
    secret = tmp_path / "hub.secret"
    secret.touch(0o600)
    secret.write_text("secret-H29.05")
    monkeypatch.chdir(tmp_path)
    module = _load_example(monkeypatch)
    async with _serve(module.app) as client:
        form = {"number": "12", "to": "G22", "subject": "Thử"}
        refused = await client.post("/letters", data=form | {"subject": ""}, files={"file": ("a.pdf", b"%PDF-1.4")})
        assert (refused.status_code, "Subject" in refused.text) == (422, False)
        sent = (await client.post("/letters", data=form, files={"file": ("a.pdf", b"%PDF-1.4")})).json()["id"]
        came = g22.send(subject="Kế hoạch")
        await _until(lambda: g22.list_statuses(came) == ["01"])
        await _until(lambda: g22.list_received())
        g22.reject(sent, "Sai thẩm quyền")
        assert (await client.get("/incoming")).json() == [[came, "G22", "7816/SNV-VP", "Kế hoạch"]]
        assert (await client.post(f"/incoming/G22/{came}/accept")).is_success
        await _until(lambda: g22.list_statuses(came) == ["01", "03"])
        with anyio.fail_after(30):
            while (shown := (await client.get(f"/letters/{sent}")).json())["statuses"] != {"G22": "02"}:
                await anyio.sleep(0.1)
        assert shown["state"] == "sent"
        assert (await client.get("/letters/none")).status_code == 409
    module.register.close()
    assert [path.name.endswith("-cong-van.pdf") for path in (tmp_path / "in").iterdir()] == [True]


def _load_example(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("fastapi_dms_main", EXAMPLE / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert isinstance(module.register, sqlite3.Connection)
    return module

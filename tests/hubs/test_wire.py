"""The two drivers of a flow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edoc_connector.hubs import Vxp, WireRequest, WireResponse, arun, run

LIST = b'{"status":"OK","ErrorCode":"0","data":[]}'


def test_cut_short_download_leaves_nothing(vxp: Vxp, tmp_path: Path) -> None:
    """A transport that fails leaves no unfinished file (faults, row 14)."""

    def perform(request: WireRequest) -> WireResponse:
        assert request.save_to is not None
        request.save_to.write_bytes(b"<half")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        run(vxp.fetch("d", tmp_path / "p"), perform)
    assert list(tmp_path.iterdir()) == []


def test_both_drivers(vxp: Vxp) -> None:
    """The same flow runs blocking and awaited, on the loop or beside it (design, hubs)."""

    async def perform(request: WireRequest) -> WireResponse:
        return WireResponse(200, {}, LIST)

    assert run(vxp.list_waiting(), lambda request: WireResponse(200, {}, LIST)) == ()
    assert asyncio.run(arun(vxp.list_waiting(), perform)) == ()
    assert asyncio.run(arun(vxp.list_waiting(), perform, offload=asyncio.to_thread)) == ()

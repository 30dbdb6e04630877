"""Commands on seals: show what a packet's seal lists, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from ..output import ExitCode, JsonFlag, print_json, print_table, raise_wrong_option, say
from .inspect import PacketFile, TrustOption, build_policy, describe_verification, print_verification, read_packet

if TYPE_CHECKING:
    from ...edxml import Attachment, Packet
    from ...signing import Verification

seals = typer.Typer(
    help="Seals: signatures that survive hubs which rebuild packets. / Niêm phong của gói tin.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(seals, name="seal")
    seals.command("show")(show)
    # a second command keeps "show" a word to write; typer drops it where it is the only one
    seals.callback()(lambda: None)


def show(file: PacketFile, trust: TrustOption = None, as_json: JsonFlag = False) -> None:
    """Show a packet's seal: fields, attachments, and whether the packet is as sealed. / Xem niêm phong của gói tin.

    Exit code 0: VALID; 1: INVALID; 3: UNSIGNED or UNVERIFIABLE, or there is no seal; 2: cannot be read.
    """
    from ...signing import verify

    with raise_wrong_option():
        policy = build_policy(trust)
    packet = read_packet(file)
    verification = verify(packet, policy)
    seal = _find_seal(packet)
    if seal is None:
        say("there is no seal in this packet", "gói tin không có niêm phong", err=True)
    description = _describe_seal(seal, verification)
    if as_json:
        print_json(description)
    else:
        _print_seal(description)
    codes = {"VALID": ExitCode.OK, "INVALID": ExitCode.FAILED}
    raise typer.Exit(ExitCode.UNVERIFIED if seal is None else codes.get(verification.status.name, ExitCode.UNVERIFIED))


def _find_seal(packet: Packet) -> Attachment | None:
    from ...edxml import SEAL_NAME

    return next((one for one in reversed(packet.attachments) if one.name == SEAL_NAME), None)


def _describe_seal(seal: Attachment | None, verification: Verification) -> dict[str, Any]:
    from ...signing import Refused, read_seal

    listed: dict[str, Any] = {"created": None, "fields": [], "attachments": []}
    if seal is not None:
        try:
            read = read_seal(seal)
        except Refused:
            pass  # the verdict has the reason
        else:
            listed = {
                "created": read.created,
                "fields": [{"name": name, "value": value} for name, value in read.fields],
                "attachments": [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in read.attachments],
            }
    differences = [
        {"name": one.name, "sealed": one.sealed, "received": one.received} for one in verification.differences
    ]
    return listed | {"differences": differences, "verification": describe_verification(verification)}


def _print_seal(description: dict[str, Any]) -> None:
    different = {one["name"] for one in description["differences"]}
    if description["created"]:
        say(f"sealed {description['created']}", f"niêm phong lúc {description['created']}")
    if description["fields"]:
        rows = ((one["name"], one["value"], "≠" if one["name"] in different else "") for one in description["fields"])
        print_table("", ("field / trường", "sealed value / giá trị niêm phong", ""), rows)
    if description["attachments"]:
        files = (
            (one["name"], one["size"], one["sha256"], "≠" if one["name"] in different else "")
            for one in description["attachments"]
        )
        print_table("", ("attachment / tệp đính kèm", "bytes / byte", "SHA-256", ""), files)
    if description["differences"]:
        rows = ((one["name"], one["sealed"], one["received"]) for one in description["differences"])
        heads = ("different / khác biệt", "sealed / đã niêm phong", "received / nhận được")
        print_table("", heads, rows)
    print_verification(description["verification"])

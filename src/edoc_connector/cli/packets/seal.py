"""The command seal show: shows what a packet's seal lists, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from ..._core import Text
from ..errors import raise_wrong_option
from ..options import JsonFlag, PacketFile, TrustOption, build_policy
from ..output import ExitCode, print_json, print_table, say
from .files import read_packet
from .verdicts import describe_verification, exit_by_verdict, print_verification

if TYPE_CHECKING:
    from ...edxml import Attachment, Packet
    from ...signing import Verification

seal_commands = typer.Typer(
    name="seal",
    help="Seals: signatures that survive hubs which rebuild packets. / Niêm phong của gói tin.",
    no_args_is_help=True,
)


@seal_commands.callback()
def _keep_show() -> None:
    """Keep `show` a word to write: typer drops the name of a command that is the only one."""


@seal_commands.command()
def show(file: PacketFile, trust: TrustOption = None, as_json: JsonFlag = False) -> None:
    """Show a packet's seal: fields, attachments, and whether the packet is as sealed. / Xem niêm phong của gói tin.

    Exit code 0: VALID, by a trusted signer; 4: VALID, but the signer was not judged (no --trust); 1: INVALID; 3:
    UNSIGNED or UNVERIFIABLE, or there is no seal; 2: cannot be read. / Mã kết thúc 0: VALID, người ký đáng tin cậy; 4:
    VALID nhưng chưa xét người ký (không có --trust); 1: INVALID; 3: UNSIGNED hoặc UNVERIFIABLE, hoặc không có niêm
    phong; 2: không đọc được.
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
    (print_json if as_json else _print_seal)(description)
    if seal is None:
        raise typer.Exit(ExitCode.UNVERIFIED)
    exit_by_verdict(verification.status, verification.trusted)


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
        print_table("", (Text("field", "trường"), Text("sealed value", "giá trị niêm phong"), ""), rows)
    if description["attachments"]:
        files = (
            (one["name"], one["size"], one["sha256"], "≠" if one["name"] in different else "")
            for one in description["attachments"]
        )
        print_table("", (Text("attachment", "tệp đính kèm"), Text("bytes", "byte"), "SHA-256", ""), files)
    if description["differences"]:
        rows = ((one["name"], one["sealed"], one["received"]) for one in description["differences"])
        heads = (Text("different", "khác biệt"), Text("sealed", "đã niêm phong"), Text("received", "nhận được"))
        print_table("", heads, rows)
    print_verification(description["verification"])

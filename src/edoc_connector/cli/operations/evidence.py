"""The command `edoc evidence`: packs what there is about a document, and checks such a pack."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError, system_words_vi
from ..exchange.exchange import CONFIG, AgencyOption, ConfigOption, opened
from ..output import ExitCode, JsonFlag, print_json, say

if TYPE_CHECKING:
    from ...connector import Checked


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evidence)


def evidence(
    document_id: Annotated[
        str | None, typer.Argument(metavar="DOCUMENT-ID", help="Sent or received. / Mã văn bản.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.zip", help="Where to pack it. / Tệp zip cần tạo.")] = None,
    verify: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Check a pack; needs no store. / Kiểm tra gói, không cần kho dữ liệu."),
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Trusted authorities' certificates. / Chứng thư của tổ chức tin cậy."),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pack the evidence of a document, or check such a pack. / Đóng gói bằng chứng của văn bản, hoặc kiểm tra gói đó.

    With --verify: exit code 0, all is as it was packed; 1, something is not, and each thing is named.
    """
    if verify is not None:
        _check(verify, trust or [], as_json=as_json)
    elif document_id is not None and out is not None:
        _require_free(out)
        with opened(config, agency) as connector:
            packed = connector.evidence(document_id, out=out)
        say(f"the evidence of {document_id} is in {packed}", f"bằng chứng của {document_id} nằm trong {packed}")
    else:
        raise ConfigError(
            "give DOCUMENT-ID --out FILE.zip to pack evidence, or --verify FILE.zip to check it.",
            vi="hãy ghi MÃ-VĂN-BẢN --out TỆP.zip để đóng gói, hoặc --verify TỆP.zip để kiểm tra.",
        )


def _require_free(out: Path) -> None:
    if out.exists():
        raise ConfigError(
            f"{out} is there already, and may be evidence: give another name, or move it away first.",
            vi=f"{out} đã tồn tại và có thể là bằng chứng: hãy ghi tên khác hoặc chuyển tệp đó đi trước.",
        )
    if not out.absolute().parent.is_dir():
        raise ConfigError(
            f"{out} cannot be written: its folder is not there. Make it, or give another path.",
            vi=f"không ghi được {out}: thư mục không tồn tại. Hãy tạo thư mục hoặc ghi đường dẫn khác.",
        )


def _check(path: Path, trust: list[Path], *, as_json: bool) -> None:
    from ...connector import check_pack
    from ...signing import VerifyMode, VerifyPolicy

    anchors = VerifyPolicy.load(trust, mode=VerifyMode.ANY).anchors
    try:
        found = check_pack(path, anchors=anchors)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", vi=f"không đọc được {path}: {system_words_vi(error)}"
        ) from error
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(ExitCode.FAILED)


def _show(found: Checked) -> None:
    for one in found.problems:
        say(f"{one.where}: {one.text}", one.text_vi)
    for name, status in found.packets:
        say(f"{name}: {status}", f"chữ ký {status}")
    for sha256, why in found.missing:
        say(f"packet {sha256} is not in the pack: {why}", "gói tin không có trong gói bằng chứng")
    if found.head:
        say(
            f"{found.agency}, {found.document_id}: {found.entries} entries, head of the chain {found.head}",
            f"{found.entries} mục, mã băm cuối chuỗi {found.head}",
        )
        say(*_signer(found))
    say(*_verdict(found))


def _verdict(found: Checked) -> tuple[str, str]:
    if found.problems:
        wrong = len(found.problems)
        return f"{wrong} problem{'' if wrong == 1 else 's'}", f"có {wrong} lỗi"
    if found.missing:
        gone = len(found.missing)
        return (
            f"what is in the pack is as it was packed; {gone} packet{' is' if gone == 1 else 's are'} not in it, and "
            "only the hashes prove what was in them",
            f"những gì có trong gói bằng chứng đều nguyên vẹn; thiếu {gone} gói tin, chỉ còn mã băm làm bằng chứng",
        )
    return "all is as it was packed", "nguyên vẹn"


def _signer(found: Checked) -> tuple[str, str]:
    if found.signed_by is None:
        return (
            "nobody signed the head: compare it with the one the agency noted elsewhere",
            "chuỗi không có chữ ký: hãy đối chiếu mã băm cuối với bản đơn vị đã lưu nơi khác",
        )
    trusted = {True: "", False: ", NOT trusted", None: ", whom to trust was not said (--trust)"}[found.trusted]
    trusted_vi = {True: "", False: ", KHÔNG tin cậy", None: ", chưa nêu tổ chức tin cậy (--trust)"}[found.trusted]
    return f"signed by {found.signed_by}{trusted}", f"ký bởi {found.signed_by}{trusted_vi}"

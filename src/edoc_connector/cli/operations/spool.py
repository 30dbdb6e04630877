"""The commands spool new-key and spool rewrite: the encryption of packets at rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..._core import create_private
from ...errors import ConfigError, describe_system_error, describe_system_error_vi
from ..exchange import open_connector
from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import say

spool_commands = typer.Typer(name="spool", help="The packets at rest. / Gói tin lưu trên đĩa.", no_args_is_help=True)


@spool_commands.command("new-key")
def new_key(
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write, for you alone to read. / Tệp khóa cần ghi.")
    ],
) -> None:
    """Make a key that packets at rest are encrypted with. / Tạo khóa mã hóa gói tin lưu trên đĩa.

    Name it as [store] spool_key = "file:FILE", keep a copy in a safe place: without it the packets cannot be read. /
    Khai báo bằng [store] spool_key = "file:TỆP" và giữ một bản ở nơi an toàn: mất khóa này thì không đọc được gói tin.
    """
    from ...store import SpoolKey

    key = SpoolKey.generate()
    try:
        with create_private(out) as file:
            file.write(f"{key.key.hex()}\n".encode())
    except OSError as error:
        raise ConfigError(
            f"cannot write {out}: {describe_system_error(error)}; give the path of a new file",
            vi=f"không ghi được {out}: {describe_system_error_vi(error)}; hãy chọn đường dẫn của tệp mới",
        ) from error
    say(f"written: {out}, key {key.id}", f"đã ghi: {out}, khóa {key.id}")


@spool_commands.command()
def rewrite(config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Rewrite packets that are not encrypted as the configuration says. / Mã hóa lại gói tin theo cấu hình hiện tại.

    With [store] spool_key all are encrypted with it; without it, and the old key in spool_old_keys, all are plain
    again. Stop other programs before, and start them with the new configuration: they may go on only where a new key
    takes the place of an old one, and they have both. / Có [store] spool_key thì mọi gói tin được mã hóa bằng khóa đó;
    không có, và khóa cũ đặt ở spool_old_keys, thì mọi gói tin trở lại không mã hóa. Hãy dừng các chương trình khác
    trước rồi chạy lại với cấu hình mới: chúng chỉ được chạy tiếp khi thay khóa cũ bằng khóa mới và có cả hai khóa.
    """
    with open_connector(config, agency) as connector:
        result = connector.rewrite_spool()
    say(
        f"{result.rewritten} of {result.files} packets rewritten: "
        + (f"all are encrypted with the key {result.key_id}" if result.key_id else "all are plain"),
        f"đã ghi lại {result.rewritten}/{result.files} gói tin: "
        + (f"tất cả được mã hóa bằng khóa {result.key_id}" if result.key_id else "tất cả ở dạng không mã hóa"),
    )

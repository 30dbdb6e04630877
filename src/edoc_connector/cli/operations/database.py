"""The command db upgrade: brings the store's database to this version."""

from __future__ import annotations

import typer

from ..configuration import load_fleet
from ..options import CONFIG, AgencyOption, ConfigOption
from ..output import say

database_commands = typer.Typer(name="db", help="The store's database. / Cơ sở dữ liệu của kho.", no_args_is_help=True)


@database_commands.command()
def upgrade(config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Bring the database to this version; stop other programs, and back up first. / Nâng cấp cơ sở dữ liệu.

    Where the configuration has several agencies, the databases of all of them. With [worker] engine = "procrastinate",
    that engine's tables too. / Nếu tệp cấu hình có nhiều đơn vị thì nâng cấp cơ sở dữ liệu của tất cả. Với [worker]
    engine = "procrastinate" thì cả các bảng của procrastinate.

    Nothing is lost, and the evidence is not touched. / Hãy dừng các chương trình khác và sao lưu trước; không mất gì,
    nhật ký bằng chứng giữ nguyên.
    """
    from ... import store

    agencies = load_fleet(config, agency)
    task_tables: dict[str, bool] = {}  # by database: whether it has those of the engine too
    for one in agencies:
        url = one.store_url()
        store.require_not_lost(url, spool=one.spool(), owner=one.agency.id)
        task_tables[url] = task_tables.get(url, False) or one.worker.engine == "procrastinate"
    for url, tasks in task_tables.items():
        revision = store.upgrade(url, tasks=tasks)
    say(f"the database is at revision {revision}", f"cơ sở dữ liệu ở phiên bản {revision}")


@database_commands.callback()
def _db() -> None:
    """The store's database. / Cơ sở dữ liệu của kho."""

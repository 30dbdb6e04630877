"""Commands on the store's database."""

from __future__ import annotations

import typer

from .exchange import CONFIG, ConfigOption
from .output import say

database = typer.Typer(help="The store's database. / Cơ sở dữ liệu của kho.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(database, name="db")


@database.command()
def upgrade(config: ConfigOption = CONFIG) -> None:
    """Bring the database to the revision of this version; stop other programs and make a backup first.

    Nâng cấp cơ sở dữ liệu; hãy dừng các chương trình khác và sao lưu trước.
    """
    from .. import store
    from ..config import Settings

    revision = store.upgrade(Settings.load(config).store_url())
    say(f"the database is at revision {revision}", f"cơ sở dữ liệu ở phiên bản {revision}")


@database.callback()
def _db() -> None:
    """The store's database. / Cơ sở dữ liệu của kho."""

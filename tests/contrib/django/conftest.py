"""The example project, set up in this process on SQLite, as an agency of a mock hub."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("django", reason="the extra django is not installed")

import django
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.test.utils import override_settings, setup_test_environment, teardown_test_environment
from django.utils import translation

from edoc_connector.config import Settings
from edoc_connector.contrib.django import close_connectors
from edoc_connector.testing import MockOffice

EXAMPLE = Path(__file__).parents[3] / "examples/django_dms"

Letters = Callable[..., Any]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The models of the example project, with tables in an SQLite file; Django is set up once in a process."""
    folder = tmp_path_factory.mktemp("project") / "django_dms"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "migrations", "*.sqlite3"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "office.settings")
        django.setup()
        setup_test_environment()
        call_command("makemigrations", "dms", verbosity=0)
        call_command("migrate", verbosity=0)
        yield sys.modules["dms.models"]
        teardown_test_environment()
        connections.close_all()


@pytest.fixture
def dms(
    project: ModuleType, edoc_settings: Callable[..., Settings], tmp_path: Path, tables: bytes, plain_http: None
) -> Iterator[ModuleType]:
    """The example's models, as the agency H29.05 at the mock hub, without rows."""
    settings = edoc_settings("H29.05", name="Sở Nội vụ")
    (tmp_path / "H29.05" / "edoc.db").write_bytes(tables)
    translation.activate("en")
    with override_settings(EDOC=settings, MEDIA_ROOT=tmp_path / "files"):
        yield project
        close_connectors()
    for model in (project.IncomingFile, project.Incoming, project.Letter):
        model.objects.all().delete()
    connections.close_all()


@pytest.fixture
def g22(edoc_office: Callable[..., MockOffice]) -> MockOffice:
    """The other side."""
    return edoc_office("G22")


@pytest.fixture
def write_letter(dms: ModuleType, g22: MockOffice) -> Letters:
    """Writes a letter to the other side, without sending it."""

    def write(number: int = 7816, **fields: Any) -> Any:
        file = ContentFile(b"%PDF-1.4\n%%EOF\n", name="cong-van.pdf")
        letter = dms.Letter(**{"number": number, "subject": "Thử", "recipient": g22.code, "file": file} | fields)
        letter.save()
        return letter

    return write


@pytest.fixture
def work() -> Callable[[], None]:
    """Runs the worker's command once."""
    return lambda: call_command("edoc_worker", once=True)


@pytest.fixture
def clerk(dms: ModuleType) -> Iterator[Client]:
    """A browser in which a user with every right is logged in, and whose forms need a token."""
    from django.contrib.auth.models import User

    user = User.objects.create_superuser("an", first_name="Trần Văn", last_name="An")
    client = Client()
    client.force_login(user)
    yield client
    User.objects.all().delete()

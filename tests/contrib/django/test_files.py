"""Files of Django's storages as attachments, and back (in other software, point 3)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage
from django.db.models.fields.files import FieldFile

from edoc_connector import Attachment, AttachmentError
from edoc_connector.contrib.django import build_attachment, open_attachment


class _Remote(Storage):
    """A storage without paths."""

    def _open(self, name: str, mode: str = "rb") -> ContentFile[bytes]:
        return ContentFile(b"%PDF-1.4 far", name=name)


def _field_file(dms: ModuleType, storage: Storage, name: str) -> FieldFile:
    field = dms.Letter._meta.get_field("file").clone()
    field.storage = storage
    return FieldFile(dms.Letter(), field, name)


def test_a_local_file_is_read_from_its_path(dms: ModuleType, tmp_path: Path) -> None:
    """It is streamed when the packet is written; one that is gone is an AttachmentError."""
    storage = FileSystemStorage(tmp_path)
    storage.save("out/a.pdf", ContentFile(b"%PDF-1.4 here"))
    attachment = build_attachment(_field_file(dms, storage, "out/a.pdf"))
    assert (attachment.name, attachment.first(99)) == ("a.pdf", b"%PDF-1.4 here")
    with pytest.raises(AttachmentError):
        build_attachment(_field_file(dms, storage, "out/b.pdf"))


def test_a_file_of_another_storage_is_read_into_memory(dms: ModuleType) -> None:
    """A storage without paths gives the bytes; the name may be another."""
    attachment = build_attachment(_field_file(dms, _Remote(), "out/a.pdf"), name="Công văn.pdf")
    assert (attachment.name, attachment.first(99)) == ("Công văn.pdf", b"%PDF-1.4 far")


def test_a_strangers_name_is_made_safe() -> None:
    """A name from outside cannot leave the storage's folder."""
    file = open_attachment(Attachment.from_bytes(b"x", name="../../etc/passwd"))
    assert "/" not in (file.name or "")
    assert file.read() == b"x"

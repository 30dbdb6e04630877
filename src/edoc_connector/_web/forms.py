"""Forms as they come: values, files, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request


class TooLarge(Exception):
    """A form that is larger than the page takes, or does not say how large it is."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form.

    Args:
        name: its name, without the folders that some browsers send.
        media_type: what the browser says it is.
        content: its bytes.
    """

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form with its values, and what is wrong with them by field.

    Args:
        values: the values of each field, in order.
        uploads: the files of each field; a field left empty has none.
        errors: what is wrong, by field, in the language of the reader.
    """

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    uploads: Mapping[str, Sequence[Upload]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """Get the value of a field without the white space around it, or the default where the field is not there."""
        found = self.values.get(name)
        return found[0].strip() if found else default

    def list(self, name: str) -> Sequence[str]:
        """List the values of a field that may have several."""
        return self.values.get(name, ())

    def with_errors(self, errors: Mapping[str, str]) -> Form:
        """Copy the form, saying what is wrong with it."""
        return Form(values=self.values, uploads=self.uploads, errors=errors)


async def read_form(request: Request, *, limit: int, most_files: int = 0) -> Form:
    """Read the form of a request.

    Args:
        request: brings it, as ``application/x-www-form-urlencoded`` or ``multipart/form-data``.
        limit: most bytes of it.
        most_files: how many files it may bring.

    Raises:
        TooLarge: it is larger, or says nothing of its size.
        HTTPException: it is no form, or brings too many files.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > limit:
        raise TooLarge(f"a form of {length or 'unknown'} bytes")
    values: dict[str, list[str]] = {}
    uploads: dict[str, list[Upload]] = {}
    try:
        async with request.form(max_files=most_files, max_fields=2000, max_part_size=limit) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    values.setdefault(name, []).append(_require_text(value))
                elif value.filename:
                    uploads.setdefault(name, []).append(await _read_upload(value))
    except UnicodeError as error:  # the form names its own encoding, and some write what is no text
        raise HTTPException(400, "The form is not UTF-8.") from error
    return Form(values=values, uploads=uploads)


def _require_text(value: str) -> str:
    """Require a text that can be written as UTF-8: half of a surrogate pair cannot.

    Raises:
        UnicodeEncodeError: it cannot.
    """
    value.encode()
    return value


async def _read_upload(value: UploadFile) -> Upload:
    name = _require_text(value.filename or "").replace("\\", "/").rpartition("/")[2]
    return Upload(name, value.content_type or "application/octet-stream", await value.read())

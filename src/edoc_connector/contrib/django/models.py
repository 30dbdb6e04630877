"""Abstract models: a document of the application that is sent, and one that came in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.apps import apps
from django.db import models, transaction
from django.utils import timezone

from ..._core import get_logger
from ...connector import Delivery, Receipt
from ...edxml import Document
from ...errors import EdocError, NotFound
from .connectors import get_connector
from .language import speak

log = get_logger("edoc_connector.contrib.django")

RETRY_AFTER = timedelta(minutes=5)
_ID_LENGTH = 255


class OutgoingDocument(models.Model):
    """A document to send: a subclass has the fields, and says with `as_document` what goes out.

    The row and the wish to send it are committed together; the connector's store gets the document after that. What
    is not there yet, because the process died in between or the key was away, is queued by ``manage.py edoc_worker``.
    """

    edoc_agency = models.CharField(speak("agency", "đơn vị"), max_length=64, blank=True, editable=False)
    edoc_id = models.CharField("DocumentId", max_length=_ID_LENGTH, blank=True, editable=False, db_index=True)
    edoc_queued_at = models.DateTimeField(speak("queued at", "xếp hàng lúc"), null=True, editable=False)
    edoc_tried_at = models.DateTimeField(speak("tried at", "thử lúc"), null=True, editable=False)
    edoc_error = models.TextField(speak("error", "lỗi"), blank=True, editable=False)

    class Meta:
        abstract = True

    def as_document(self) -> Document:
        """Build the document; the same row must give the same document each time."""
        raise NotImplementedError

    def send(self) -> None:
        """Save the row, and queue its document when the transaction is committed; rolled back, nothing is sent.

        The document is checked, built and signed once before, so that what is wrong with it is known here.

        Raises:
            EdocError: as for `Connector.preview`; nothing was saved but files, which storages do not roll back.
        """
        with transaction.atomic(using=self._state.db):
            self.save()
            connector, document = get_connector(self.edoc_agency), self.as_document()
            connector.preview(document)
            self.edoc_agency, self.edoc_id = connector.settings.agency.id, document.id
            self.edoc_queued_at = self.edoc_tried_at = None
            self.edoc_error = ""
            self.save()
            transaction.on_commit(self.queue, using=self._state.db, robust=True)

    def queue(self) -> None:
        """Give the document to the connector now, for a worker to send; one that failed is tried anew.

        Raises:
            EdocError: as for `Connector.queue`. `edoc_error` says it, and a worker tries again after `RETRY_AFTER`.
        """
        self.edoc_tried_at, self.edoc_error = timezone.now(), ""
        try:
            get_connector(self.edoc_agency).queue(self.as_document())
            self.edoc_queued_at = self.edoc_tried_at
        except EdocError as error:
            self.edoc_error = str(error)
            raise
        finally:
            self.save(update_fields=["edoc_queued_at", "edoc_tried_at", "edoc_error"])

    @property
    def delivery(self) -> Delivery | None:
        """Where it stands, read from the store now; None while it is not queued."""
        if not self.edoc_id:
            return None
        try:
            return get_connector(self.edoc_agency).delivery(self.edoc_id)
        except NotFound:
            return None

    @classmethod
    def list_unqueued(cls) -> models.QuerySet[Self]:
        """List the rows that were sent and are not in the connector's store."""
        is_due = models.Q(edoc_tried_at=None) | models.Q(edoc_tried_at__lt=timezone.now() - RETRY_AFTER)
        return cls._default_manager.filter(is_due, edoc_queued_at=None).exclude(edoc_id="")


class IncomingDocument(models.Model):
    """A document that came in. A subclass may have further fields."""

    edoc_agency = models.CharField(speak("agency", "đơn vị"), max_length=64, editable=False)
    edoc_id = models.CharField("DocumentId", max_length=_ID_LENGTH, editable=False)
    sender = models.CharField(speak("sender", "mã nơi gửi"), max_length=64, editable=False)
    sender_name = models.TextField(speak("sender's name", "nơi gửi"), editable=False)
    code = models.TextField(speak("code", "số, ký hiệu"), editable=False)
    subject = models.TextField(speak("subject", "trích yếu"), editable=False)
    received_at = models.DateTimeField(speak("received at", "nhận lúc"), editable=False)

    class Meta:
        abstract = True
        constraints = (
            models.UniqueConstraint(fields=("edoc_agency", "sender", "edoc_id"), name="%(app_label)s_%(class)s_once"),
        )

    def __str__(self) -> str:
        return f"{self.code} {self.subject}"

    @classmethod
    def take_in(cls, receipt: Receipt, **fields: Any) -> tuple[Self, bool]:
        """Get the row of a document, or make it; for a receiver of `document_received`.

        Args:
            receipt: the document's receipt.
            **fields: values of further fields.

        Returns:
            The row, and whether it was made: files are to be kept only then.
        """
        document = receipt.document
        known = {"sender_name": document.sender.name, "code": document.code, "subject": document.subject}
        return cls._default_manager.get_or_create(
            edoc_agency=receipt.agency,
            sender=receipt.sender,
            edoc_id=receipt.id,
            defaults={**known, "received_at": receipt.received_at, **fields},
        )

    @property
    def receipt(self) -> Receipt:
        """Its receipt, read from the store now.

        Raises:
            NotFound: it is not in the store any more.
        """
        return get_connector(self.edoc_agency).receipt(self.edoc_id, sender=self.sender)


def queue_unqueued() -> int:
    """Queue the documents of every model that were sent and are not in the connector's store; returns how many."""
    outgoing = [model for model in apps.get_models() if issubclass(model, OutgoingDocument)]
    return sum(_try_to_queue(row) for model in outgoing for row in model.list_unqueued().iterator())


def _try_to_queue(row: OutgoingDocument) -> bool:
    try:
        row.queue()
    except EdocError as error:
        log.warning("%s is not queued: %s", row.edoc_id, error)
        return False
    return True

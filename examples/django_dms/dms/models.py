from datetime import date

from django.db import models
from django.dispatch import receiver

import edoc_connector as edoc
from edoc_connector.contrib.django import build_attachment, document_received, open_attachment, status_received
from edoc_connector.contrib.django.models import IncomingDocument, OutgoingDocument


class Letter(OutgoingDocument):
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=500)
    issued_on = models.DateField(default=date.today)
    recipient = models.CharField(max_length=13, help_text="G22")
    file = models.FileField(upload_to="out")
    answer = models.CharField(max_length=2, editable=False)

    def as_document(self):
        return edoc.Document(
            sender=edoc.Organization(id="H29.05", name="Sở Nội vụ"),
            recipients=[edoc.Organization(id=self.recipient, name=self.recipient)],
            number=str(self.number), notation="SNV-VP", place="Hà Nội", issued_on=self.issued_on,
            type_name="Công văn", subject=self.subject,
            signer=edoc.SignerInfo(full_name="Nguyễn Văn A", position="Giám đốc"),
            attachments=[build_attachment(self.file)],
        )  # fmt: skip


class Incoming(IncomingDocument):
    pass


class IncomingFile(models.Model):
    document = models.ForeignKey(Incoming, models.CASCADE, related_name="files")
    file = models.FileField(upload_to="in")


@receiver(document_received)
def register(receipt, **_):
    row, is_new = Incoming.take_in(receipt)
    if is_new:
        for attachment in receipt.attachments:
            IncomingFile.objects.create(document=row, file=open_attachment(attachment))


@receiver(status_received)
def note(delivery, status, **_):
    Letter.objects.filter(edoc_id=delivery.id).update(answer=status.code)

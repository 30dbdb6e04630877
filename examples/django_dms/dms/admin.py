from django.contrib import admin

from edoc_connector.contrib.django.admin import IncomingDocumentAdmin, OutgoingDocumentAdmin

from .models import Incoming, IncomingFile, Letter


@admin.register(Letter)
class LetterAdmin(OutgoingDocumentAdmin):
    list_display = ("number", "subject", "edoc_state", "answer")


class FileInline(admin.TabularInline):
    model = IncomingFile
    extra = 0


@admin.register(Incoming)
class IncomingAdmin(IncomingDocumentAdmin):
    inlines = (FileInline,)
    list_display = ("code", "sender_name", "subject", "received_at")

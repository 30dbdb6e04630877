"""Admin classes: what happened to a document, and buttons for what may be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from ..._core import describe_error
from ...connector import Delivery, DeliveryState, Story
from ...edxml import StaffInfo, StatusCode
from ...errors import EdocError
from .connectors import get_connector
from .language import choose, speak, speaks_vietnamese


class DocumentAdmin(admin.ModelAdmin):
    """What both kinds share: the history, and a button for each action, sent by POST to a user who may change rows.

    Attributes:
        edoc_actions: the words of each button, by the name of the method that does it.
        edoc_reasons: those that need a reason.
    """

    change_form_template = "admin/edoc/change_form.html"
    edoc_actions: ClassVar[dict[str, Any]] = {}
    edoc_reasons: ClassVar[frozenset[str]] = frozenset()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        """Show what came from outside and may not be changed, and below it the history."""
        names = super().get_readonly_fields(request, obj)
        return [*names, *self.list_fixed_fields(obj), "edoc_history"] if obj else names

    def list_fixed_fields(self, row: Any) -> Sequence[str]:  # noqa: ARG002  of those that know them
        """List the fields of a row that are shown and may not be changed."""
        return ()

    @admin.display(description=speak("history", "diễn biến"))
    def edoc_history(self, row: Any) -> str:
        """Show what happened, what happens next, and where it stands with each recipient."""
        if not row.edoc_id:
            return "-"
        try:
            connector = get_connector(row.edoc_agency)
            story, delivery = connector.explain(self.find_packet_id(row)), getattr(row, "delivery", None)
        except EdocError as error:
            return choose(describe_error(error))
        return render_to_string("admin/edoc/history.html", _describe(story, delivery))

    def find_packet_id(self, row: Any) -> str:
        """Find the id by which `Connector.explain` knows it."""
        return str(row.edoc_id)

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each button."""
        view = self.admin_site.admin_view(non_atomic_requests(require_POST(self.run_edoc_action)))
        name = f"{self.opts.app_label}_{self.opts.model_name}_edoc"
        return [path("<path:object_id>/edoc/<str:action>/", view, name=name), *super().get_urls()]

    def run_edoc_action(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Do what a button says; what is refused is shown, and nothing was done."""
        row = self.get_object(request, object_id)
        if row is None or action not in self.edoc_actions or not self.has_change_permission(request, row):
            raise PermissionDenied
        do: Callable[..., None] = getattr(self, f"edoc_{action}")
        try:
            do(request, row, request.POST.get("reason", "").strip())
        except EdocError as error:
            messages.error(request, choose(describe_error(error)))
        else:
            messages.success(request, speak("It was queued.", "Đã đưa vào hàng đợi."))
        return HttpResponseRedirect(self._find_address("change", row.pk))

    def _find_address(self, page: str, *arguments: Any) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(f"admin:{name}", args=arguments, current_app=self.admin_site.name)

    def list_edoc_actions(self, row: Any) -> list[str]:  # noqa: ARG002  of those that know what may be done
        """List the actions that may be done now."""
        return [*self.edoc_actions]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons that may be pressed now."""
        row = kwargs.get("obj")
        if row is not None and self.has_change_permission(request, row):
            context["edoc_reason"] = speak("reason", "lý do")
            context["edoc_buttons"] = [
                {
                    "words": self.edoc_actions[name],
                    "needs_reason": name in self.edoc_reasons,
                    "address": self._find_address("edoc", row.pk, name),
                }
                for name in self.list_edoc_actions(row)
            ]
        return super().render_change_form(request, context, *args, **kwargs)


class OutgoingDocumentAdmin(DocumentAdmin):
    """Admin of an `OutgoingDocument`: its state, its history, and a button to send it, or to send it again.

    A row is a draft until it is sent, and may be changed again only where the hub or the connector refused it.
    """

    edoc_actions: ClassVar[dict[str, Any]] = {"send": speak("Send", "Gửi")}

    @admin.display(description=speak("state", "trạng thái"))
    def edoc_state(self, row: Any) -> str:
        """Show where it stands with the hub; for `list_display`."""
        if row.edoc_error:
            return str(row.edoc_error)
        if row.delivery is None:
            return str(speak("to be queued", "chờ xếp hàng") if row.edoc_id else speak("not sent", "chưa gửi"))
        return choose(row.delivery.state.text)

    def list_fixed_fields(self, row: Any) -> Sequence[str]:
        """Let nobody change what was sent."""
        if self.list_edoc_actions(row):
            return ()
        return [field.name for field in self.opts.fields if field.editable and not field.primary_key]

    def list_edoc_actions(self, row: Any) -> list[str]:
        """Offer to send what was not taken yet, by the connector or by the hub."""
        delivery = row.delivery
        return ["send"] if delivery is None or delivery.state is DeliveryState.FAILED else []

    def edoc_send(self, request: HttpRequest, row: Any, reason: str) -> None:  # noqa: ARG002  as the others
        """Send it; what becomes of it in the connector stands in its state."""
        row.send()


class IncomingDocumentAdmin(DocumentAdmin):
    """Admin of an `IncomingDocument`: its history, and buttons to answer its sender."""

    edoc_actions: ClassVar[dict[str, Any]] = {
        "accept": speak("Accept (03)", "Tiếp nhận (03)"),
        "reject": speak("Reject (02)", "Từ chối (02)"),
        "agree": speak("Agree to the change (15)", "Đồng ý thay đổi (15)"),
        "refuse": speak("Refuse the change (16)", "Không đồng ý thay đổi (16)"),
    }
    edoc_reasons: ClassVar[frozenset[str]] = frozenset({"reject", "refuse"})

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  the base class's signature
        """Let nobody make a document that did not come in."""
        return False

    def find_packet_id(self, row: Any) -> str:
        """Find the hub's id: other senders may use the same DocumentId, and so may we."""
        return str(row.receipt.hub_doc_id)

    def list_fixed_fields(self, row: Any) -> Sequence[str]:  # noqa: ARG002  the base class's signature
        """Show what the document says."""
        return ("code", "sender", "sender_name", "subject", "received_at")

    def list_edoc_actions(self, row: Any) -> list[str]:
        """Offer an answer where one is owed."""
        try:
            receipt = row.receipt
        except EdocError:  # the history says why
            return []
        answered = receipt.status not in (None, StatusCode.ARRIVED)
        return [*([] if answered else ["accept", "reject"]), *(["agree", "refuse"] if receipt.change_requested else [])]

    def edoc_accept(self, request: HttpRequest, row: Any, reason: str) -> None:
        """Accept the document."""
        row.receipt.accept(reason or None, staff=_name_staff(request), queue=True)

    def edoc_reject(self, request: HttpRequest, row: Any, reason: str) -> None:
        """Reject it, with a reason."""
        row.receipt.reject(reason, staff=_name_staff(request), queue=True)

    def edoc_agree(self, request: HttpRequest, row: Any, reason: str) -> None:
        """Agree to the change that is asked for."""
        row.receipt.agree_change(reason or None, staff=_name_staff(request), queue=True)

    def edoc_refuse(self, request: HttpRequest, row: Any, reason: str) -> None:
        """Refuse the change that is asked for."""
        row.receipt.refuse_change(reason, staff=_name_staff(request), queue=True)


def _name_staff(request: HttpRequest) -> StaffInfo:
    """Name the officer who pressed the button, as the status and the timeline will."""
    user: Any = request.user
    return StaffInfo(staff=user.get_full_name() or user.get_username())


def _describe(story: Story, delivery: Delivery | None) -> dict[str, Any]:
    """Describe a history in the active language."""
    is_vi = speaks_vietnamese()
    recipients = [
        {
            "name": recipient.name,
            "status": choose(recipient.status.text) if isinstance(recipient.status, StatusCode) else recipient.status,
            "description": recipient.description,
        }
        for recipient in (delivery.recipients if delivery else ())
    ]
    return {
        "title": story.title_vi if is_vi else story.title,
        "events": [(event.time, event.text_vi if is_vi else event.text) for event in story.events],
        "next": story.next_vi if is_vi else story.next,
        "recipients": recipients,
    }

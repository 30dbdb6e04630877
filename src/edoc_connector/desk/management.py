"""The state of the system, the people of the desk, and one's own password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from .._web import Form
from ..connector import CheckOutcome, Connector, run_checks
from ..errors import EdocError
from .call import Call, Denied
from .people import add_person, list_people, remove_person, set_password, set_role
from .roles import Role
from .sign_in import Gate
from .views import badge, format_time, pick

_ORDER: Final = (CheckOutcome.FAIL, CheckOutcome.WARN, CheckOutcome.UNKNOWN, CheckOutcome.PASS)


@dataclass(frozen=True, slots=True)
class Management:
    """Pages about the desk itself.

    Args:
        connector: of the agency.
        gate: knows the people's passwords.
    """

    connector: Connector
    gate: Gate

    def show_status(self, call: Call) -> Response:
        """Show the conditions of `edoc doctor` that are quickly looked at, what is wrong first."""
        results = sorted(
            run_checks(self.connector.check_subject, slow=False), key=lambda one: _ORDER.index(one.outcome)
        )
        language = call.language
        rows = [
            (one.code, pick(language, one.text), pick(language, one.cure), badge(language, one.outcome))
            for one in results
        ]
        return call.render("status.html", rows=rows)

    def show_people(self, call: Call) -> Response:
        """Show the people."""
        return self._render_people(call, Form())

    def change_people(self, call: Call) -> Response:
        """Add, change or remove somebody."""
        store, agency, form = self.connector.context.store, self.connector.context.agency, call.form
        name, act, by = form.get("name").lower(), form.get("act"), call.person.actor
        if act != "add" and name == call.person.name:
            return call.pages.redirect("/people", call.translate("people.self"), is_bad=True)
        try:
            if act == "add":
                password = (form.list("password") or [""])[0] or None
                full_name, role = form.get("full_name"), form.get("role")
                add_person(store, agency, name, full_name=full_name, role=role, password=password, by=by)
            elif act == "change":
                set_role(store, agency, name, form.get("role"), by=by)
            elif act == "remove":
                remove_person(store, agency, name, by=by)
            else:
                raise Denied("wrong.missing")
        except EdocError as error:
            words = error.vi if call.language == "vi" else error.message
            return self._render_people(call, form.with_errors({"": words}), status=422)
        return call.tell_done("/people", f"{call.translate('people.' + act)}: {name}")

    def _render_people(self, call: Call, form: Form, *, status: int = 200) -> Response:
        people = [
            (one.name, one.full_name, one.role, format_time(one.last_seen_at))
            for one in list_people(self.connector.context.store, self.connector.context.agency)
        ]
        return call.render("people.html", status=status, people=people, roles=Role.choices(call.language), form=form)

    def show_account(self, call: Call) -> Response:
        """Show the form of the password."""
        return call.render("account.html", form=Form())

    def change_password(self, call: Call) -> Response:
        """Change one's own password; every session ends."""
        store, agency, name = self.connector.context.store, self.connector.context.agency, call.person.name
        old, new = ((call.form.list(field) or [""])[0] for field in ("old", "new"))
        if not self.gate.has_password(call.request, name, old):
            wrong = Form(errors={"": call.translate("account.wrong")})
            return call.render("account.html", status=422, form=wrong)
        try:
            set_password(store, agency, name, new, by=call.person.actor)
        except EdocError as error:
            words = error.vi if call.language == "vi" else error.message
            return call.render("account.html", status=422, form=Form(errors={"": words}))
        return call.pages.redirect("/sign-in")

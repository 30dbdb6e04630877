"""A kit for pages served by a program of ours: layout, tables, forms, two languages, safety.

It imports nothing else of ours. Templates are Jinja2 with everything escaped; the stylesheet is Pico CSS with a little
of our own, live parts are htmx's; both lie here as files, and there is no build step. No page needs a script or a style
that stands in the page itself.
"""

from edoc_connector._web.csrf import CSRF_FIELD, CsrfTokens
from edoc_connector._web.forms import Form, TooLarge, Upload, read_form
from edoc_connector._web.pages import Pages, Site
from edoc_connector._web.paging import Paging
from edoc_connector._web.security import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from edoc_connector._web.texts import KIT_TEXTS, Language, Texts, choose_language

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "CSRF_FIELD",
    "KIT_TEXTS",
    "SECURITY_HEADERS",
    "CsrfTokens",
    "Form",
    "Language",
    "Pages",
    "Paging",
    "Site",
    "Texts",
    "TooLarge",
    "Upload",
    "choose_language",
    "read_form",
]

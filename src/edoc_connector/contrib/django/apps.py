"""The app, as Django loads it."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from .language import speak


class EdocConfig(AppConfig):
    """The app ``edoc``: no tables of its own, a command, signals, checks and templates."""

    name = "edoc_connector.contrib.django"
    label = "edoc"
    verbose_name = speak("Electronic documents", "Văn bản điện tử")

    def ready(self) -> None:
        """Register what `manage.py check` looks at."""
        from .checks import check_receivers, check_settings

        checks.register(check_settings, "edoc")
        checks.register(check_receivers, "edoc")

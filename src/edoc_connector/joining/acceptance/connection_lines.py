"""Lines A1 to A6: clock, TLS, login, and the hub's directory."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from urllib.parse import urlsplit

from ..._core import Text
from ...client import HubClient
from ...connector import CHECKS, CheckOutcome
from ...errors import AuthenticationRejected, ClockRejected, EdocError, HubError, TransportError
from ...hubs import Agency, is_secret, list_setting_fields
from .outcomes import NotMet, NotPossible
from .scene import Scene

_LOOKS = 4  # where the hub is busy or the line is bad at the moment


def _examine(scene: Scene, *codes: str) -> None:
    """Look at checks of the registry, a few times where one is raised.

    Raises:
        NotMet: a condition is there.
    """
    for code in codes:
        check = next(one for one in CHECKS if one.code == code)
        results = (check.examine(scene.ours.check_subject) for _ in range(_LOOKS))
        result = next((one for one in results if one.outcome is CheckOutcome.PASS), None)
        if result is None:
            worst = check.examine(scene.ours.check_subject)
            if worst.outcome is not CheckOutcome.PASS:
                raise NotMet(Text(f"{worst.text.en}: {worst.cure.en}", f"{worst.text.vi}: {worst.cure.vi}"))


def check_clock(scene: Scene) -> None:
    """A1: the clock is within two minutes of the hub's Date."""
    _examine(scene, "CHK-CLOCK-DRIFT", "CHK-CLOCK")
    scene.note(f"độ lệch {scene.ours.context.hub.time.seen_offset.total_seconds():+.1f} giây")


def check_tls(scene: Scene) -> None:
    """A2: the connection is by TLS, to a server whose certificate is good."""
    endpoint = urlsplit(str(getattr(scene.ours.settings.hub, "endpoint", "")))
    if endpoint.scheme != "https":
        raise NotPossible(
            Text("the hub's endpoint is on http://: nothing protects the connection",
                 "địa chỉ trục dùng http://: kết nối không được bảo vệ")
        )  # fmt: skip
    _examine(scene, "CHK-HUB-NAME", "CHK-HUB-REACH", "CHK-HUB-PROXY", "CHK-HUB-TLS", "CHK-HUB-TLS-OLD")
    (survey,) = list(scene.ours.check_subject.surveys.read(scene.ours.settings, None).values())[:1]
    scene.note(f"{survey.host} {survey.connection.tls_version}")


def check_login(scene: Scene) -> None:
    """A3: the hub takes our id and secret."""
    _examine(scene, "CHK-HUB-LOGIN", "CHK-HUB-CALL")


def check_wrong_secret(scene: Scene) -> None:
    """A4: a wrong secret is refused, and the refusal says that it is that."""
    settings = scene.ours.settings
    dialect = settings.dialect()
    if not getattr(dialect, "secret", "") or not any(is_secret(one) for one in list_setting_fields(dialect)):
        raise NotPossible(
            Text("the secret is the gateway's in front of the hub", "mã bí mật thuộc cổng phía trước trục")
        )
    wrong = base64.b64encode(hashlib.sha256(dialect.secret.encode()).digest()).decode("ascii")  # type: ignore[attr-defined]
    replaced = dataclasses.replace(dialect, secret=wrong)  # type: ignore[type-var]
    once = dataclasses.replace(settings.client_settings(), attempts=1)

    def ask() -> HubError | None:
        with HubClient(replaced, once, authenticator=settings.authenticator()) as client:
            try:
                client.list_waiting()
            except TransportError:
                raise
            except HubError as error:
                if error.retryable:
                    raise
                return error
        return None

    refusal = scene.retry(ask)
    if refusal is None:
        raise NotMet(Text("the hub took a wrong secret", "trục chấp nhận mã bí mật sai"))
    if not isinstance(refusal, AuthenticationRejected) or isinstance(refusal, ClockRejected):
        words = f"{type(refusal).__name__}: "
        raise NotMet(
            Text(f"refused, but not as a wrong secret: {words}{refusal.message}",
                 f"bị từ chối nhưng không báo là sai mã bí mật: {words}{refusal.vi}")
        )  # fmt: skip
    scene.note(f"{type(refusal).__name__} {refusal.code or ''}".strip())


def check_own_code(scene: Scene) -> None:
    """A5: our code is in the directory."""
    _require_directory(scene)
    code = scene.ours.settings.agency.id
    if not any(code in (one.code, one.other_code) for one in _read_directory(scene)):
        raise NotMet(Text(f"{code} is not in the directory", f"danh bạ không có {code}"))
    scene.note(code)


def check_directory(scene: Scene) -> None:
    """A6: the directory is read, with both forms of codes; the partner is in it."""
    _require_directory(scene)
    agencies = _read_directory(scene)
    both = sum(bool(one.other_code) for one in agencies)
    scene.note(f"{len(agencies)} mã, {both} mã có cả hai dạng (QCVN 102:2016, QĐ 20/2020)")
    code = scene.partner.organization.id
    scope = scene.ours.context.capabilities.directory_scope
    if scope:
        scene.note(f"danh bạ chỉ gồm {scope} và các đơn vị trực thuộc")
    elif not any(code in (one.code, one.other_code) for one in agencies):
        raise NotMet(Text(f"{code} is not in the directory", f"danh bạ không có {code}"))


def _read_directory(scene: Scene) -> tuple[Agency, ...]:
    try:
        return scene.retry(scene.ours.context.hub.agencies)
    except EdocError as error:
        raise NotMet(Text(error.message, error.vi)) from error


def _require_directory(scene: Scene) -> None:
    if not scene.ours.context.capabilities.has_directory:
        raise NotPossible(Text("the hub has no directory", "trục không có danh bạ"))

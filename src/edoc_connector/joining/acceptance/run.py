"""The run of the scenarios: each line to its outcome, kept as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..._core import Text, escape_line
from ..._version import __version__
from ...config import PRODUCTION_ENVIRONMENT, Settings, is_production
from ...connector import Connector
from ...edxml import Organization
from ...errors import ConfigError, EdocError
from .outcomes import LineEnded, LineOutcome
from .partners import OwnPartner, Partner, RemotePartner
from .scenarios import SCENARIOS, Scenario
from .scene import Scene
from .state import LineState, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """A line of the run, for people and programs.

    Args:
        scenario: what was tried.
        outcome: what it came to.
        text: why, where that is not a pass.
        evidence: ids, times and hashes.
        at: when, ISO 8601; empty before the first time.
    """

    scenario: Scenario
    outcome: LineOutcome
    text: Text
    evidence: tuple[str, ...]
    at: str

    def as_json(self) -> dict[str, object]:
        """Express the line as plain values for JSON."""
        return {
            "id": self.scenario.id,
            "title": self.scenario.title.en,
            "title_vi": self.scenario.title.vi,
            "rule": self.scenario.rule,
            "outcome": self.outcome.value,
            "text": self.text.en,
            "text_vi": self.text.vi,
            "evidence": list(self.evidence),
            "at": self.at,
        }


class AcceptanceRun:
    """A run of an agency with a partner at a hub.

    Args:
        ours: our connector.
        other: the connector of a second agency of ours, or the partner's organisation.
        folder: where the run is kept.
        third: a second recipient for what goes to two; we ourselves where it is left out.
        wait: seconds until what has not come counts as missing.
        pause: seconds between two looks.
        large: bytes of the large document.
        locked: code of an agency that the hub has locked, where its operator named one.

    Raises:
        ConfigError: the settings are those of production, the partner is the agency itself or the second recipient
            too, or the folder holds another run.
    """

    def __init__(
        self,
        ours: Connector,
        other: Connector | Organization,
        folder: Path,
        *,
        third: Organization | None = None,
        wait: float = 120.0,
        pause: float = 2.0,
        large: int = 20 * 1024 * 1024,
        locked: str = "",
    ) -> None:
        _refuse_production(ours.settings)
        self._ours = ours
        code = other.settings.agency.id if isinstance(other, Connector) else other.id
        _refuse_same(ours.settings.agency.id, code, third)
        name = other.settings.agency.name if isinstance(other, Connector) else other.name
        settings = ours.settings
        about = {
            "agency": settings.agency.id,
            "agency_name": settings.agency.name,
            "partner": code,
            "partner_name": name or code,
            "partner_kind": "own" if isinstance(other, Connector) else "remote",
            "hub": str((settings.hub.model_extra or {}).get("endpoint", "")),
            "dialect": settings.hub.dialect,
            "environment": settings.environment,
            "version": __version__,
        }
        self.state = RunState(folder, about)
        self._partner: Partner = (
            OwnPartner(other, self.state, settings.agency.id) if isinstance(other, Connector) else RemotePartner(other)
        )
        self._third = third or settings.organization()
        self._wait, self._pause, self._large, self._locked = wait, pause, large, locked

    def run(
        self,
        only: Collection[str] = (),
        *,
        again: bool = False,
        on_line: Callable[[LineResult], None] | None = None,
    ) -> tuple[LineResult, ...]:
        """Run the lines that have not passed yet.

        Args:
            only: ids, or their first letters; all where it is empty.
            again: whether to look again at those that passed or are not possible.
            on_line: told of each line when it has its outcome.
        """
        for scenario in SCENARIOS:
            is_chosen = not only or scenario.id in only or scenario.id[0] in only
            is_open = self.state.get_line(scenario.id).outcome not in (LineOutcome.PASS, LineOutcome.NOT_POSSIBLE)
            if is_chosen and (is_open or again):
                self._run_line(scenario)
                if on_line is not None:
                    on_line(_build_result(scenario, self.state.get_line(scenario.id)))
        return self.results

    def confirm(self, line: str, by: str) -> None:
        """Note the partner's word about a line.

        Args:
            line: id of the line.
            by: who gave it.

        Raises:
            ConfigError: there is no such line.
        """
        if line not in {scenario.id for scenario in SCENARIOS}:
            known = ", ".join(scenario.id for scenario in SCENARIOS)
            raise ConfigError(
                f"there is no line {line}: they are {known}.", vi=f"Không có mục {line}: các mục gồm {known}."
            )
        self.state.confirmed[line] = f"đối tác xác nhận: {escape_line(by)}, {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.state.save()

    @property
    def results(self) -> tuple[LineResult, ...]:
        """Every line, as it is known now."""
        return tuple(_build_result(one, self.state.get_line(one.id)) for one in SCENARIOS)

    def _run_line(self, scenario: Scenario) -> None:
        line = self.state.get_line(scenario.id)
        line.outcome, line.text = LineOutcome.PASS, Text("", "")
        try:
            scenario.run(self._set_scene(scenario))
        except LineEnded as ended:
            line.outcome, line.text = ended.outcome, ended.text
        except EdocError as error:
            line.outcome, line.text = LineOutcome.FAIL, Text(error.message, error.vi)
        finally:
            line.at = datetime.now(UTC).isoformat(timespec="seconds")
            self.state.save()

    def _set_scene(self, scenario: Scenario) -> Scene:
        return Scene(
            line=scenario.id,
            ours=self._ours,
            partner=self._partner,
            third=self._third,
            run=self.state,
            wait=self._wait,
            pause=self._pause,
            large=self._large,
            locked=self._locked,
        )


def _build_result(scenario: Scenario, line: LineState) -> LineResult:
    return LineResult(
        scenario=scenario, outcome=line.outcome, text=line.text, evidence=tuple(line.evidence), at=line.at
    )


def _refuse_same(ours: str, partner: str, third: Organization | None) -> None:
    if partner == ours:
        raise ConfigError(
            f"the partner of the acceptance run is {partner}, the agency itself: name another agency as the partner, "
            "or with --agency the one that runs it.",
            vi=f"Đối tác kiểm thử là {partner}, cũng chính là đơn vị đang kiểm thử: hãy chọn đơn vị khác làm đối tác, "
            "hoặc dùng --agency để chọn đơn vị kiểm thử.",
        )
    if third is not None and third.id == partner:
        raise ConfigError(
            f"the second recipient is {partner}, the partner itself: name another agency with --third, or leave it "
            "out.",
            vi=f"Nơi nhận thứ hai là {partner}, cũng chính là đối tác: hãy dùng --third với đơn vị khác, hoặc bỏ tùy "
            "chọn này.",
        )


def _refuse_production(settings: Settings) -> None:
    endpoint = str((settings.hub.model_extra or {}).get("endpoint", ""))
    named = PRODUCTION_ENVIRONMENT in (settings.environment, settings.profile)
    if named or (not settings.environment and is_production(endpoint)):
        raise ConfigError(
            "the acceptance run sends documents, recalls and broken packets: it is for a test hub. Choose the "
            "environment of one with --env.",
            vi="Kiểm thử kết nối gửi cả văn bản thử, thu hồi và gói tin hỏng: chỉ dùng với trục thử nghiệm. Hãy chọn "
            "môi trường thử nghiệm bằng --env.",
        )

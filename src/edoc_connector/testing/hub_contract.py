"""The contract of a dialect, as a class of tests: what the library relies on, whatever a hub's protocol is.

A dialect's own tests inherit from `HubContract` and say how its hub answers; pytest does the rest::

    class TestMyHub(HubContract):
        verdict, good_verdicts = ("status",), ("OK",)

        def make_dialect(self, url):
            return MyHub(endpoint=url, user="H29", secret="secret-of-mine")

        def answer_sent(self, doc_id):
            return ScriptedAnswer(json.dumps({"status": "OK", "id": doc_id}).encode())
        …

The exchanges go over a real socket, with the blocking and with the awaiting client. Several hundred odd answers are
made of each good one (`odd_answers`): each must be a typed error or the right result, never another exception and never
an empty success.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from edoc_connector.client import AnswerSink, AsyncHubClient, ClientSettings, HubClient
from edoc_connector.errors import (
    AuthenticationRejected,
    EdocError,
    HubError,
    HubUnavailable,
    NotSent,
    OutcomeUnknown,
    TransportError,
)
from edoc_connector.hubs import (
    Dialect,
    Flow,
    MessageType,
    NotJsonError,
    Outcome,
    WireRequest,
    WireResponse,
    get_capabilities,
    parse_strict_json,
    run,
)

from .odd_answers import OddAnswer, iter_odd_answers
from .scripted_hub import Script, ScriptedAnswer, ScriptedHub, SeenRequest

__all__ = ["HubContract", "ScriptedAnswer", "SeenRequest"]

PACKET = b'<?xml version="1.0" encoding="UTF-8"?><edXML>' + b"content " * 4000 + b"</edXML>"
SENDER, RECIPIENT = "H29.05", "G22"
LEAST_ODD_ANSWERS = 200
_QUICK: dict[str, Any] = {"attempts": 1, "backoff": 0.0, "connect": 5.0, "read": 5.0, "total": 20.0}


class HubContract:
    """The tests. A subclass says how the hub answers.

    Attributes:
        verdict: names of the members, from the outermost object down, that say whether a call succeeded.
        good_verdicts: the values that say so; with any other value there, no call may succeed.
        secrets: texts of `make_dialect` that nothing may show.
        login_path: beginning of the path of the hub's login; empty for a hub without.
        login: the answer to it.
        fetches_raw: whether a packet comes as it is, not within JSON: then no odd bytes are told from a packet.
        has_directory: whether the dialect has a directory.
        status_prefix: begins the docIds of statuses, where the hub numbers documents and statuses apart.
        numbers_statuses: whether the hub tells an id of a status that it took.
    """

    verdict: ClassVar[tuple[str, ...]] = ()
    good_verdicts: ClassVar[tuple[Any, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()
    login_path: ClassVar[str] = ""
    login: ClassVar[ScriptedAnswer] = ScriptedAnswer()
    fetches_raw: ClassVar[bool] = False
    has_directory: ClassVar[bool] = True
    status_prefix: ClassVar[str] = ""
    numbers_statuses: ClassVar[bool] = True

    # --- How the hub answers. ---

    def make_dialect(self, url: str) -> Dialect:
        """Make the dialect for a hub at this address."""
        raise NotImplementedError

    def answer_sent(self, doc_id: str) -> ScriptedAnswer:
        """Make the hub's answer to a packet that it took."""
        raise NotImplementedError

    def answer_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        """Make the hub's list of packets that wait."""
        raise NotImplementedError

    def answer_status_sent(self, doc_id: str) -> ScriptedAnswer:
        """Make the hub's answer to a status that it took; by default that to a document."""
        return self.answer_sent(doc_id)

    def answer_status_list(self, doc_ids: Sequence[str]) -> ScriptedAnswer:
        """Make the hub's list of statuses that wait; by default that of documents."""
        return self.answer_list(doc_ids)

    def answer_packet(self, doc_id: str, packet: bytes) -> ScriptedAnswer:
        """Make the hub's answer that holds a packet."""
        raise NotImplementedError

    def answer_confirmed(self) -> ScriptedAnswer:
        """Make the hub's answer to a confirmation."""
        raise NotImplementedError

    def answer_directory(self, entries: Mapping[str, str]) -> ScriptedAnswer:
        """Make the hub's directory of codes and names."""
        raise NotImplementedError

    def answer_refused(self) -> ScriptedAnswer:
        """Make the hub's final refusal of a call, in its own form."""
        raise NotImplementedError

    def answer_denied(self) -> ScriptedAnswer:
        """Make the hub's answer to wrong credentials."""
        return ScriptedAnswer(b"Unauthorized", 401, "text/plain")

    def says_nothing(self, call: str, answer: Any) -> bool:  # noqa: ARG002  for those that inherit
        """Tell whether an answer rightly says that there is nothing: no packet waits, the directory is empty.

        Args:
            call: ``list_waiting`` or ``agencies``.
            answer: the answer as JSON; what is no JSON as text.
        """
        return False

    def is_verdict(self, place: tuple[str | int, ...]) -> bool:
        """Tell whether a place in an answer is that of the verdict; by default `verdict`.

        Args:
            place: names of the members from the outermost object down; of an envelope the names of elements below it.
        """
        return bool(self.verdict) and place == self.verdict

    # --- What is done with it. ---

    @contextmanager
    def _serve(self, *answers: ScriptedAnswer) -> Iterator[ScriptedHub]:
        with ScriptedHub(Script(list(answers), self.login_path, self.login)) as hub:
            yield hub

    def _call(self, mode: str, url: str, method: str, /, *args: Any, attempts: int = 1, **kwargs: Any) -> Any:
        """Make one call with the client of a mode."""
        dialect, settings = self.make_dialect(url), ClientSettings(**{**_QUICK, "attempts": attempts})
        if mode == "awaited":
            return asyncio.run(_call_awaited(dialect, settings, method, args, kwargs))
        with HubClient(dialect, settings) as client:
            return getattr(client, method)(*args, **kwargs)

    def _send(self, mode: str, hub: ScriptedHub, packet: Path, **kwargs: Any) -> Any:
        kwargs = {"message_type": MessageType.EDOC, "sender": SENDER, "recipients": (RECIPIENT,), **kwargs}
        return self._call(mode, hub.url, "send", packet, **kwargs)

    def _calls(self, hub: ScriptedHub) -> list[SeenRequest]:
        """List the requests that were no logins."""
        return [seen for seen in hub.seen if not (self.login_path and seen.path.startswith(self.login_path))]

    @pytest.fixture
    def contract_packet(self, tmp_path: Path) -> Path:
        """A packet to send."""
        path = tmp_path / "contract-packet.edxml"
        path.write_bytes(PACKET)
        return path

    @pytest.fixture(params=["blocking", "awaited"])
    def mode(self, request: pytest.FixtureRequest) -> str:
        """Either client."""
        return str(request.param)

    # --- Sending. ---

    def test_a_packet_leaves_whole_and_gets_the_hubs_id(self, mode: str, contract_packet: Path) -> None:
        """The packet's bytes arrive unchanged, with a Content-Length and not in chunks, and the hub's id is told."""
        with self._serve(self.answer_sent("4711")) as hub:
            assert self._send(mode, hub, contract_packet).doc_id == "4711"
            (seen,) = self._calls(hub)
        assert PACKET in seen.body
        assert int(seen.headers["content-length"]) == len(seen.body)
        assert "transfer-encoding" not in seen.headers

    def test_a_status_leaves_too(self, mode: str, contract_packet: Path) -> None:
        """A status packet is sent as documents are."""
        wanted = self.status_prefix + "8" if self.numbers_statuses else ""
        with self._serve(self.answer_status_sent("8")) as hub:
            assert self._send(mode, hub, contract_packet, message_type=MessageType.STATUS).doc_id == wanted

    def test_a_refusal_is_final(self, mode: str, contract_packet: Path) -> None:
        """A refusal in the hub's own form is a HubError that is not tried again, with words in both languages."""
        with self._serve(self.answer_refused()) as hub:
            with pytest.raises(HubError) as caught:
                self._send(mode, hub, contract_packet, attempts=3)
            assert len(self._calls(hub)) == 1
        assert not caught.value.retryable
        assert caught.value.vi != caught.value.message

    def test_an_answer_that_is_lost_is_an_unknown_outcome(self, mode: str, contract_packet: Path) -> None:
        """Where the packet left and no answer came, nothing is sent again: the hub may have it."""
        with self._serve(ScriptedAnswer(closes=True)) as hub:
            with pytest.raises(OutcomeUnknown):
                self._send(mode, hub, contract_packet, attempts=3)
            assert len(self._calls(hub)) == 1

    def test_an_answer_cut_off_is_an_unknown_outcome(self, mode: str, contract_packet: Path) -> None:
        """An answer to a send that breaks off says neither yes nor no."""
        good = self.answer_sent("1").body
        with self._serve(ScriptedAnswer(good[:-4], announced=len(good))) as hub, pytest.raises(OutcomeUnknown):
            self._send(mode, hub, contract_packet)

    def test_an_error_inside_the_hub_is_an_unknown_outcome(self, mode: str, contract_packet: Path) -> None:
        """After HTTP 500 and 504 the hub may have the packet, even where a success is inside."""
        for status in (500, 504):
            with self._serve(ScriptedAnswer(self.answer_sent("1").body, status)) as hub, pytest.raises(OutcomeUnknown):
                self._send(mode, hub, contract_packet)

    def test_a_busy_hub_is_tried_again(self, mode: str, contract_packet: Path) -> None:
        """After HTTP 503 nothing was taken: the packet is sent again within the call."""
        with self._serve(ScriptedAnswer(b"busy", 503), self.answer_sent("1")) as hub:
            assert self._send(mode, hub, contract_packet, attempts=2).doc_id == "1"
            assert len(self._calls(hub)) == 2

    def test_a_hub_that_is_not_there_gets_nothing(self, mode: str, contract_packet: Path) -> None:
        """Where nobody listens the packet is not sent, which is certain."""
        with self._serve() as hub:
            url = hub.url
        with pytest.raises(NotSent):
            self._call(mode, url, "send", contract_packet, message_type=MessageType.EDOC, sender=SENDER)

    def test_a_packet_that_is_missing_or_empty(self, mode: str, tmp_path: Path) -> None:
        """A packet without bytes is refused before anything leaves."""
        empty = tmp_path / "empty.edxml"
        empty.write_bytes(b"")
        with self._serve(self.answer_sent("1")) as hub:
            for path in (empty, tmp_path / "missing.edxml"):
                with pytest.raises(EdocError) as caught:
                    self._send(mode, hub, path)
                assert not isinstance(caught.value, TransportError | HubError)
            assert self._calls(hub) == []

    # --- Receiving. ---

    def test_what_waits_is_listed(self, mode: str) -> None:
        """Each packet that waits is listed once, by the hub's id."""
        with self._serve(self.answer_list(["11", "12"])) as hub:
            assert {row.doc_id for row in self._call(mode, hub.url, "list_waiting")} == {"11", "12"}
        with self._serve(self.answer_status_list(["11", "12"])) as hub:
            assert len(self._call(mode, hub.url, "list_waiting", MessageType.STATUS)) == 2

    def test_nothing_waits(self, mode: str) -> None:
        """A hub that has nothing says so."""
        with self._serve(self.answer_list([])) as hub:
            assert self._call(mode, hub.url, "list_waiting") == ()

    def test_a_packet_is_fetched_whole(self, mode: str, tmp_path: Path) -> None:
        """The file has the packet's bytes, and its hash and size are told."""
        with self._serve(self.answer_packet("11", PACKET)) as hub:
            fetched = self._call(mode, hub.url, "fetch", "11", tmp_path / "fetched.edxml")
        assert fetched.path.read_bytes() == PACKET
        assert (fetched.doc_id, fetched.size) == ("11", len(PACKET))
        assert fetched.sha256 == hashlib.sha256(PACKET).hexdigest()

    def test_a_download_cut_off_leaves_no_file(self, mode: str, tmp_path: Path) -> None:
        """A body shorter than announced is an error, and nothing stands at the packet's place."""
        good = self.answer_packet("11", PACKET).body
        cut_off = ScriptedAnswer(good[: len(good) // 2], announced=len(good))
        with self._serve(cut_off) as hub, pytest.raises(EdocError):
            self._call(mode, hub.url, "fetch", "11", tmp_path / "fetched.edxml")
        assert list(tmp_path.glob("*.edxml")) == []

    def test_a_packet_is_confirmed_twice(self, mode: str) -> None:
        """Confirming again is harmless."""
        with self._serve(self.answer_confirmed()) as hub:
            for _ in range(2):
                assert self._call(mode, hub.url, "confirm", "11", Outcome.DONE) is None

    def test_the_directory(self, mode: str) -> None:
        """The directory gives codes and names."""
        if not self.has_directory:
            pytest.skip("this hub has no directory")
        with self._serve(self.answer_directory({"G22": "Bộ Nội vụ", "H29": "UBND"})) as hub:
            found = self._call(mode, hub.url, "agencies")
        assert {entry.code: entry.name for entry in found} == {"G22": "Bộ Nội vụ", "H29": "UBND"}

    # --- Whoever asks. ---

    def test_wrong_credentials_are_told_from_a_refusal(self, mode: str, contract_packet: Path) -> None:
        """Credentials that are refused are AuthenticationRejected: the queue is kept."""
        with self._serve(self.answer_denied()) as hub, pytest.raises(AuthenticationRejected):
            self._send(mode, hub, contract_packet)

    def test_no_secret_is_shown(self, contract_packet: Path) -> None:
        """Neither the dialect nor its requests nor its errors show a secret."""
        shown = [repr(self.make_dialect("http://hub.test"))]
        with self._serve(self.answer_refused()) as hub:
            for mode in ("blocking", "awaited"):
                with pytest.raises(HubError) as caught:
                    self._send(mode, hub, contract_packet)
                shown += [str(caught.value), caught.value.vi, repr(caught.value)]
        flow = self._open_flow("send", contract_packet, Path("unused"))
        shown.append(repr(next(flow)))
        flow.close()
        assert not [secret for secret in self.secrets if any(secret in text for text in shown)]

    def test_what_the_hub_can_do_is_data(self) -> None:
        """The capabilities say what the calls do: a hub without a list of sent packets refuses to tell of them."""
        dialect = self.make_dialect("http://hub.test")
        capabilities = get_capabilities(dialect)
        if not capabilities.has_sent_list:
            with pytest.raises(HubError) as caught:
                run(dialect.sent_state(), _refuse_to_perform)
            assert not isinstance(caught.value, HubUnavailable)

    # --- Odd answers. ---

    @pytest.mark.parametrize("call", ["send", "list_waiting", "fetch", "confirm", "agencies"])
    def test_odd_answers(self, call: str, contract_packet: Path, tmp_path: Path) -> None:
        """Each odd answer is a typed error or the right result: no other exception, and no empty success."""
        if call == "agencies" and not self.has_directory:
            pytest.skip("this hub has no directory")
        good = self._make_good_answer(call)
        odd_answers, to = list(iter_odd_answers(good)), tmp_path / "odd" / "fetched.edxml"
        assert len(odd_answers) >= LEAST_ODD_ANSWERS or (call == "fetch" and self.fetches_raw)
        wrong = [
            f"{odd.name}: {said}"
            for odd in odd_answers
            if (said := self._judge(call, odd, to, partial(self._drive, call, odd.answer, contract_packet, to)))
        ]
        assert not wrong, "\n".join(wrong[:20])

    def test_odd_answers_over_a_socket(self, mode: str, contract_packet: Path, tmp_path: Path) -> None:
        """Two hundred of them and more are taken as well by either client, over a real connection.

        Here they meet what a client does besides: it logs in, reads lengths and media types, and repeats calls.
        """
        sampled = self._sample_odd_answers()
        assert len(sampled) >= LEAST_ODD_ANSWERS
        wrong = []
        to = tmp_path / "odd" / "fetched.edxml"
        with self._serve() as hub, _LastingClient(mode, lambda: self.make_dialect(hub.url)) as client:
            for call, odd in sampled:
                hub.answer = Script([odd.answer], self.login_path, self.login)
                said = self._judge(call, odd, to, partial(self._ask, client, call, contract_packet, to))
                wrong += [f"{call}: {odd.name}: {said}"] if said else []
        assert not wrong, "\n".join(wrong[:20])

    def _list_calls(self) -> list[str]:
        return ["send", "list_waiting", "fetch", "confirm", *(["agencies"] if self.has_directory else [])]

    def _sample_odd_answers(self) -> list[tuple[str, OddAnswer]]:
        """Sample odd answers of each call: as many of each, from the whole range of them."""
        calls = self._list_calls()
        wanted = -(-LEAST_ODD_ANSWERS // len(calls))
        sampled: list[tuple[str, OddAnswer]] = []
        for call in calls:
            odd_answers = list(iter_odd_answers(self._make_good_answer(call)))
            sampled += [(call, odd_answers[place * len(odd_answers) // wanted]) for place in range(wanted)]
        return sampled

    def _ask(self, client: _LastingClient, call: str, packet: Path, to: Path) -> Any:
        """Make a call as programs do."""
        arguments: Mapping[str, tuple[Any, ...]] = {"send": (packet,), "fetch": ("11", to), "confirm": ("11",)}
        options = {"message_type": MessageType.EDOC, "sender": SENDER, "recipients": (RECIPIENT,)}
        return client.call(call, *arguments.get(call, ()), **(options if call == "send" else {}))

    def test_an_error_inside_a_success(self, contract_packet: Path, tmp_path: Path) -> None:
        """A refusal with HTTP 200 is an error of every call."""
        for call in self._list_calls():
            with pytest.raises(EdocError):
                self._drive(call, self.answer_refused(), contract_packet, tmp_path / "fetched.edxml")

    def _make_good_answer(self, call: str) -> ScriptedAnswer:
        answers: Mapping[str, Callable[[], ScriptedAnswer]] = {
            "send": lambda: self.answer_sent("4711"),
            "list_waiting": lambda: self.answer_list(["11", "12"]),
            "fetch": lambda: self.answer_packet("11", PACKET),
            "confirm": self.answer_confirmed,
            "agencies": lambda: self.answer_directory({"G22": "Bộ Nội vụ"}),
        }
        return answers[call]()

    def _open_flow(self, call: str, packet: Path, to: Path) -> Flow[Any]:
        dialect = self.make_dialect("http://hub.test")
        flows: Mapping[str, Any] = {
            "send": lambda: dialect.send(packet, message_type=MessageType.EDOC, sender=SENDER, recipients=(RECIPIENT,)),
            "list_waiting": dialect.list_waiting,
            "fetch": lambda: dialect.fetch("11", to),
            "confirm": lambda: dialect.confirm("11"),
            "agencies": dialect.agencies,
        }
        flow: Flow[Any] = flows[call]()
        return flow

    def _drive(self, call: str, answer: ScriptedAnswer, packet: Path, to: Path) -> Any:
        """Answer every request of a call alike, as a client would take the answer."""

        def perform(request: WireRequest) -> WireResponse:
            with AnswerSink(request, answer.status, {"content-type": answer.content_type}) as sink:
                sink.write(answer.body)
                return sink.finish()

        return run(self._open_flow(call, packet, to), perform)

    def _judge(self, call: str, odd: OddAnswer, to: Path, ask: Callable[[], Any]) -> str:
        """Judge what becomes of an odd answer: empty where that is right."""
        to.parent.mkdir(exist_ok=True)
        to.unlink(missing_ok=True)
        try:
            result = ask()
        except EdocError as error:
            left = [path.name for path in to.parent.iterdir()]
            return "a file was left" if left else "" if error.message and error.vi else "the error says nothing"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if not 200 <= odd.answer.status < 300:
            return "a success"
        if self.is_verdict(odd.place) and odd.value not in self.good_verdicts:
            return "a success without the hub's word for it"
        return self._judge_result(call, odd, result)

    def _judge_result(self, call: str, odd: OddAnswer, result: Any) -> str:
        if call == "confirm":
            return "" if result is None else "a result"
        if call == "send":
            known = result.doc_id == "4711" or bool(odd.place)
            return "" if known and result.doc_id.strip() and result.doc_id.lower() != "null" else "a wrong id"
        if call == "fetch":
            content = result.path.read_bytes()
            is_right = bool(content) if odd.place or self.fetches_raw else content == PACKET
            return "" if is_right else "another packet"
        return self._judge_list(call, odd, result)

    def _judge_list(self, call: str, odd: OddAnswer, result: Any) -> str:
        is_named = all((row.doc_id if call == "list_waiting" else row.code).strip() for row in result)
        if result and is_named:
            return ""
        return "" if not result and self._rightly_says_nothing(call, odd) else "an empty success"

    def _rightly_says_nothing(self, call: str, odd: OddAnswer) -> bool:
        try:
            answer = parse_strict_json(odd.answer.body)
        except NotJsonError:
            answer = odd.answer.body.decode("utf-8", "replace")
        return self.says_nothing(call, answer)


class _LastingClient:
    """A client of either kind for many calls; another one after a login in vain, which would keep the next back.

    Args:
        mode: ``blocking`` or ``awaited``.
        make: makes the dialect.
    """

    def __init__(self, mode: str, make: Callable[[], Dialect]) -> None:
        self._is_awaited, self._make = mode == "awaited", make
        self._runner = asyncio.Runner()
        self._client: HubClient | AsyncHubClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._runner.close()

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call."""
        kind = AsyncHubClient if self._is_awaited else HubClient
        self._client = self._client or kind(self._make(), ClientSettings(**_QUICK))
        try:
            return self._wait(getattr(self._client, method)(*args, **kwargs))
        except AuthenticationRejected:
            self._close()
            raise

    def _close(self) -> None:
        client, self._client = self._client, None
        if isinstance(client, AsyncHubClient):
            self._runner.run(client.aclose())
        elif client is not None:
            client.close()

    def _wait(self, result: Any) -> Any:
        return self._runner.run(result) if asyncio.iscoroutine(result) else result


async def _call_awaited(dialect: Dialect, settings: ClientSettings, method: str, args: Any, kwargs: Any) -> Any:
    async with AsyncHubClient(dialect, settings) as client:
        return await getattr(client, method)(*args, **kwargs)


def _refuse_to_perform(request: WireRequest) -> WireResponse:
    raise AssertionError(f"{request.method} {request.url} was sent")

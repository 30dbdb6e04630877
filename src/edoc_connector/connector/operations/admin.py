"""Administration of a connector: reconcile, settle, explain, pack evidence, prune and check the spool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ..._core import Text
from ...errors import NotFound, StoreError
from ...store import BackedUp, DeliveryRow, DeliveryState, OutgoingRow, Tx, write_backup
from .._channels import HubChannels
from .._context import ConnectorContext
from ..delivery import Delivery, build_deliveries
from ..outbound import Dispatcher, require_delivery
from . import (
    archive_package,
    evidence_archive,
    evidence_pack,
    explain,
    hubs,
    legal_hold,
    other_store,
    reconcile,
    resend,
    restored,
    spool_maintenance,
)
from .evidence_archive import ArchivedEvidence
from .hubs import HubState
from .legal_hold import LegalHold
from .other_store import OtherStoreSigns
from .reconcile import Reconciled, Unsettled
from .resend import DOCUMENT
from .restored import RestoreReport
from .spool_maintenance import Pruned, Rewritten, SpoolFault
from .story import Story


class Administration:
    """The part of a `Connector` for the person in charge."""

    context: ConnectorContext
    outbox: Dispatcher
    channels: HubChannels

    def reconcile(self) -> Reconciled:
        """Ask the hub about every message whose outcome is unknown, documents and statuses.

        A hub that does not list a packet is asked twice, `limits.grace` apart, before the same bytes go again.

        Returns:
            What was settled, what is asked about again later, and what only a person can decide (`settle`).

        Raises:
            StoreError: the store cannot be read or written.
        """
        return reconcile.reconcile(self.context, self.outbox)

    def settle(
        self,
        document_id: str,
        *,
        arrived: bool,
        what: str | None = None,
        recipient: str | None = None,
        by: str | None = None,
    ) -> Delivery | None:
        """Settle a message whose outcome is ``unknown`` and about which the hub does not tell.

        The delivery of the document where its outcome is unknown, else the status about it whose outcome is.

        Args:
            document_id: the document, sent or received.
            arrived: whether the hub has it, as a person found out; if not, it is sent again.
            what: only that: ``document``, or the code of a status. Needed where several statuses about the document are
                unknown: the hub may have one and not the other.
            recipient: only the status to this organisation, where several got one of that code.
            by: who decided, for the timeline.

        Returns:
            The delivery; None where a status about a document that came in was settled.

        Raises:
            NotFound: nothing about that document has an unknown outcome, and it is no delivery of ours.
            StoreError: the delivery's outcome is not unknown, or several statuses' are; nothing was settled.
        """
        with self.context.store.transaction(by) as tx:
            row = tx.deliveries.find_by_document_id(self.context.agency, document_id)
            is_unknown = row is not None and row.state == DeliveryState.UNKNOWN and what in (None, DOCUMENT)
            statuses = (
                []
                if is_unknown
                else reconcile.find_undecided_statuses(
                    tx, self.context.agency, document_id, what=what, recipient=recipient
                )
            )
            if len(statuses) > 1:
                raise _build_several_error(document_id, statuses)
            if statuses:
                reconcile.settle_statuses(tx, statuses, arrived=arrived)
                return self._build_view(tx, document_id) if row is not None else None
            row = require_delivery(tx, self.context, document_id)
            if row.state == DeliveryState.SENT and not arrived:
                raise _build_sent_error(row)
            state = DeliveryState.SENT if arrived else DeliveryState.READY
            times: dict[str, Any] = {"sent_at": tx.now} if arrived else {"next_attempt_at": tx.now}
            tx.deliveries.move(row, state, detail=Text("a person decided", "do người phụ trách quyết định"), **times)
            return self._build_view(tx, document_id)

    def resend(self, document_id: str, *, what: str | None = None, by: str | None = None) -> tuple[Unsettled, ...]:
        """Send again what the hub refused about a document, or what it lost of it.

        The document itself, unless the hub has it: it is asked first; and each status and confirmation about it that
        was refused. Calling again does nothing more.

        Args:
            document_id: the document, sent or received; or the hub's id of a packet that came in.
            what: only that: ``document``, the code of a status (also of one that was ``sent``), or ``confirm``.
            by: who wants it, for the timeline.

        Returns:
            What became of each.

        Raises:
            NotFound: nothing is known of that document, it has no such message, or its packet is gone.
            EdocError: the hub was asked and did not say; nothing was sent.
        """
        return resend.resend(self.context, self.outbox, document_id, what=what, by=by)

    def _build_view(self, tx: Tx, document_id: str) -> Delivery:
        row = require_delivery(tx, self.context, document_id)
        return build_deliveries(tx, [row], arrival_within=self.context.limits.arrival_within)[0]

    def explain(self, document_id: str) -> Story:
        """Explain the history of a document, sent or received, and its next steps; in both languages.

        Args:
            document_id: the DocumentId, or the hub's id of a packet that came in.

        Raises:
            NotFound: nothing is known of it.
        """
        return explain.explain(self.context, document_id)

    def evidence(self, document_id: str, *, out: str | Path) -> Path:
        """Pack everything there is about a document, to be checked elsewhere without a database.

        The pack's last entry is signed with the key of the settings, where there is one.

        Args:
            document_id: the document, sent or received.
            out: the zip to write.

        Raises:
            NotFound: nothing is known of it.
            SigningError: the key cannot be used.
            StoreError: the disk is full, or the store cannot be written: that it was packed is evidence too.
        """
        try:
            explanation = explain.explain(self.context, document_id)
            story = f"{explanation.text()}\n{explanation.text(vi=True)}"
        except NotFound:
            story = ""
        return evidence_pack.write_pack(self.context, document_id, Path(out), story=story)

    def archive_evidence(self, before: date, *, dry_run: bool = True, by: str | None = None) -> ArchivedEvidence:
        """Move old entries of the evidence to files in ``[evidence] archives``, with the proofs that hold them.

        Their hashes and places stay, and whatever reads entries reads them there. Entries about a document on which
        there is a legal hold stay as they are.

        Args:
            before: the day, in Vietnam, from before which entries go; or a time with its zone.
            dry_run: count only.
            by: who does it, for the minutes.

        Raises:
            ConfigError: the settings name no folder.
            InvalidQuery: the time has no zone.
            SigningError: the key cannot be used.
            EvidenceError: the log is not as it was written; nothing was moved.
            StoreError: the store or the folder cannot be written; call again after the cure.
        """
        return evidence_archive.archive_evidence(self.context, before, dry_run=dry_run, by=by)

    def restore_evidence(self, file: str | Path, *, by: str | None = None) -> int:
        """Put the entries of an archive back into the database, and return how many were not there.

        Args:
            file: the archive, wherever it is; it stays where it is.
            by: who does it, for the evidence.

        Raises:
            ArchiveRefused: it is damaged, cut off, changed, of another log, or not what was moved out of this store.
            StoreError: the store cannot be written; call again after the cure.
        """
        return evidence_archive.restore_evidence(self.context, Path(file), by=by)

    def archive(self, document_id: str, *, out: str | Path) -> Path:
        """Write a package of a document for an archives system: the packet, its files, metadata as XML, the evidence.

        It is a zip of one folder after BagIt (RFC 8493): whoever takes it in finds every file's SHA-256 in it.

        Args:
            document_id: the document, sent or received.
            out: the zip to write.

        Raises:
            NotFound: nothing is known of it, or its packet is gone.
            PacketError: its packet cannot be read.
            SigningError: the key cannot be used.
            StoreError: the disk is full, or the store cannot be written: that it was packed is evidence too.
        """
        return archive_package.write_package(
            self.context, document_id, Path(out), pack=lambda path: self.evidence(document_id, out=path)
        )

    def hold(self, document_id: str, *, reason: str, by: str | None = None) -> None:
        """Place a legal hold on a document: nothing of it is removed until it is released.

        Args:
            document_id: the document, sent or received.
            reason: why, for the evidence.
            by: who places it.

        Raises:
            InvalidQuery: no reason is given.
            NotFound: nothing is known of it.
            StoreError: the store cannot be written.
        """
        legal_hold.place_hold(self.context, document_id, reason=reason, by=by)

    def release_hold(self, document_id: str, *, by: str | None = None) -> None:
        """Release every legal hold on a document.

        Args:
            document_id: the document.
            by: who releases it, for the evidence.

        Raises:
            NotFound: there is none.
            StoreError: the store cannot be written.
        """
        legal_hold.release_hold(self.context, document_id, by=by)

    def holds(self) -> list[LegalHold]:
        """List the legal holds that are not released, the oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        return legal_hold.list_holds(self.context)

    def prune(self, older_than: timedelta, *, dry_run: bool = True, by: str | None = None) -> Pruned:
        """Remove the bytes of packets that are finished for so long; never the evidence, nor any row.

        Of a document on which there is a legal hold nothing is removed, and nothing before its period in
        ``[retention]`` is over.

        Args:
            older_than: age since the packet's state last changed.
            dry_run: count only.
            by: who removes, for the minutes.

        Raises:
            StoreError: the store or the spool will not have it.
        """
        return spool_maintenance.prune(self.context, older_than, dry_run=dry_run, by=by)

    def rewrite_spool(self) -> Rewritten:
        """Rewrite every packet of the spool that is not encrypted as ``[store] spool_key`` says.

        With a new key all are encrypted with it; without one, all are plain again. Hashes, rows and evidence stay.

        Returns:
            How many there are, and how many were rewritten.

        Raises:
            StoreError: a packet cannot be decrypted, or the disk will not have it; call again after the cure.
        """
        return spool_maintenance.rewrite_spool(self.context)

    def fsck(self, *, repair: bool = False, deep: bool = False) -> list[SpoolFault]:
        """Find damage of the database, spool files without a row, rows without their file, and touched evidence.

        Args:
            repair: set files aside that nobody names; put lost packets back where they are found, or where the hub
                still gives them.
            deep: compare every file's hash too.

        Raises:
            StoreError: the store or the spool cannot be read.
        """
        return spool_maintenance.fsck(self.context, repair=repair, deep=deep)

    def hubs(self) -> tuple[HubState, ...]:
        """Read where the agency stands with each of its hubs: which one sends, and what keeps one that is emptied.

        Raises:
            StoreError: the store cannot be read.
        """
        return hubs.read_states(self.context)

    def switch_hub(self, name: str, *, by: str | None = None) -> tuple[HubState, ...]:
        """Send everything new over a hub from now on, in every program of the agency, and empty the others.

        What may be at another hub is asked about there, and is never sent over this one before that is settled.

        Args:
            name: of the hub; that of the section ``[hub]`` is ``hub``.
            by: who wants it, for the evidence.

        Raises:
            ConfigError: the settings name no such hub, or no other one.
            StoreError: the store cannot be written.
        """
        hubs.switch(self.context, name, by=by)
        return self.hubs()

    def drain_hub(self, name: str, *, by: str | None = None) -> tuple[HubState, ...]:
        """Send nothing new over a hub from now on; where it was the one that sends, it waits for `switch_hub`.

        Args:
            name: of the hub; that of the section ``[hub]`` is ``hub``.
            by: who wants it, for the evidence.

        Raises:
            ConfigError: the settings name no such hub, or no other one.
            StoreError: the store cannot be written.
        """
        hubs.drain(self.context, name, by=by)
        return self.hubs()

    def find_other_store(self) -> OtherStoreSigns:
        """Find signs that another store is used for the agency, which would have documents handled twice.

        Raises:
            StoreError: the store cannot be read.
        """
        return other_store.find_other_store(self.context)

    def backup(self, out: str | Path) -> BackedUp:
        """Write a backup of the database and of every packet that it names, as of one moment; others go on meanwhile.

        Args:
            out: the file to write.

        Raises:
            StoreError: the database or a packet cannot be read, or the disk is full.
        """
        return write_backup(self.context.store.url, Path(out), spool=self.context.store.spool.root)

    def restored(self) -> RestoreReport:
        """Report where a store that was restored from a backup stands, and what a person has to do.

        Raises:
            StoreError: the store cannot be read.
        """
        return restored.build_report(self.context)

    def begin_restore(self, snapshot_at: datetime) -> RestoreReport:
        """Make the store ready that was put back to an earlier state by other means than `edoc restore`.

        What waited to be sent counts as unknown, and what waited to be handled is set aside until the hub shows that it
        still offers it. Stop every other program that uses the store first.

        Args:
            snapshot_at: the moment that the store's state is of, aware; rather too early than too late.

        Raises:
            InvalidQuery: the time has no zone, or is not over yet.
            StoreError: the store cannot be written.
        """
        restored.begin_by_hand(self.context, snapshot_at)
        return self.restored()

    def finish_restore(self) -> RestoreReport:
        """End a restore: from now on the hub is not asked before something is sent.

        Statuses about documents that the store does not know are confirmed and flagged, as ever.

        Raises:
            StoreError: the store cannot be written.
            EdocError: such a status may not come in any more.
        """
        restored.finish(self.context)
        for row in restored.list_not_ours(self.context):
            self.channels.for_receipt(row).inbox.recheck(row)
        return self.restored()


def _build_several_error(document_id: str, rows: Sequence[OutgoingRow]) -> StoreError:
    names = ", ".join(f"{row.code} → {row.recipient}" for row in reversed(rows))
    return StoreError(
        f"several statuses about {document_id} are undecided, and the hub may have one and not the other: {names}. Say "
        "which is meant, by its code and recipient (edoc settle ID --what CODE --recipient CODE).",
        vi=f"Có nhiều thông báo trạng thái về văn bản {document_id} chưa rõ kết quả, trục có thể chỉ có một số: "
        f"{names}. Hãy chỉ rõ mã trạng thái và nơi nhận (edoc settle ID --what MÃ --recipient MÃ).",
    )


def _build_sent_error(row: DeliveryRow) -> StoreError:
    return StoreError(
        f"a delivery may not go from sent to ready by a word: {row.document_id} was taken by the hub. Where the hub "
        "lost it, call resend(), which asks the hub first.",
        vi=f"Không thể chuyển văn bản {row.document_id} từ sent về ready chỉ bằng quyết định: trục đã nhận văn bản. "
        "Nếu trục làm mất, hãy gọi resend(); hệ thống sẽ hỏi trục trước.",
    )

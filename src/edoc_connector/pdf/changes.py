"""The policy for changes after a signature: pyHanko's, but for metadata that cannot be read and were not touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyhanko.pdf_utils.generic import StreamObject
from pyhanko.pdf_utils.misc import IndirectObjectExpected
from pyhanko.pdf_utils.reader import HistoricalResolver
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DocInfoRule,
    DSSCompareRule,
    FormUpdatingRule,
    GenericFieldModificationRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    ReferenceUpdate,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    XrefStreamRule,
)


class _TouchedMetadataRule(MetadataUpdateRule):
    """pyHanko's rule, which wants well-formed XMP also where nobody changed it."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[ReferenceUpdate]:
        if not _has_same_metadata(old, new):
            yield from super().apply(old, new)


def _has_same_metadata(old: HistoricalResolver, new: HistoricalResolver) -> bool:
    before, after = _find_metadata(old), _find_metadata(new)
    return before is not None and after is not None and before[0] == after[0] and before[1] == after[1]


def _find_metadata(revision: HistoricalResolver) -> tuple[Any, bytes] | None:
    """Find the metadata's reference and bytes; None where there are none, or none in a stream."""
    root: Any = revision.root
    try:
        reference = root.get_value_as_reference("/Metadata")
    except (KeyError, IndirectObjectExpected):
        return None
    stream = reference.get_object()
    return (reference, bytes(stream.encoded_data)) if isinstance(stream, StreamObject) else None


_make_catalog_rule: Any = CatalogModificationRule  # not annotated in pyHanko, as the next two
_make_metadata_rule: Any = _TouchedMetadataRule
_make_field_rule: Any = SigFieldCreationRule
_QUALIFIED = (DocInfoRule(), XrefStreamRule(), ObjectStreamRule(), DSSCompareRule(), _make_metadata_rule())
DIFF_POLICY = StandardDiffPolicy(
    global_rules=[
        _make_catalog_rule(),
        *(rule.as_qualified(ModificationLevel.LTA_UPDATES) for rule in _QUALIFIED),
    ],
    form_rule=FormUpdatingRule(
        field_rules=[_make_field_rule(), SigFieldModificationRule(), GenericFieldModificationRule()]
    ),
)
"""What may follow a signature; the rules are those of pyHanko's own default."""

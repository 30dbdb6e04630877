"""Names of codes in both languages."""

from __future__ import annotations

import edoc_connector.edxml as edxml
from edoc_connector.edxml import BusinessType


def test_names_of_codes() -> None:
    """Business types and priorities have the names that clerks know."""
    assert [kind.vi for kind in BusinessType] == ["Văn bản mới", "Thu hồi", "Cập nhật", "Thay thế"]
    assert edxml.Priority.EXPRESS.vi == "Hỏa tốc"

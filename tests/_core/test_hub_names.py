"""What is named after a hub has its name, and the hub's own word is found again."""

from __future__ import annotations

import pytest

from edoc_connector._core import LONE_HUB, qualify_for_hub, split_job_name, strip_hub


@pytest.mark.parametrize("doc_id", ["1", "a@b", "5@new", "ST-7"])
def test_a_doc_id_is_found_again(doc_id: str) -> None:
    """Whatever a hub's own id has in it, its name is added once and taken away once."""
    named = qualify_for_hub(doc_id, "new")
    assert named == f"{doc_id}@new"
    assert strip_hub(named, "new") == doc_id


def test_the_hub_of_the_lone_section_adds_nothing() -> None:
    """Ids of a store from before, and an id that is not told, stay as they are."""
    assert qualify_for_hub("1", LONE_HUB) == strip_hub("1", LONE_HUB) == "1"
    assert qualify_for_hub("", "new") == ""
    assert split_job_name("poll") == ("poll", LONE_HUB)
    assert split_job_name(qualify_for_hub("poll", "new")) == ("poll", "new")

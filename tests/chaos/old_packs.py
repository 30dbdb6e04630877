"""Packs of evidence that another version made, checked by this one. Anyone can run it, with a checkout of that version:

    python tests/chaos/old_packs.py --old ../before --packs 10000

That version's own code sends documents over its own mock hub, receives and answers them, and packs each on both sides
as soon as it is there. This version then checks every pack, and every tenth once more with one byte changed in it. Exit
code 0: each pack verifies and leads to the authority that was given, and no changed one passes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edoc_connector.connector import check_pack
from edoc_connector.signing import VerifyMode, VerifyPolicy

# What the other version runs: its names, so that names may change.
MAKER = '''
import sys
from pathlib import Path
from edoc_connector.connector import Connector
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

folder, count = Path(sys.argv[1]), int(sys.argv[2])
names = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}

def write_office(hub, code):
    place = folder / code
    place.mkdir()
    secret = place / "secret"
    secret.touch(0o600)
    secret.write_text(f"secret-{code}")
    keys = agency_keys(names[code], organ_id=code, kind="p256")
    root = keys.write_root(folder / "root.pem")
    key = keys.write_pem(place / "key.pem")
    text = f"""
[agency]
id = "{code}"
name = "{names[code]}"
[hub]
endpoint = "{hub.url}"
system_id = "{code}"
secret = "file:secret"
[http]
attempts = 1
[signing]
key = "{key}"
[receive]
policy = "trusted"
trust = ["{root}"]
"""
    (place / "edoc.toml").write_text(text, encoding="utf-8")
    return Connector.open(place / "edoc.toml")

with RunningHub(MockHubConfig(data=folder / "hub")) as hub:
    for code, name in names.items():
        hub.add_agency(code, f"secret-{code}", name)
    with write_office(hub, "H29.05") as sender, write_office(hub, "G22") as receiver:
        packed = 0
        for number in range(1, count // 2 + 1):
            document = sample_document(number=str(number))
            sender.send(document)
            sender.evidence(document.id, out=folder / f"{number:06}-sent.zip")
            if number % 20 and number < count // 2:
                continue
            for receipt in receiver.receive():
                with receipt:
                    receipt.accept()
                packed += 1
                receiver.evidence(receipt.document.id, out=folder / f"{packed:06}-received.zip")
'''


def make_packs(old: Path, folder: Path, count: int) -> list[Path]:
    """Let the other version make packs, and list them."""
    environment = os.environ | {"PYTHONPATH": str(old / "src")}
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as out:
        made = subprocess.run(
            [sys.executable, "-c", MAKER, str(folder), str(count)], check=False, env=environment, stderr=out
        )
    if made.returncode:
        raise SystemExit(f"that version could not make packs:\n{log.read_text(encoding='utf-8')[-4000:]}")
    return sorted(folder.glob("*.zip"))


def change_a_byte(pack: Path, dice: random.Random) -> Path:
    """Copy a pack with one byte changed in one of its files."""
    changed = pack.with_suffix(".changed")
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = dice.choice([name for name in old.namelist() if old.getinfo(name).file_size])
        for name in old.namelist():
            content = bytearray(old.read(name))
            if name == chosen:
                content[dice.randrange(len(content))] ^= 1
            new.writestr(name, bytes(content))
    return changed


def find_failures(packs: list[Path], root: Path) -> Iterator[str]:
    """Check every pack, and every tenth with a byte changed; tell what should not be."""
    anchors = VerifyPolicy.load([root], mode=VerifyMode.ANY).anchors
    dice, forms = random.Random(1), Counter[int]()
    for number, pack in enumerate(packs):
        checked = check_pack(pack, anchors=anchors)
        forms[checked.form] += 1
        if checked.problems or checked.trusted is not True or checked.signed_by is None:
            yield f"{pack.name}: {checked.problems}, trusted {checked.trusted}"
        if number % 10 == 0 and not check_pack(change_a_byte(pack, dice), anchors=anchors).problems:
            yield f"{pack.name}: a changed byte was not seen"
    print(f"forms: {dict(forms)}")


def main() -> int:
    """Make, check and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version that makes the packs")
    parser.add_argument("--packs", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        packs = make_packs(arguments.old.resolve(), Path(folder), arguments.packs)
        made = time.monotonic()
        failures = list(find_failures(packs, Path(folder) / "root.pem"))
        print(f"{len(packs)} packs made in {made - began:.0f} s, checked in {time.monotonic() - made:.0f} s")
    print("\n".join(failures) or "all verify")
    return 1 if failures or len(packs) < arguments.packs else 0


if __name__ == "__main__":
    sys.exit(main())

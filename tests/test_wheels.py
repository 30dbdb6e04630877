"""lxml and xmlsec share one libxml2: wheels built on different ones refuse to load together."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("order", ["import lxml.etree, xmlsec", "import xmlsec, lxml.etree"])
def test_lxml_and_xmlsec_load_together_in_either_order(order: str) -> None:
    """Both load in one process, and an element of one is signed and verified by the other."""
    code = f"""
{order}
from lxml import etree
import xmlsec
assert etree.LIBXML_VERSION[:2] == xmlsec.get_libxml_version()[:2], "built on different libxml2"
root = etree.fromstring("<r>v</r>")
node = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256)
root.append(node)
reference = xmlsec.template.add_reference(node, xmlsec.Transform.SHA256, uri="")
xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
key = xmlsec.Key.generate(xmlsec.KeyData.RSA, 2048, xmlsec.KeyDataType.PRIVATE)
context = xmlsec.SignatureContext()
context.key = key
context.sign(node)
check = xmlsec.SignatureContext()
check.key = key
check.verify(node)
"""
    subprocess.run([sys.executable, "-c", code], check=True)

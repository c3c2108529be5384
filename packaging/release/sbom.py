"""The list of what is inside, as CycloneDX 1.6 in JSON. Equal builds have equal lists: no number is random,
the time is the commit's."""

from __future__ import annotations

import datetime
import hashlib
import uuid

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model import component as cyclonedx
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from release.component import Component

_TYPES = {
    "application": cyclonedx.ComponentType.APPLICATION,
    "data": cyclonedx.ComponentType.DATA,
    "library": cyclonedx.ComponentType.LIBRARY,
}
_NAMESPACE = uuid.UUID("b6f1f6a8-5f0e-5c0e-9b57-0e1d6a3f3f0a")


def described(program: Component, components: list[Component], forms: dict[str, str], seconds: int) -> str:
    """The document about `program`, whose published files are `forms` (name to SHA-256), at a Unix time."""
    subject = _component(program, "ingestbox")
    subject.properties = [Property(name=f"ingestbox:sha256:{name}", value=sha) for name, sha in forms.items()]
    bom = Bom(
        components=[_component(each, each.name) for each in components],
        serial_number=uuid.uuid5(_NAMESPACE, repr((program, components, sorted(forms.items())))),
        metadata=BomMetaData(
            component=subject, timestamp=datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        ),
    )
    bom.register_dependency(subject, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(component: Component, path: str) -> cyclonedx.Component:
    licences = [LicenseExpression(component.licence)] if component.licence else []
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)] if component.sha256 else []
    reference = f"{path}@{component.version}"
    return cyclonedx.Component(
        bom_ref=reference,
        name=component.name,
        version=component.version or None,
        type=_TYPES[component.kind],
        purl=PackageURL.from_string(component.purl) if component.purl else None,
        licenses=licences,
        hashes=hashes,
        components=[_component(each, f"{reference}/{each.name}") for each in component.holds],
    )


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()

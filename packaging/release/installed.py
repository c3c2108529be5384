"""Distributions of the environment that a program was built in: whose files are theirs, and licensed how."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

from license_expression import ExpressionError, get_spdx_licensing

from release.component import Component
from release.known import Known

_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that name one licence. "BSD License" names several."""
_TEXT = re.compile(r"(?i)^(.*/)?(copying|licen[cs]e|notice)[^/]*$")


class Installed:
    """The distributions below a site-packages folder."""

    def __init__(self, site: Path, known: Known) -> None:
        self._known = known
        self._files: dict[str, metadata.Distribution] = {}
        self._modules: dict[str, metadata.Distribution] = {}
        for distribution in metadata.distributions(path=[str(site)]):
            for file in distribution.files or ():
                self._files[str(file)] = distribution
                for module in _modules(str(file)):
                    self._modules.setdefault(module, distribution)

    def of_file(self, name: str) -> metadata.Distribution | None:
        """Whose file of this name below site-packages is."""
        return self._files.get(name)

    def of_module(self, name: str) -> metadata.Distribution | None:
        """Whose module of this dotted name is; of namespaces, one of those who share it."""
        return self._modules.get(name)

    def component(self, distribution: metadata.Distribution, content: bytes) -> Component:
        """What is published about it; `content` is of its files that are in the program."""
        name, version = canonical(distribution.name), distribution.version
        own = texts(distribution) + self._known.texts_of(name)
        holds = [self._known.linked(each, content, own) for each in self._known.linked_into(name)]
        holds += _rust(distribution, self._known, {each.purl.partition("@")[0] for each in holds})
        return Component(
            name,
            version,
            self._known.licences.get(name) or declared(distribution),
            tuple(own),
            f"pkg:pypi/{name}@{version}",
            holds=tuple(sorted(holds, key=lambda each: (each.name, each.version))),
        )


def canonical(name: str) -> str:
    """A distribution's name in the form that is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _modules(file: str) -> list[str]:
    """The module that a file is, and the packages around it."""
    if not file.endswith((".py", ".so")) or file.startswith((".", "/")):
        return []
    stem = re.sub(r"(\.[\w-]+)?\.(py|so)$", "", file).removesuffix("/__init__")
    names = stem.split("/")
    return [".".join(names[:length]) for length in range(len(names), 0, -1)]


def declared(distribution: metadata.Distribution) -> str:
    """The SPDX expression of its metadata; empty when it has none that means one thing."""
    about = distribution.metadata
    for field in ("License-Expression", "License"):
        text = about[field].strip() if field in about else ""
        try:
            if text and get_spdx_licensing().parse(text, validate=True, strict=True) is not None:
                return text
        except ExpressionError:
            continue
    named = {each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if "License ::" in each}
    return _CLASSIFIED.get(named.pop(), "") if len(named) == 1 else ""


def texts(distribution: metadata.Distribution) -> list[str]:
    """The licences and notices that lie in its dist-info folder."""
    found = [
        file
        for file in distribution.files or ()
        if ".dist-info/" in str(file) and _TEXT.match(str(file).partition(".dist-info/")[2])
    ]
    return [Path(str(file.locate())).read_text("utf-8") for file in sorted(found, key=str)]


def _rust(distribution: metadata.Distribution, known: Known, named: set[str]) -> list[Component]:
    """What a wheel's own lists say was linked into it, but for what is `named` already by its purl.

    What only built it has the scope "excluded".
    """
    found = []
    for file in sorted(distribution.files or (), key=str):
        if ".dist-info/sboms/" not in str(file):
            continue
        listed = json.loads(Path(str(file.locate())).read_text("utf-8"))
        for each in listed.get("components", ()):
            purl = each.get("purl", "").partition("?")[0]
            if each.get("scope") == "excluded" or purl.partition("@")[0] in named:
                continue
            licences = [
                of.get("expression") or of.get("license", {}).get("id", "") for of in each.get("licenses", ())
            ]
            licence = licences[0] if len(licences) == 1 else " AND ".join(f"({one})" for one in licences)
            version = each.get("version", "")
            found.append(Component(each["name"], version, licence, known.common_texts(licence), purl))
    return found

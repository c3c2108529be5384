"""Which licences may be inside the program, and the report that says which are."""

from __future__ import annotations

import functools
import textwrap

from license_expression import (
    AND,
    OR,
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    Licensing,
    get_spdx_licensing,
)

from release.component import Component

ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "blessing", "BSD-2-Clause", "BSD-3-Clause", "bzip2-1.0.6", "CC0-1.0", "ISC"),
        *("MIT", "MIT-0", "PSF-2.0", "Python-2.0", "Python-2.0.1", "Unicode-3.0", "Unlicense", "X11", "Zlib"),
    }
)
"""Permissive ones. Any other, and one that is not known, fails the build."""

EXCEPTED = {
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
}
"""The only name and licence that is taken though it is not permissive: PyInstaller's boot-loader may be put
in front of any program, under any licence, says its exception."""


class LicenceError(Exception):
    """Something inside the program may not be there, or nobody knows whether it may."""


@functools.cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def is_permissive(component: Component) -> bool:
    """Whether what a component is licensed under may be chosen to be permissive. Unknown is not."""
    try:
        tree = _licensing().parse(component.licence, validate=True, strict=True)
    except ExpressionError:
        return False
    return tree is not None and _permits(tree, component.name)


def _permits(tree: object, name: str) -> bool:
    if isinstance(tree, AND):
        return all(_permits(each, name) for each in tree.args)
    if isinstance(tree, OR):
        return any(_permits(each, name) for each in tree.args)
    if isinstance(tree, LicenseWithExceptionSymbol):
        whole = f"{tree.license_symbol.key} WITH {tree.exception_symbol.key}"
        return tree.license_symbol.key in ALLOWED or EXCEPTED.get(name) == whole
    return isinstance(tree, LicenseSymbol) and tree.key in ALLOWED


def check(components: list[Component]) -> None:
    """Raises LicenceError, which names them all, for components that may not be inside, and for those without
    their licence's text."""
    faults = []
    for each in (inner for outer in components for inner in outer.all()):
        if not is_permissive(each):
            faults.append(f"{each.label} is under {each.licence or 'a licence that is not known'}")
        elif not each.texts:
            faults.append(f"{each.label} comes without the text of its licence")
    if faults:
        raise LicenceError("\n".join(faults))


def report(title: str, components: list[Component]) -> str:
    """Name, version and licence of everything inside, then the texts, each of them once."""
    every = [inner for outer in components for inner in outer.all()]
    width = max(len(each.label) for each in every)
    listed = []
    for outer in components:
        listed.append(f"{outer.label:<{width}}  {outer.licence}")
        listed += [f"  {each.label:<{width - 2}}  {each.licence}" for each in outer.all()[1:]]
    users: dict[str, list[str]] = {}
    for each in every:
        for text in each.texts:
            users.setdefault(text.strip("\n"), []).append(each.label)
    rule = "=" * 80
    texts = [
        f"{rule}\n{textwrap.fill(', '.join(dict.fromkeys(labels)), 80)}\n{rule}\n\n{text}\n"
        for text, labels in users.items()
    ]
    head = f"{title}\n\nWhat is inside, indented what is linked into the line above; then the texts.\n"
    return "\n".join([head, *listed, "", *texts])

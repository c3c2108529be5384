"""Writes the lists of free and throw-away mail services anew, from clones of the repositories they are from.

Run: python packaging/domains.py FOLDER, where FOLDER has a clone of each of SOURCES, called `owner+name`.
Then say in ingestbox/enrich/domains/README.md which commits they were.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ingestbox.enrich.domains import domain_in

LISTS = Path(__file__).parents[1] / "ingestbox" / "enrich" / "domains"

SOURCES = {
    "disposable-email-domains/disposable-email-domains": "disposable_email_blocklist.conf",
    "castle/disposable-email-domains": "disposable-email-domains.txt",
    "Kikobeats/free-email-domains": "domains.json",
}


def _git(clone: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(clone), *arguments], check=True, capture_output=True, text=True
    ).stdout


def read(folder: Path, repository: str) -> set[str]:
    """The domains that a repository lists, at the newest commit of its clone."""
    clone = folder / repository.replace("/", "+")
    clone = clone / "repo" if (clone / "repo").is_dir() else clone
    text = _git(clone, "show", f"HEAD:{SOURCES[repository]}")
    print(repository, _git(clone, "log", "-1", "--format=%H %cs").strip())
    lines = json.loads(text) if SOURCES[repository].endswith(".json") else text.splitlines()
    found = (domain_in(line) for line in lines if not line.lstrip().startswith("#"))
    return {domain for domain in found if domain is not None}


def _itself_and_above(domain: str) -> set[str]:
    labels = domain.split(".")
    return {".".join(labels[place:]) for place in range(len(labels))}


def main() -> None:
    """Writes both lists. What is disposable, or lies below one that is, is not on the list of free ones."""
    folder = Path(sys.argv[1])
    blocked, more, mixed = (read(folder, repository) for repository in SOURCES)
    own = {
        line for line in (LISTS / "free_more.txt").read_text("utf-8").split("\n") if line and line[0] != "#"
    }
    disposable = (blocked | more) - own
    free = {line for line in mixed - own if disposable.isdisjoint(_itself_and_above(line))}
    for name, found in (("disposable", disposable), ("free", free)):
        (LISTS / f"{name}.txt").write_text("\n".join(sorted(found)) + "\n", "utf-8")
        print(f"{name}: {len(found)}")


if __name__ == "__main__":
    main()

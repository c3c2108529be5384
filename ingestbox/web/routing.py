"""From method and path to an endpoint; paths are written as in Starlette (`/api/job/{job_id}`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from starlette.routing import compile_path

from ingestbox.errors import IngestError
from ingestbox.web.binding import Endpoint, ErrorBody, ErrorPage
from ingestbox.web.policy.paths import plain
from ingestbox.web.refusals import Refusal

_NO_PARAMETERS: Mapping[str, str] = {}


class _Resource:
    """One path and what it does for each method."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, endpoint: Endpoint) -> None:
        if endpoint.method in self.endpoints:
            raise ValueError(f"{endpoint.method} {endpoint.path} is bound twice")
        self.endpoints[endpoint.method] = endpoint

    def methods(self) -> list[str]:
        """What `Allow` says."""
        heads = ["HEAD"] if "GET" in self.endpoints else []
        return sorted([*self.endpoints, *heads, "OPTIONS"])

    def endpoint(self, method: str) -> Endpoint:
        found = self.endpoints.get("GET" if method == "HEAD" else method)
        if found is None:
            raise Refusal("method_not_allowed", headers=(("allow", ", ".join(self.methods())),))
        return found


class Table:
    """All endpoints. Paths without parameters win over those with; among these the first bound wins."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Raises ValueError when a method of a path is bound twice."""
        resources: dict[str, _Resource] = {}
        shapes: dict[str, tuple[ErrorBody | None, ErrorPage | None]] = {}
        for endpoint in endpoints:
            resources.setdefault(endpoint.path, _Resource()).add(endpoint)
            for prefix in _literal_prefixes(endpoint.path):
                shapes.setdefault(prefix, (endpoint.error_body, endpoint.error_page))
        self._shapes = sorted(shapes.items(), key=lambda each: len(each[0]), reverse=True)
        self._fixed = {path: r for path, r in resources.items() if "{" not in path}
        self._patterns = [(_pattern(path), r) for path, r in resources.items() if "{" in path]

    def find(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        """The endpoint for a path as `paths.path_of` gives it, and the values of the path's parameters.

        HEAD goes to GET's. Raises IngestError not_found, or method_not_allowed with `Allow`.
        """
        resource, parameters = self._resource(path)
        return resource.endpoint(method), parameters

    def methods(self, path: str) -> list[str]:
        """What can be done at a path, as `Allow` says it. Raises IngestError not_found."""
        return self._resource(path)[0].methods()

    def has(self, path: str) -> bool:
        """Whether there is anything at a path."""
        return path in self._fixed or any(pattern.fullmatch(path) for pattern, _ in self._patterns)

    def _resource(self, path: str) -> tuple[_Resource, Mapping[str, str]]:
        resource = self._fixed.get(path)
        if resource is not None:
            return resource, _NO_PARAMETERS
        for pattern, resource in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return resource, {name: plain(value) for name, value in match.groupdict().items()}
        raise IngestError("not_found")

    def errors_at(self, path: str) -> tuple[ErrorBody | None, ErrorPage | None]:
        """How errors look at a path that may not exist: as at its nearest ancestor that does."""
        for prefix, shape in self._shapes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return shape
        return None, None


def _pattern(path: str) -> re.Pattern[str]:
    # A parameter may hold any character, also a line feed.
    return re.compile(compile_path(path)[0].pattern, re.DOTALL)


def _literal_prefixes(path: str) -> Iterable[str]:
    """`/api/job/{id}/records` → `/api/job`, `/api`."""
    literal = path.partition("{")[0].rstrip("/")
    while literal:
        yield literal
        literal = literal.rpartition("/")[0]

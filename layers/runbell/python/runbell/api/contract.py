"""The HTTP API as its OpenAPI document describes it: the document is served and it validates.

Requests are checked by fastjsonschema, which is pure Python and needs nothing else. The document
keeps to what JSON Schema drafts 7 and 2020-12 have in common.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from runbell.api.mismatches import said_of
from runbell.errors import RequestError

Check = Callable[[Any], Any]


class Contract:
    """One OpenAPI document.

    Args:
        text: The document, as JSON.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._checks: dict[str, Check] = {}

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document, parsed."""
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed

    @cached_property
    def open_paths(self) -> frozenset[str]:
        """The paths that ask for no token."""
        return frozenset(
            path
            for path, operations in self.document["paths"].items()
            if any(isinstance(o, dict) and o.get("security") == [] for o in operations.values())
        )

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that a request's path takes; none if there is no such path."""
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\\{.+?\\}", "[^/]+", re.escape(template)), path):
                named = [name.upper() for name in operations if name != "parameters"]
                return tuple(sorted([*named, *(["HEAD"] if "GET" in named else [])]))
        return ()

    def check_parameters(
        self, path: str, method: str, place: str, given: Mapping[str, str]
    ) -> dict[str, str]:
        """Check a request's parameters of one place.

        Args:
            path: The path as the document writes it.
            method: The HTTP method, in lower case.
            place: `path` or `query`.
            given: Names and values.

        Returns:
            The values, by name.

        Raises:
            RequestError: A value is not as described, one is missing, or a name is unknown.
        """
        operations = self.document["paths"][path]
        described = {
            parameter["name"]: parameter
            for parameter in (
                *operations.get("parameters", []),
                *operations[method].get("parameters", []),
            )
            if parameter["in"] == place
        }
        for name in given:
            if name not in described:
                known = ", ".join(described) or "none"
                raise RequestError(
                    f"is no parameter of this call (it has {known})", f"{place}.{name}"
                )
        for name, parameter in described.items():
            where = f"{place}.{name}"
            if name in given:
                self._check(f"{path} {method} {where}", parameter["schema"], given[name], where)
            elif parameter.get("required"):
                raise RequestError("is missing", where)
        return dict(given)

    def takes_yaml(self, path: str, method: str) -> bool:
        """Whether a call's body may be YAML, too."""
        content = self.document["paths"][path][method]["requestBody"]["content"]
        return any("yaml" in kind for kind in content)

    def check_body(self, path: str, method: str, body: Any) -> Any:
        """Check a request's body, whatever it was written as.

        Raises:
            RequestError: It is not as described.
        """
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise RequestError("holds half of a surrogate pair, which is no text", "body") from None
        except RecursionError:
            raise RequestError("has too many objects and lists inside each other", "body") from None
        content = self.document["paths"][path][method]["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        self._check(f"{path} {method}", schema, body, "body")
        return body

    def _check(self, key: str, schema: dict[str, Any], value: Any, where: str) -> None:
        import fastjsonschema

        if key not in self._checks:
            whole = {**schema, "components": self.document["components"]}
            self._checks[key] = fastjsonschema.compile(whole, use_default=False)
        try:
            self._checks[key](value)
        except fastjsonschema.JsonSchemaValueException as error:
            at = where + str(error.name).removeprefix("data")
            raise RequestError(said_of(error), at) from None


@cache
def contract() -> Contract:
    """The contract of this release."""
    return Contract(files("runbell.api").joinpath("openapi.json").read_text("utf-8"))


@cache
def docs_page() -> str:
    """The page that shows the contract to people."""
    return files("runbell.api").joinpath("docs.html").read_text("utf-8")

"""YAML means what it shows, and what could mean more is refused with its line."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.api.bodies import LARGEST, read_body
from runbell.errors import RequestError
from runbell.plain_yaml import DEEPEST, MOST, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# a comment\n", None),
        ("---\n", None),
        ("--- {}\n...\n", {}),
        ("\ufeffa: x", {"a": "x"}),
        ("%YAML 1.2\n---\na: x", {"a": "x"}),
        ("a: [x, 'y', \"z\\n\"]\nb:\n- {c: d}\n", {"a": ["x", "y", "z\n"], "b": [{"c": "d"}]}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ('a: "#x"\nb: #x', {"a": "#x", "b": None}),
        ("1: x\ntrue: y\n2026-12-01: z", {"1": "x", "true": "y", "2026-12-01": "z"}),
        ("'<<': x", {"<<": "x"}),
        ("läuft: 日本 🛎", {"läuft": "日本 🛎"}),
    ],
)
def test_yaml_becomes_plain_values(text: str, value: object) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-7", -7),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("1.5", 1.5),
        ("-.5e2", -50.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        # Texts, whatever an older YAML took them for.
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("2026-12-24", "2026-12-24"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T18:00:00+01:00"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    read = read_yaml(f"a: {text}")["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "line 1: an anchor"),
        ("a:\n- &x {}", "line 2: an anchor"),
        ("&x a: 1", "line 1: an anchor"),
        ("b: 1\na: *x", "line 2: an alias"),
        ("*x : 1", "line 1: an alias"),
        ("a: !!str 1", "line 1: a tag"),
        ("a: ! 1", "line 1: a tag"),
        ("a: !!python/object/apply:os.system [id]", "line 1: a tag"),
        ("%TAG ! tag:x,2000:\n---\na: !x {}", "line 3: a tag"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
        ("a: 1\n'a': 2", "line 2: the key 'a' is there twice"),
        ("<<: {a: 1}", "line 1: a merge key"),
        ("? [a]\n: b", "line 1: a key is a map or a list"),
        ("? {a: b}\n: c", "line 1: a key is a map or a list"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ("[" * (DEEPEST + 1), f"line 1: more than {DEEPEST} maps and lists"),
        ("- " * (DEEPEST + 1), f"line 1: more than {DEEPEST} maps and lists"),
        ("- x\n" * (MOST + 1), f"line {MOST}: there are more than {MOST} keys and values"),
    ],
)
def test_what_could_mean_more_than_it_shows_is_refused(text: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_yaml(text)
    assert caught.value.where == "body"
    assert str(caught.value).startswith(f"body is refused: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [\n", "line 2: "),
        ("a:\n\tb: 1", "line 2: found character '\\t'"),
        ("a: 'x", "line 1: found unexpected end of stream"),
        ("- a\nb", "line 2: "),
        ("a: b: c", "line 1: mapping values are not allowed here"),
        ("a: @x", "line 1: found character '@'"),
        ("{a: 1]", "line 1: "),
        ("a: \x00", "unacceptable character"),
        ("a: \x1b[31m", "unacceptable character"),
        ("\ud800: 1", "unacceptable character"),
        ("%YAML 3.0\n---\na: 1", "line 1: found incompatible YAML document"),
        ('a: "\\uZZZZ"', "line 1: "),
        ('a: "\\UFFFFFFFF"', ""),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_yaml(text)
    assert str(caught.value).startswith(f"body is no YAML: {problem}")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "[" + "1," * (LARGEST // 2),
        "{" + ",".join(f"k{n}" for n in range(LARGEST // 7)),
        "- \n" * (LARGEST // 3),
        "a: " + "x " * (LARGEST // 2),
        'a: "' + "\\n" * (LARGEST // 2),
        "[" * LARGEST,
        "{a: " * (LARGEST // 4),
        "\n" * LARGEST,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_hostile_file_takes_no_longer_than_a_real_one(text: str) -> None:
    begun = time.process_time()
    with suppress(RequestError):
        read_yaml(text)
    assert time.process_time() - begun < 15, "it is seconds at the most, on any machine"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RequestError):
        read_yaml(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**29), 10**29) | st.text("abc: -#'\"\\\n🛎é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab<&*! "), inner),
    max_leaves=6,
)


@given(json_values)
def test_json_is_yaml_and_means_the_same(value: Any) -> None:
    assert read_yaml(json.dumps(value, ensure_ascii=False)) == value


class TestBodies:
    @pytest.mark.parametrize("text", [None, "", " \n"])
    @pytest.mark.parametrize("kind", [None, "", "text/yaml"])
    def test_nothing_means_no_wishes(self, text: str | None, kind: str | None) -> None:
        assert read_body(text, kind) == {}

    def test_a_content_type_says_yaml_in_any_of_its_forms(self) -> None:
        for kind in ("application/yaml", "TEXT/YAML; charset=utf-8", "application/x-yaml"):
            assert read_body("a: x", kind) == {"a": "x"}
        assert read_body("# nothing", "text/yaml") == {}

    @pytest.mark.parametrize("text", ["a: x", "{", "[" * 100_000, "{'a': 1}"])
    def test_anything_else_is_json(self, text: str) -> None:
        with pytest.raises(RequestError, match=r"^body is no JSON$"):
            read_body(text)
        with pytest.raises(RequestError, match="for YAML say Content-Type: application/yaml"):
            read_body(text, "application/x-www-form-urlencoded")

    def test_a_name_that_comes_twice_is_refused(self) -> None:
        with pytest.raises(RequestError, match="has the name 'b' twice"):
            read_body('{"tasks": {"a": {}, "b": {}, "b": {"channel": "#x"}}}')

    def test_what_is_too_large_is_not_read(self) -> None:
        assert read_body(json.dumps("x" * (LARGEST - 2)))
        with pytest.raises(RequestError, match="is larger than 512 KB"):
            read_body(json.dumps("ä" * (LARGEST // 2), ensure_ascii=False))

"""Typed settings: `[plugin.NAME.settings]` of the host's configuration.

The host has texts: where a `str` is wanted it is taken as it is, everything else is JSON.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from typing import Any, Literal, Union

from . import _host

_MISSING = object()
_UNIONS = (Union, types.UnionType)
_PLAIN = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}

_defined: list[type[Settings]] = []


class Settings:
    """What a plugin's settings are: a subclass with annotations, and values where a setting may be left out.

        class Mine(Settings):
            greeting: str
            limit: int = 10

    From the first hook on, `Mine.greeting` is what the operator wrote. Known are str, int, float, bool, `list[T]`, `dict[str, T]`,
    `Literal`, `T | None` and `Any`. An unknown, wrong or missing setting keeps the plugin from starting.
    """

    def __init_subclass__(cls) -> None:
        for name, kind in typing.get_type_hints(cls).items():
            _check_kind(f"{cls.__name__}.{name}", kind)
        _defined.append(cls)


def read() -> None:
    """Reads all settings; an error names every one that is wrong, missing or unknown."""
    if not _defined:
        return
    try:
        given = dict(_host.imports.store.get_all())
    except _host.imports.Err as error:
        raise ValueError(f"cannot read settings: {error.value}") from error
    hints = {cls: typing.get_type_hints(cls) for cls in _defined}
    known = [name for kinds in hints.values() for name in kinds]
    wrong = [f"setting {name}: unknown, the known ones are {', '.join(known)}" for name in given if name not in known]
    for cls, kinds in hints.items():
        for name, kind in kinds.items():
            try:
                if name in given:
                    setattr(cls, name, _from_text(given[name], kind))
                elif not hasattr(cls, name):
                    if not _is_optional(kind):
                        raise ValueError("missing")
                    setattr(cls, name, None)
            except ValueError as error:
                wrong.append(f"setting {name}: {error}")
    if wrong:
        raise ValueError("; ".join(wrong))


def forget() -> None:
    """Forgets what was defined: for tests that define settings of their own."""
    _defined.clear()


def _check_kind(where: str, kind: Any) -> None:
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN or kind in (Any, type(None)) or origin is Literal:
        return
    if origin in _UNIONS and type(None) in of and len(of) == 2 or origin is list or origin is dict and of[0] is str:
        for each in of:
            _check_kind(where, each)
        return
    raise TypeError(f"{where}: a setting cannot be {kind}; known are str, int, float, bool, list, dict[str, ...], Literal, ... | None, Any")


def _is_optional(kind: Any) -> bool:
    return typing.get_origin(kind) in _UNIONS


def _from_text(text: str, kind: Any) -> Any:
    if _is_optional(kind):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if kind is str or typing.get_origin(kind) is Literal:
        return _check(text, kind)
    try:
        value = json.loads(text)
    except ValueError:
        if kind is Any:
            return text
        raise ValueError(f"expected {_name(kind)}, got {text[:40]!r}") from None
    return _check(value, kind)


def _check(value: Any, kind: Any) -> Any:
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or origin is Literal and value in of or _is_optional(kind) and value is None:
        return value
    if _is_optional(kind):
        return _check(value, next(each for each in of if each is not type(None)))
    if kind is float and type(value) is int:
        return float(value)
    if kind in _PLAIN and type(value) is kind:
        return value
    if origin is list and type(value) is list:
        return [_check(each, of[0]) for each in value]
    if origin is dict and type(value) is dict:
        return {key: _check(each, of[1]) for key, each in value.items()}
    raise ValueError(f"expected {_name(kind)}, got {json.dumps(value)[:40]}")


def _name(kind: Any) -> str:
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, of))}"
    if origin is list:
        return f"a list of {_name(of[0])}"
    if origin is dict:
        return f"a table of {_name(of[1])}"
    return _PLAIN.get(kind, "JSON")


assert sys.version_info >= (3, 10), "Python 3.10 or later"

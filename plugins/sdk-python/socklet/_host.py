"""What the host offers to this instance: bound once, by the component's entry module or by a test."""

from __future__ import annotations

from typing import Any


class _Missing:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"there is no host to ask for {name}: a test begins with socklet.testing.Host")


#: The modules of the imported interfaces, and `types` and `Err`: what results and variants are made of.
imports: Any = _Missing()

#: Whether the host may be asked. Modules are imported when a plugin is built, where there is nobody to ask; hooks are called later.
live = False


def bind(bound: Any) -> None:
    """Sets what `imports` is."""
    global imports
    imports = bound


def begin() -> None:
    """Called before a plugin is started."""
    global live
    live = True

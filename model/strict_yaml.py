"""A safe YAML loader that refuses what hides mistakes or attacks: duplicate keys and floods of aliases."""

from __future__ import annotations

from typing import Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

__all__ = ["load"]

MAX_ALIASED = 100_000
"""Values that aliases may stand for in one file: a few lines of aliases can stand for billions."""
BOOL, TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
WORDS = frozenset({"on", "off", "yes", "no"})
"""As keys they are words: a field is called `on`, and none is true."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with one more check of mappings and of aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[int, int] = {}
        self._aliased = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Count what each alias stands for, aliases in it included."""
        is_alias = self.check_event(yaml.AliasEvent)
        mark = cast("yaml.Mark", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if node is None:
            return None
        if not is_alias:
            self._sizes[id(node)] = 1 + sum(self._sizes.get(id(child), 1) for child in _children(node))
            return node
        if id(node) not in self._sizes:
            raise ComposerError(None, None, "an alias stands inside its own anchor", mark)
        self._aliased += self._sizes[id(node)]
        if self._aliased > MAX_ALIASED:
            raise ComposerError(None, None, f"aliases stand for over {MAX_ALIASED} values", mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Refuse a key that stands twice; a merged one (`<<`) may be overridden; a key `on` is a word."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == BOOL and key.value.lower() in WORDS:
                key.tag = TEXT
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"the key '{key.value}' stands twice in one mapping"
                    raise ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(text: str) -> object:
    """Load one YAML document.

    Raises:
        yaml.YAMLError: It is not valid YAML, has a key twice, or its aliases stand for too much.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []

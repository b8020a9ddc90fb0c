"""Google's partial responses: ?fields=kind,items(name,size),settings/tier."""

from typing import Any

from sandbox.core.documents import Json

Tree = dict[str, "Tree"]


def select(document: Json, fields: str) -> Json:
    """The document cut down to the mask; unknown names are ignored."""
    tree = _parse(fields)
    result: Json = _cut(document, tree)
    return result


def _cut(value: Any, tree: Tree) -> Any:
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [_cut(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _cut(value[name], subtree) for name, subtree in tree.items() if name in value}


def _parse(fields: str) -> Tree:
    root: Tree = {}
    open_groups = [root]
    node = root
    word = ""
    for character in fields + ",":
        if character not in "/(),":
            word += character.strip()
            continue
        if word:
            node = node.setdefault(word, {})
            word = ""
        if character == "(":
            open_groups.append(node)
        elif character == ")" and len(open_groups) > 1:
            open_groups.pop()
        if character in ",)(":
            node = open_groups[-1]
    return root

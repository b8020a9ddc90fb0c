"""The product does not know the test stand: honest options lead to it, so what runs there is what runs at Google."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.house.checkout import ROOT, all_tasks, tracked, tracked_text

PRODUCT = ("plugins", "roles", "playbooks")
LINK = ROOT / ".ansible" / "collections" / "ansible_collections" / "mlflow_ops" / "gcp"


def naming(word: str, texts: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Files that name a word, in their path or their text, in whatever case and compound."""
    for path, text in texts:
        if re.search(word, f"{path}\n{text}", re.IGNORECASE):
            yield str(path)


def short_names(modules: Iterable[str | None]) -> list[str]:
    """Modules that are not called by their full name (namespace.collection.module)."""
    return sorted({str(module) for module in modules if not re.fullmatch(r"\w+\.\w+\.\w+", str(module))})


def test_the_product_never_names_the_sandbox() -> None:
    assert list(naming("sandbox", tracked_text(*PRODUCT))) == []


def test_only_its_own_inventory_leads_to_the_sandbox() -> None:
    texts = [(path, text) for path, text in tracked_text("inventories") if path.parts[1] != "sandbox"]
    assert texts
    assert list(naming("sandbox", texts)) == []


def test_tasks_call_modules_by_their_full_name() -> None:
    assert short_names(task.module for task in all_tasks()) == []


def test_the_checkout_is_its_own_installed_collection() -> None:
    """The committed link, relative, so that it holds wherever the checkout lies."""
    assert LINK.is_symlink()
    assert LINK.readlink() == Path("../../../..")
    assert LINK.resolve() == ROOT
    assert LINK.relative_to(ROOT) in tracked()


def test_rules_notice() -> None:
    assert list(naming("sandbox", [(Path("roles/a.yml"), "# the SandBox's"), (Path("roles/b.yml"), "box")])) == [
        "roles/a.yml"
    ]
    assert list(naming("sandbox", [(Path("roles/sandbox_x.yml"), "")])) == ["roles/sandbox_x.yml"]
    assert short_names(["copy", "ansible.builtin.copy", None, "community.docker"]) == [
        "None",
        "community.docker",
        "copy",
    ]

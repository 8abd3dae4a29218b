"""MkDocs hook: a link that leaves docs/ becomes the path that it names, since the site holds docs/ alone.

With `repo_url` set such a link leads to the file in the repository. A path that does not exist is a warning, which
`mkdocs build --strict` makes an error.
"""

import logging
import os.path
import re
from pathlib import Path
from typing import Any

ARRIVING = {"performance.md", "sources.md", "metrics.md", "runbooks.md", "notifications.md"}
"""Pages that are written apart from this one: left out where they are not there yet. Take a name out once it is."""

_LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:)[^)#\s]+)(#[^)\s]*)?\)")

logger = logging.getLogger("mkdocs.plugins.site")


def on_config(config: Any) -> Any:
    config.nav = _present(config.nav, Path(config.docs_dir))
    return config


def _present(nav: list[Any], docs: Path) -> list[Any]:
    kept = []
    for entry in nav:
        if isinstance(entry, dict):
            (title, value), *_ = entry.items()
            inner = _present(value, docs) if isinstance(value, list) else value
            if inner and not (isinstance(inner, str) and _awaited(docs / inner)):
                kept.append({title: inner})
        elif not _awaited(docs / entry):
            kept.append(entry)
    return kept


def _awaited(path: Path) -> bool:
    return path.name in ARRIVING and not path.exists()


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    docs = Path(config.docs_dir)

    def rewritten(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = Path(os.path.normpath(docs / Path(page.file.src_uri).parent / target))
        if _awaited(path):
            return text
        if path.is_relative_to(docs) and not path.is_dir():
            return found[0]
        inside = path.relative_to(docs.parent)
        if not path.exists():
            logger.warning("%s links to %s, which does not exist", page.file.src_uri, inside)
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{inside}{anchor})"
        return text if text.startswith("`") or str(inside) == text else f"{text} (`{inside}`)"

    return _LINK.sub(rewritten, markdown)

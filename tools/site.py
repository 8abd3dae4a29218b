"""MkDocs hook: a link that leaves docs/ becomes the path that it names, since the site holds docs/ alone.

With `repo_url` set such a link leads to the file in the repository. A path that does not exist is a warning, which
`mkdocs build --strict` makes an error.
"""

import logging
import os.path
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:)[^)#\s]+)(#[^)\s]*)?\)")

logger = logging.getLogger("mkdocs.plugins.site")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    docs = Path(config.docs_dir)

    def rewritten(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = Path(os.path.normpath(docs / Path(page.file.src_uri).parent / target))
        if path.is_relative_to(docs) and not path.is_dir():
            return found[0]
        inside = path.relative_to(docs.parent)
        if not path.exists():
            logger.warning("%s links to %s, which does not exist", page.file.src_uri, inside)
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{inside}{anchor})"
        return text if text.startswith("`") or str(inside) == text else f"{text} (`{inside}`)"

    return _LINK.sub(rewritten, markdown)

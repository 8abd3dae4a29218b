"""Write standard input as a comment on a pull request: comment.py NUMBER NAME.

The comment that was written for the name before is replaced: it is found by a mark that no reader sees. Reads
GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN, as GitHub's runners set them, and needs nothing but Python.
"""

import json
import os
import re
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PAGE = 100
MAX_PAGES = 30
# GitHub refuses a body of more.
MAX_LENGTH = 65_000


def main(number: str, name: str, text: str) -> str:
    """What became of it, in words for the log. A comment that is refused is no reason to fail a job."""
    mark = f"<!-- serinus judge: {re.sub(r'[^A-Za-z0-9 ._/-]', '_', name)} -->"
    body = {"body": f"{mark}\n{text[:MAX_LENGTH]}"}
    comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{int(number)}/comments"
    try:
        known = _find(comments, mark)
        if known is not None:
            try:
                _ask("PATCH", f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{known}", body)
            except HTTPError as error:
                # Of somebody else, who quoted it, or gone meanwhile.
                if error.code not in (403, 404):
                    raise
            else:
                return f"updated comment {known}"
        return f"wrote comment {_ask('POST', comments, body)['id']}"
    except HTTPError as error:
        hint = ": does the job have the permission pull-requests, write?" if error.code in (401, 403, 404) else ""
        return f"::warning title=No comment::GitHub answered {error.code}{hint}"
    except Exception as error:  # noqa: BLE001 - a proxy's page, a cut connection: whatever stands for an answer
        return f"::warning title=No comment::GitHub was not reached: {type(error).__name__}"


def _find(comments: str, mark: str) -> int | None:
    """The last comment that begins with the mark and is a bot's or the token's own: another's author may edit it."""
    found, own = None, _login()
    for page in range(1, MAX_PAGES + 1):
        some = _ask("GET", f"{comments}?per_page={PAGE}&page={page}")
        for one in some:
            author = one.get("user") or {}
            ours = author.get("type") == "Bot" or (own is not None and author.get("login") == own)
            if ours and str(one.get("body") or "").startswith(mark):
                found = int(one["id"])
        if len(some) < PAGE:
            break
    return found


def _login() -> str | None:
    """Of a person's token; a job's own may not ask, and writes as a bot."""
    try:
        return str(_ask("GET", "/user")["login"])
    except HTTPError:
        return None


def _ask(method: str, path: str, body: dict[str, str] | None = None) -> Any:
    request = Request(  # noqa: S310 - the runner's own address
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        None if body is None else json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        method=method,
    )
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.load(answer)


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], sys.argv[2], sys.stdin.read()) + "\n")

"""The users of Redis: nobody without a name gets in, and nothing is lost for want of a right."""

import re
from pathlib import Path

from tests.guarded import ADMIN, SERVICES, SHIPPED, users_file

ROOT = Path(__file__).parents[3]
DEFAULT = "user default off resetpass ~* &* +@all"


def test_who_brings_no_name_gets_in_nowhere_but_what_replays_the_append_only_file_may_do_all() -> None:
    defaults = [line for line in SHIPPED.read_text().splitlines() if line.startswith("user default")]
    assert defaults == [DEFAULT]


def test_the_chart_takes_the_very_file() -> None:
    assert (ROOT / "deploy" / "helm" / "serinus" / "files" / "users.acl").resolve() == SHIPPED.resolve()


def test_compose_and_chart_fill_in_passwords_and_change_nothing_else() -> None:
    script = (ROOT / "deploy" / "compose" / "redis.sh").read_text()
    assert re.findall(r"^ *sed (.*) /etc/serinus/users.acl > /tmp/users.acl$", script, re.MULTILINE) == [
        '"s/>\\${[A-Z]*_PASSWORD}/#$hash/"'
    ]
    template = (ROOT / "deploy" / "helm" / "serinus" / "templates" / "redis.yaml").read_text()
    (taken,) = re.findall(r"\{\{- (\.Files\.Get \"files/users.acl\" .*) \| nindent", template)
    assert taken == '.Files.Get "files/users.acl" | replace "{serinus}" (printf "{%s}" .Values.redis.tag)'
    assert re.findall(r"script=\"\$script;(.*)\"", template) == ["s/>\\${${upper}_PASSWORD}/#$hash/"]


def test_a_tests_redis_has_the_shipped_lines_all_and_unchanged(tmp_path: Path) -> None:
    text = users_file(tmp_path, ADMIN).read_text()
    for name in SERVICES:
        text = text.replace(f">{name}-secret", f">${{{name.upper()}_PASSWORD}}")
    assert text == SHIPPED.read_text() + ADMIN + "\n"
    others = [path for path in (ROOT / "tests").rglob("*.py") if "users.acl" in path.read_text()]
    assert {path.name for path in others} == {"guarded.py", "test_users.py", "test_chart.py", "test_compose.py"}, (
        "by `users_file` alone"
    )

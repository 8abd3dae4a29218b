import json

from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts.plain import escaped, plain


@given(st.text(st.characters(codec="utf-8")))
def test_what_a_terminal_would_obey_is_left_out_of_text_and_escaped_in_json(text: str) -> None:
    shown = plain(text)
    assert all(char in "\n\t" or not (char < " " or "\x7f" <= char <= "\x9f") for char in shown)
    assert plain(shown) == shown
    document = escaped(json.dumps(text, ensure_ascii=False))
    assert (plain(document), json.loads(document)) == (document, text)


def test_what_people_write_stays_as_it_is() -> None:
    text = "Größe: 5\tµs\nעברית, 日本語, 👍🏽"
    assert plain(text) == text
    assert plain("a\x1b]0;title\x07b\x9b31mc\rd\u202ee") == "a]0;titleb31mcde"

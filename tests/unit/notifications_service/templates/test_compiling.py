"""MJML compiled once, whatever is said in it: the same HTML as compiled each time, with hostile values too."""

from __future__ import annotations

from markupsafe import escape

from notifications_service.templates.providers import compiling
from notifications_service.templates.providers.compiling import Compiler, placed
from notifications_service.templates.providers.mjml import EVERYTHING, MjmlWriter

HOSTILE = "</mj-text><script>alert('x')</script>\"'&amp; <b>Zoë</b> {{ 7 * 7 }}"
FIRST_OF_OURS = "{% extends layout %}{% block subject %}s{% endblock %}{% block content %}"


def page(text: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column><mj-text>{text}</mj-text></mj-column></mj-section></mj-body></mjml>"


def test_a_value_is_text_and_knows_its_mark():
    value = Compiler().marked({"name": "Ada"})["name"]
    assert value == "Ada"
    assert placed(value) == value.mark != "Ada"
    assert type(placed(value.upper())) is str
    assert placed("Ada") == "Ada"


def test_marks_of_one_compiler_mean_nothing_to_another():
    value = Compiler().marked({"name": "Ada"})["name"]
    assert value.mark in Compiler().html(page(value.mark), {"name": "Ada"})


def test_what_differs_in_values_only_is_compiled_once(monkeypatch):
    calls = []
    monkeypatch.setattr(compiling, "mjml2html", lambda mjml: calls.append(mjml) or mjml)
    compiler = Compiler()
    for name in ("Ada", "Bob", HOSTILE):
        mark = compiler.marked({"name": name})["name"].mark
        assert compiler.html(f"<p>{mark}, {mark}</p>", {"name": name}) == f"<p>{escape(name)}, {escape(name)}</p>"
    assert len(calls) == 1


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(compiling, "mjml2html", lambda mjml: mjml)
    compiler = Compiler()
    for number in range(3 * compiling._KEPT):
        compiler.html(str(number), {})
    assert compiler._pieces.cache_info().currsize == compiling._KEPT


def test_values_stand_where_jinja_would_have_put_them(tmp_path):
    (tmp_path / "welcome").mkdir()
    (tmp_path / "welcome" / "en.j2").write_text(
        FIRST_OF_OURS + "<mj-text>[{{ tenant_name }}] [{{ tenant_name|upper }}] [{{ tenant_name ~ '!' }}]"
        '</mj-text><mj-button href="{{ login_url }}">go</mj-button>{% endblock %}'
    )
    writer = MjmlWriter(tmp_path)
    assert writer.templates["welcome"].problem is None
    assert not writer._each_anew, "none of ours either"
    for value in ("Ada", HOSTILE, "", " Ada ", "a\\b\u2028c", "Ä" * 2000):
        given = writer.templates["welcome"].samples | {"tenant_name": value, "login_url": "https://a.example/?b=1&c=2"}
        html = writer.write("welcome", "en", given, EVERYTHING).html
        assert f"[{escape(value)}] [{escape(value.upper())}] [{escape(value + '!')}]" in html
        assert 'href="https://a.example/?b=1&amp;c=2"' in html


def test_a_template_that_does_more_to_a_value_than_write_it_is_compiled_each_time(tmp_path):
    (tmp_path / "welcome").mkdir()
    (tmp_path / "welcome" / "en.j2").write_text(
        FIRST_OF_OURS + "<mj-text>{% filter upper %}{{ tenant_name }}{% endfilter %}</mj-text>{% endblock %}"
    )
    writer = MjmlWriter(tmp_path)
    assert writer._each_anew == {"welcome/en.j2"}
    given = writer.templates["welcome"].samples | {"tenant_name": "Ada & Bob"}
    assert "ADA &AMP; BOB" in writer.write("welcome", "en", given, EVERYTHING).html

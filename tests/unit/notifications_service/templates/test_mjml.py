"""Every template in every language: written with good values, with hostile ones, and with files that are broken."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest

from faults import Conflict, Invalid, NotFound
from notifications_service.model import Branding
from notifications_service.templates.model import Category, Form
from notifications_service.templates.providers.mjml import EVERYTHING, MjmlWriter
from notifications_service.templates.service import LARGEST, Templates

WRITER = MjmlWriter()
TEMPLATES = Templates(WRITER, EVERYTHING, "en")
EVERY = [(one.template_id, language) for one in WRITER.templates.values() for language in one.languages]
HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}{% raw %}</mj-text>"
HOSTILE_URL = "https://evil.example/\"'><script>alert(1)</script>?a=1&b=2".replace(" ", "")


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, its links, its words."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def links(self):
        return [attributes["href"] for tag, attributes in self.elements if tag == "a"]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_twelve_are_there_and_can_be_used():
    assert {name for name, template in WRITER.templates.items() if template.problem is None} == {
        "welcome", "lead-validation", "provisioning-failed", "deprovisioning", "suspended", "resumed", "invitation",
        "invitation-reminder", "sso-activated", "export-ready", "plan-changed", "quota-warning",
    }  # fmt: skip
    assert all(one.languages == ("en", "de", "fr") for one in WRITER.templates.values())


def test_only_what_can_be_declined_is_optional():
    optional = {name for name, one in WRITER.templates.items() if one.category is Category.OPTIONAL}
    assert optional == {"invitation-reminder", "quota-warning"}


def test_what_is_secret_is_declared_so():
    secret = {(name, v.name) for name, one in WRITER.templates.items() for v in one.variables if v.confidential}
    assert secret == {
        ("lead-validation", "validation_url"), ("invitation", "accept_url"), ("invitation-reminder", "accept_url"),
        ("export-ready", "download_url"),
    }  # fmt: skip


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_both_parts_say_the_same(name, language):
    template = WRITER.templates[name]
    written = TEMPLATES.write(name, template.samples, Branding(), language)
    page = Page(written.html)
    assert written.language == language
    assert written.subject
    assert "\n" not in written.subject
    assert "{" not in written.subject
    for one in template.variables:
        if one.form is Form.URL:
            assert {one.sample} <= {link for link in page.links if link in written.text}, one.name
        elif one.form is Form.TEXT:
            assert page.text.count(one.sample) * written.text.count(one.sample), one.name
    assert "<" not in written.text
    assert "&#" not in written.text
    assert "\n\n\n" not in written.text
    assert EVERYTHING.footer in page.text
    assert EVERYTHING.footer in written.text
    assert next(attributes for tag, attributes in page.elements if tag == "html")["lang"] == language


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_hostile_values_are_words_and_nothing_else(name, language):
    template = WRITER.templates[name]
    values = {
        one.name: HOSTILE_URL if one.form is Form.URL else one.sample if one.form is Form.TIME else HOSTILE
        for one in template.variables
    }
    branding = Branding(
        product_name=HOSTILE, website_url=HOSTILE_URL, support_url=HOSTILE_URL, support_email=HOSTILE, footer=HOSTILE,
        logo_url=HOSTILE_URL, primary_color="#ff0000",
    )  # fmt: skip
    for brand in (branding, Branding(product_name=HOSTILE, primary_color="#ff0000")):
        hostile = WRITER.write(name, language, values, brand)
        good = WRITER.write(name, language, template.samples, brand)
        page, usual = Page(hostile.html), Page(good.html)
        assert {tag for tag, _ in page.elements} == {tag for tag, _ in usual.elements} - {"script"}
        assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
        assert {a for _, some in page.elements for a in some} == {a for _, some in usual.elements for a in some}
        assert all(link.startswith(("https://", "mailto:")) for link in page.links)
        assert " ".join(HOSTILE.split()) in page.text, "the words are shown as they were given"
        assert " ".join(HOSTILE.split()) in " ".join(hostile.text.split())
        assert "\n" not in hostile.subject


def test_every_variable_that_is_required_is_asked_for():
    for template in WRITER.templates.values():
        for variable in template.variables:
            given = {**template.samples, variable.name: ""}
            if not variable.required:
                TEMPLATES.write(template.template_id, given, Branding())
                continue
            with pytest.raises(Invalid) as refused:
                TEMPLATES.write(template.template_id, given, Branding(), recipient=3)
            assert refused.value.reason == "VARIABLE_MISSING"
            assert refused.value.facts == {
                "template_id": template.template_id, "variables": variable.name, "recipient": "3",
            }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "https://", "//evil.example", "login",
        "https://a b.example", "https://evil.example/\nBcc: x", "https://[::1", " https://engines.example",
    ],
)  # fmt: skip
def test_a_link_must_be_one(url):
    values = {**WRITER.templates["welcome"].samples, "login_url": url}
    with pytest.raises(Invalid) as refused:
        TEMPLATES.write("welcome", values, Branding())
    assert (refused.value.reason, refused.value.facts["variables"]) == ("VARIABLE_INVALID", "login_url")


@pytest.mark.parametrize("time", ["tomorrow", "2026-13-01T00:00:00Z", "2026-11-28T09:00:00", "2026-11-28"])
def test_a_time_must_be_one_and_say_where(time):
    values = {**WRITER.templates["invitation"].samples, "expire_time": time}
    with pytest.raises(Invalid) as refused:
        TEMPLATES.write("invitation", values, Branding())
    assert refused.value.reason == "VARIABLE_INVALID"


def test_times_are_said_in_the_readers_words():
    values = {**WRITER.templates["invitation"].samples, "expire_time": "2026-11-28T11:30:00+02:00"}
    said = {
        language: TEMPLATES.write("invitation", values, Branding(), language).text for language in ("en", "de", "fr")
    }
    assert "November 28, 2026, 09:30 UTC" in said["en"]
    assert "28. November 2026, 09:30 UTC" in said["de"]
    assert "28 novembre 2026, 09:30 UTC" in said["fr"]


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        (("de",), "de"),
        (("de-CH",), "de"),
        (("fr-Latn-CA",), "fr"),
        (("pt-BR", "fr"), "fr"),
        (("pt",), "en"),
        ((), "en"),
    ],
)
def test_the_nearest_language_is_taken(wanted, got):
    assert TEMPLATES.write("resumed", WRITER.templates["resumed"].samples, Branding(), *wanted).language == got


def test_the_services_language_comes_before_english():
    french = Templates(WRITER, EVERYTHING, "fr")
    assert french.write("resumed", WRITER.templates["resumed"].samples, Branding(), "pt").language == "fr"


@pytest.mark.parametrize("name", WRITER.templates)
def test_no_line_of_french_begins_with_its_punctuation(name):
    written = WRITER.write(name, "fr", WRITER.templates[name].samples, EVERYTHING)
    for text in (written.text, "".join(Page(written.html.partition("</head>")[2]).words)):
        assert not re.search(r"\w [:;?!]", text), "a narrow screen breaks the line there"


def test_what_became_too_large_is_refused():
    values = {**WRITER.templates["suspended"].samples, "reason": '"' * LARGEST}
    with pytest.raises(Invalid) as refused:
        TEMPLATES.write("suspended", values, Branding())
    assert refused.value.reason == "RENDERING_TOO_LARGE"
    assert int(refused.value.facts["bytes"]) > int(refused.value.facts["limit_bytes"]) == LARGEST


def test_samples_stand_in_where_they_may():
    written = TEMPLATES.write("suspended", {"tenant_name": "Mine"}, Branding(), fill_samples=True)
    assert "Mine" in written.text
    assert "invoice" in written.text


def test_there_is_no_such_template():
    with pytest.raises(NotFound) as refused:
        TEMPLATES.write("farewell", {}, Branding())
    assert refused.value.reason == "TEMPLATE_NOT_FOUND"


def test_a_message_is_the_same_each_time():
    samples = WRITER.templates["invitation"].samples
    assert TEMPLATES.write("invitation", samples, EVERYTHING) == TEMPLATES.write("invitation", samples, EVERYTHING)


# ---------------------------------------------------------------------------------------------- an operator's own files


@pytest.fixture
def theirs(tmp_path):
    """Puts files into an operator's folder, and reads the templates with it."""

    def theirs(**files: str) -> MjmlWriter:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return MjmlWriter(tmp_path)

    return theirs


OWN = """\
{% extends layout %}
{% block subject %}Grüezi {{ tenant_name }}{% endblock %}
{% block content %}
{% call parts.p() %}Our own words for {{ parts.strong(tenant_name) }}.{% endcall %}
{% if html %}
<mj-divider border-color="#eeeeee" />
{% endif %}
{{ parts.button("Go", login_url) }}
{% endblock %}
"""


def test_one_file_overrides_one_language(theirs):
    writer = theirs(**{"welcome__en.j2": OWN})
    own, german = (
        writer.write("welcome", tag, writer.templates["welcome"].samples, EVERYTHING) for tag in ("en", "de")
    )
    assert own.subject == "Grüezi Analytical Engines"
    assert "Our own words for Analytical Engines." in own.text
    assert "mj-divider" not in own.html
    assert "mj-divider" not in own.text
    assert german.subject == WRITER.write("welcome", "de", WRITER.templates["welcome"].samples, EVERYTHING).subject
    assert writer.templates["welcome"].overridden
    assert not writer.templates["resumed"].overridden


def test_a_language_more_is_one_file_more(theirs):
    writer = theirs(**{"resumed__pt-BR.j2": OWN})
    assert writer.templates["resumed"].languages == ("en", "de", "fr", "pt-BR")
    assert writer.write("resumed", "pt-BR", writer.templates["resumed"].samples, EVERYTHING).language == "pt-BR"


def test_a_template_of_their_own_and_a_layout_for_all(theirs):
    declaration = 'description = "A greeting."\ncategory = "optional"\n[variables.tenant_name]\n'
    declaration += 'description = "Who."\nsample = "Acme"\n[variables.login_url]\ndescription = "x"\nsample = "https://a.example"\n'
    layout = "<mjml><mj-body><mj-section><mj-column>{% block content %}{% endblock %}</mj-column></mj-section>"
    layout += "</mj-body></mjml>"
    writer = theirs(**{"greeting__template.toml": declaration, "greeting__en.j2": OWN, "layout.mjml": layout})
    assert writer.templates["greeting"].problem is None
    assert "Our own words" in writer.write("greeting", "en", writer.templates["greeting"].samples, EVERYTHING).html
    assert EVERYTHING.footer not in writer.write("welcome", "en", writer.templates["welcome"].samples, EVERYTHING).html


def lines(text):
    return (
        "{% extends layout %}\n{% block subject %}s{% endblock %}\n{% block content %}\n" + text + "\n{% endblock %}\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "file", "line", "problem"),
    [
        ("en.j2", lines("{% if tenant_name %}\nx"), "welcome/en.j2", 6, "expecting"),
        ("en.j2", lines("\n\n{{ tenant_name "), "welcome/en.j2", 7, "expected token"),
        ("en.j2", lines("\n{{ tenantname }}"), "welcome/en.j2", 5, "'tenantname' is undefined"),
        ("en.j2", lines("\n{{ tenant_name|shout }}"), "welcome/en.j2", 5, "No filter named 'shout'"),
        ("en.j2", lines("{% include 'nowhere' %}"), "welcome/en.j2", 4, "nowhere"),
        ("en.j2", lines("\n<mj-text>\n<b>bold</i></mj-text>"), "welcome/en.j2", 6, "mismatched tag"),
        ("en.j2", lines("\n\n<mj-text><b>bold</mj-text>"), "welcome/en.j2", 6, "mismatched tag"),
        ("en.j2", lines("\n\n\n<mj-txt>hello</mj-txt>"), "welcome/en.j2", 7, "no element mj-txt"),
        ("en.j2", lines('\n<mj-text color="red>hello</mj-text>'), "welcome/en.j2", 5, "well-formed"),
        ("en.j2", lines("{% call parts.p() %}\n\na < b{% endcall %}"), "welcome/en.j2", 6, "well-formed"),
        ("en.j2", "{% extends layout %}\n{% block content %}x{% endblock %}", "welcome/en.j2", 1, "subject"),
        ("template.toml", 'description = "x"\ncategory =\n', "welcome/template.toml", 2, "Invalid value"),
        ("template.toml", 'description = "x"\ncategory = "other"\n', "welcome/template.toml", 1, "OTHER"),
        (
            "template.toml", 'description = "x"\ncategory = "optional"\n[variables.brand]\ndescription=""\nsample=""',
            "welcome/template.toml", 1, "brand",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_line(theirs, name, content, *, file, line, problem):
    template = theirs(**{f"welcome__{name}": content}).templates["welcome"]
    assert template.problem is not None
    assert (template.problem.file, template.problem.line) == (file, line), template.problem
    assert problem in template.problem.text


def test_a_mistake_in_the_layout_is_found_there(theirs):
    layout = "<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>{% block content %}{% endblock %}"
    writer = theirs(**{"layout.mjml": layout})
    assert str(writer.templates["welcome"].problem) == "layout.mjml, line 3: mismatched tag"


def test_a_broken_template_is_refused_and_harms_no_other(theirs):
    templates = Templates(theirs(**{"welcome__de.j2": "{% if %}"}), EVERYTHING, "en")
    with pytest.raises(Conflict) as refused:
        templates.write("welcome", WRITER.templates["welcome"].samples, Branding(), "en")
    assert refused.value.reason == "TEMPLATE_INVALID"
    assert (refused.value.facts["file"], refused.value.facts["line"]) == ("welcome/de.j2", "1")
    templates.write("resumed", WRITER.templates["resumed"].samples, Branding())


def test_no_file_leaves_the_folder(theirs):
    template = theirs(**{"welcome__en.j2": lines("{% include '../../../../etc/passwd' %}")}).templates["welcome"]
    assert template.problem is not None


def test_entities_are_shown_as_characters(theirs):
    writer = theirs(**{"welcome__en.j2": lines("<mj-text>a&nbsp;b &copy; c</mj-text>")})
    assert writer.templates["welcome"].problem is None
    assert "©" in html.unescape(writer.write("welcome", "en", writer.templates["welcome"].samples, EVERYTHING).html)

"""Every template in a real browser, on a phone and on a desk: pictures to look at, and nothing that sticks out.

The pictures are put into `.local/pictures`. Look at them after a change: `make test` can tell that a message fits, and
not that it looks good.
"""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fixtures.browser import Browser
from tests.fixtures.servers import CACHE

from localstack.mailsink import pages
from notifications_service.model import Branding
from notifications_service.templates.providers.mjml import MjmlWriter

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch the browser

PICTURES = CACHE.parent / "pictures"
WRITER = MjmlWriter()
NARROW, WIDE = 375, 760
LANGUAGES = ("en", "de", "fr")
BRANDING = Branding(
    product_name="Acme Cloud",
    primary_color="#3457d5",
    website_url="https://acme.example",
    support_url="https://acme.example/help",
    support_email="help@acme.example",
    footer="Acme AG, Bundesgasse 1, 3011 Bern",
)
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #888; display: flex; gap: 16px; align-items: flex-start }}
iframe {{ border: 0; background: #fff; height: {height}px }}
</style>{frames}"""
MEASURING = """<pre></pre><script>
onload = () => {
  const frames = [...document.querySelectorAll("iframe")];
  document.querySelector("pre").textContent = JSON.stringify(frames.map((frame) => {
    const page = frame.contentDocument.documentElement;
    const link = frame.contentDocument.querySelector("a[style*='inline-block']");
    const size = link ? link.getBoundingClientRect().height : null;
    return [frame.title, frame.clientWidth, page.scrollWidth, page.scrollHeight, size];
  }));
};
</script>"""


def frame(title: str, html: str, width: int) -> str:
    """A message as a mail program shows it: no script runs in it."""
    body = escape(html, quote=True)
    return f'<iframe sandbox="allow-same-origin" title="{title}" style="width:{width}px" srcdoc="{body}"></iframe>'


def written(name: str, language: str, branding: Branding = BRANDING, **changed: str) -> str:
    return WRITER.write(name, language, {**WRITER.templates[name].samples, **changed}, branding).html


@pytest_asyncio.fixture(scope="module")
async def browser():
    return await Browser.provided(CACHE.resolve())


@pytest.mark.parametrize("name", WRITER.templates)
async def test_a_picture_of_each_template_in_each_language_on_a_phone_and_on_a_desk(browser, tmp_path, name):
    phones = "".join(frame(language, written(name, language), NARROW) for language in LANGUAGES)
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(height=1080, frames=phones + frame("desk", written(name, LANGUAGES[0]), WIDE)))
    PICTURES.mkdir(parents=True, exist_ok=True)
    picture = PICTURES / f"{name}.png"
    picture.unlink(missing_ok=True)
    await browser.picture(page.as_uri(), picture, width=3 * (NARROW + 16) + WIDE, height=1080)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000, "an empty page is smaller"


async def test_the_mail_sink_shows_what_was_sent(browser, service, mail_sink, tmp_path):
    """As `make up` shows it: the page of a mail, in a browser, with the message rendered in its frame."""
    await service.send("shown@engines.example")
    [mail] = mail_sink.mailbox.to("shown@engines.example")
    async with pages(mail_sink.mailbox, "127.0.0.1", 0) as port:
        address = f"http://127.0.0.1:{port}/mails/{mail.number}"
        shown = await browser.document(address)
        assert "Analytical Engines is ready" in shown
        assert f'src="/mails/{mail.number}/html"' in shown
        rendered = await browser.document(f"{address}/html")
        assert "https://engines.example/login" in rendered
        picture = tmp_path / "sink.png"
        await browser.picture(address, picture, width=1100, height=900)
        (PICTURES / "mail-sink.png").write_bytes(picture.read_bytes())


async def test_nothing_sticks_out_in_any_language_at_any_width(browser, tmp_path: Path):
    long = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle " + "x" * 200
    dark = Branding(product_name=long, primary_color="#ffd400", footer=long, support_email="help@acme.example")
    frames = [
        frame(f"{name} {language} {width}", written(name, language), width)
        for name, template in WRITER.templates.items()
        for language in template.languages
        for width in (320, NARROW, WIDE)
    ]
    frames += [frame(f"{name} long", written(name, "de", dark, tenant_name=long), NARROW) for name in WRITER.templates]
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(height=900, frames="".join(frames) + MEASURING))
    document = await browser.document(page.as_uri())
    found = re.search(r"<pre>(.*?)</pre>", document, re.DOTALL)
    assert found
    measured = json.loads(unescape(found[1]))
    assert len(measured) == len(frames) == 12 * 3 * 3 + 12
    for title, width, content_width, content_height, button in measured:
        assert content_width <= width, f"{title} is {content_width} wide"
        assert content_height > 300, f"{title} shows nothing"
        if button is not None:
            assert button >= 44, f"{title}: a thumb needs a larger button than {button}"

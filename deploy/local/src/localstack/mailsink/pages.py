"""The pages that show the mails, and the JSON API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from string import Template

from aiohttp import web

from localstack.mailsink.mailbox import Mail, Mailbox

PAGE = Template("""\
<!doctype html><html lang="en"><meta charset="utf-8"><title>$title</title>
<meta name="viewport" content="width=device-width">$extra
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #1c2330 }
  table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .4rem .6rem }
  tr + tr td { border-top: 1px solid #e3e6ec } a { color: #1a56b0; text-decoration: none } .dim { color: #6b7484 }
  iframe { border: 1px solid #d5dae3; width: 100%; height: 34rem; background: #fff }
  pre { background: #f5f6f9; padding: 1rem; overflow: auto; white-space: pre-wrap }
</style>
<h1>$title</h1>
$body
</html>
""")
# A mail's own page may load nothing, run nothing and reach nothing.
LOCKED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

# Ours show mails in frames and do nothing else; plain text stays that, whatever it looks like.
OWN = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"}
PLAIN = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


@dataclass(frozen=True, slots=True)
class _Pages:
    """Every page, over one mailbox."""

    mailbox: Mailbox

    async def index(self, _: web.Request) -> web.Response:
        newest_first = reversed(self.mailbox.mails)
        rows = "".join(map(_row, newest_first)) or '<tr><td class="dim">No mail yet. This page looks again every 5 s.'
        return _html("Mails", f"<table>{rows}</table>", extra='<meta http-equiv="refresh" content="5">')

    async def mail(self, request: web.Request) -> web.Response:
        mail = self._wanted(request)
        base = f"/mails/{mail.number}"
        shown = f'<iframe sandbox src="{base}/html"></iframe>' if mail.html else f"<pre>{escape(mail.text)}</pre>"
        attachments = [part.get_filename() or "unnamed" for part in mail.message.iter_attachments()]
        facts = [("From", mail.sender), ("To", ", ".join(mail.recipients)), ("Received", f"{mail.received:%F %T} UTC")]
        facts += [("Attachments", ", ".join(attachments))] if attachments else []
        links = (
            f'<p><a href="/">All mails</a> · <a href="{base}/text">text</a> · <a href="{base}/raw">as it came</a></p>'
        )
        return _html(mail.subject or "(no subject)", f"{_table(facts)}{shown}{links}")

    async def html(self, request: web.Request) -> web.Response:
        text = self._wanted(request).html
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": LOCKED})

    async def text(self, request: web.Request) -> web.Response:
        return web.Response(text=self._wanted(request).text, headers=PLAIN)

    async def raw(self, request: web.Request) -> web.Response:
        return web.Response(body=self._wanted(request).raw, content_type="text/plain", headers=PLAIN)

    async def list_json(self, request: web.Request) -> web.Response:
        recipient = request.query.get("to")
        mails: Iterable[Mail] = self.mailbox.to(recipient) if recipient else self.mailbox.mails
        return web.json_response([mail.as_json() for mail in mails])

    async def mail_json(self, request: web.Request) -> web.Response:
        return web.json_response(self._wanted(request).as_json())

    async def clear(self, _: web.Request) -> web.Response:
        self.mailbox.clear()
        return web.Response(status=204)

    def _wanted(self, request: web.Request) -> Mail:
        mail = self.mailbox.get(int(request.match_info["number"]))
        if mail is None:
            raise web.HTTPNotFound(text="no such mail")
        return mail


@asynccontextmanager
async def pages(mailbox: Mailbox, host: str, port: int) -> AsyncIterator[int]:
    """Show the mails inside the block; yields the port, which was chosen if 0 was asked for."""
    shown = _Pages(mailbox)
    number = r"{number:\d+}"
    app = web.Application()
    app.add_routes(
        [
            web.get("/", shown.index),
            web.get(f"/mails/{number}", shown.mail),
            web.get(f"/mails/{number}/html", shown.html),
            web.get(f"/mails/{number}/text", shown.text),
            web.get(f"/mails/{number}/raw", shown.raw),
            web.get("/api/mails", shown.list_json),
            web.get(f"/api/mails/{number}", shown.mail_json),
            web.delete("/api/mails", shown.clear),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _row(mail: Mail) -> str:
    subject = escape(mail.subject or "(no subject)")
    return (
        f'<tr><td><a href="/mails/{mail.number}">{subject}</a><td>{escape(", ".join(mail.recipients))}'
        f'<td class="dim">{escape(mail.sender)}<td class="dim">{mail.received:%T}'
    )


def _table(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f'<tr><td class="dim">{name}<td>{escape(value)}' for name, value in facts)
    return f"<table>{rows}</table>"


def _html(title: str, body: str, *, extra: str = "") -> web.Response:
    page = PAGE.substitute(title=escape(title), body=body, extra=extra)
    return web.Response(text=page, content_type="text/html", headers=OWN)

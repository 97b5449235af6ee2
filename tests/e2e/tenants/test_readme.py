"""The calls that the README of the service shows are made, one after the other, as they stand there."""

import re
import shlex
from pathlib import Path

import aiohttp
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment

README = Path(__file__).parents[3] / "services" / "tenants" / "README.md"
CALL = re.compile(r"^(curl .*?)\n# (\d+) ?([A-Z_]*) ?(.*?)$", re.DOTALL | re.MULTILINE)


def calls():
    """Each call, and what the line below it says of the answer: status, reason, fields."""
    found = CALL.findall(README.read_text())
    assert len(found) == 11
    return found


def request(command, known):
    """Method, path, headers and body of a curl command."""
    for name, value in known.items():
        command = command.replace(f"${name}", value)
    arguments = shlex.split(command.removeprefix("curl -s "))
    assert not [one for one in arguments if "$" in one], "something is not known yet"
    url, options = arguments[0], list(zip(arguments[1::2], arguments[2::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    body = "".join(value for option, value in options if option == "-d")
    return ("POST" if body else "GET"), url.removeprefix("localhost:8080"), headers, body


async def test_the_calls_of_the_readme_are_answered_as_it_says(postgres, gateway):
    known = {}
    async with service("tenants", **await environment(postgres)) as process:
        url = (await gateway({"tenants": process.address})).url
        async with aiohttp.ClientSession(url) as session:
            for command, status, reason, fields in calls():
                method, path, headers, body = request(command, known)
                async with session.request(method, path, headers=headers, data=body or None) as answer:
                    said = await answer.json()
                assert answer.status == int(status), (command, said)
                if answer.status == 200:
                    known |= {name: said[name] for name in ("id", "key", "token") if name in said and name not in known}
                else:
                    assert refusal(said) == (reason, fields.split()), command


def refusal(answer):
    """Reason and fields of an answer that is an error."""
    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer["details"]}
    violations = details.get("BadRequest", {}).get("fieldViolations", [])
    return details["ErrorInfo"]["reason"], [violation["field"] for violation in violations]

"""What a newcomer reads is true: links lead somewhere, commands exist, every member and every service has its page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SKIPPED = {".venv", ".local", "node_modules"}
PAGES = [path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts)]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
MAKE = re.compile(r"`?\bmake ([a-z][a-z-]+)\b")


def name_of(path):
    return str(path.relative_to(ROOT))


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page):
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    blocks = re.findall(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", page.read_text(), re.DOTALL)
    mentioned = {name for pair in blocks for text in pair for name in MAKE.findall(text)}
    assert mentioned <= targets


@pytest.mark.parametrize("member", [path.parent for path in ROOT.glob("*/*/pyproject.toml")], ids=name_of)
def test_every_member_has_a_page(member):
    assert (member / "README.md").exists()


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    records = [path.name for path in folder.glob("[0-9]*.md")]
    assert records
    assert [name for name in records if name not in index] == []
    numbers = [name.split("-")[0] for name in records]
    assert len(numbers) == len(set(numbers)), "two decisions with one number"

import json
import subprocess
import sys
import textwrap

import pytest

from temporalkit.fingerprints import difference, fingerprints, main

SOURCE = """
import asyncio

class Provision:
    async def run(self, request):
        async with Saga(self.ledger) as saga:
            await saga.step("bucket", lambda: workflow.execute_activity(Storage.ensure, request, **STORAGE.options()),
                            undo=lambda: workflow.execute_activity(Storage.delete, request, **UNDO.options()))
            if workflow.patched("wait-for-dns"):
                await workflow.sleep(timedelta(minutes=5))
            else:
                await asyncio.sleep(60)
            for name in request.names:
                await self._record(name)
            self._note("nothing that matters")

    async def _record(self, name):
        try:
            await workflow.execute_activity("ensure_record", name)
        except ActivityError:
            await workflow.wait_condition(lambda: self.approved)
        finally:
            self.count += 1

    def _note(self, text):
        self.notes.append(text)
"""
OUTLINE = """
async_example.Provision.run
    saga.step 'bucket'
      workflow.execute_activity Storage.ensure
      undo=
        workflow.execute_activity Storage.delete
    workflow.patched 'wait-for-dns'
    if workflow.patched('wait-for-dns')
      workflow.sleep
    else
      asyncio.sleep
    for name in request.names
      self._record
async_example.Provision._record
    try
      workflow.execute_activity 'ensure_record'
    except ActivityError
      workflow.wait_condition
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module that can be found by name; answers a function that changes its source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "async_example.py"
    path.write_text(SOURCE)

    def change(*changes):
        source = SOURCE
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        path.write_text(source)

    return change


@pytest.fixture
def committed(tmp_path, package):
    package()
    path = tmp_path / "fingerprints.json"
    assert main([str(path), "async_example", "--update"]) == 0
    return path


def outline(names):
    return "\n".join(
        line
        for module, functions in fingerprints(names).items()
        for name, lines in functions.items()
        for line in (f"{module}.{name}", *(f"    {line}" for line in lines))
    )


@pytest.mark.usefixtures("package")
def test_the_outline_reads_like_the_workflow():
    assert outline(["async_example"]) == OUTLINE.strip("\n")


def test_nothing_changed(committed, capsys):
    assert difference(committed, ["async_example"]) == ""
    assert main([str(committed), "async_example"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "change",
    [
        ("Storage.ensure", "Storage.make"),
        ('"bucket"', '"pail"'),
        ('workflow.patched("wait-for-dns")', 'workflow.patched("wait-longer")'),
        ("request.names", "sorted(request.names)"),
        ("                await asyncio.sleep(60)", "                pass"),
        ("            for name in request.names:\n    ", ""),
        ('self._note("nothing that matters")', "workflow.uuid4()"),
        ("except ActivityError", "except FailureError"),
        ("self.count += 1", "await self._record(name)"),
    ],
)
def test_what_a_run_in_flight_would_notice_is_shown(committed, package, change):
    package(change)
    assert difference(committed, ["async_example"]) != ""


@pytest.mark.parametrize(
    "change",
    [
        ("minutes=5", "minutes=6"),
        ("STORAGE.options()", "UNDO.options()"),
        ('self._note("nothing that matters")', 'self._note("really")'),
        ("self.count += 1", "self.count += 2"),
        ("sleep(60)", "sleep(61)"),
    ],
)
def test_what_it_would_not_notice_is_not(committed, package, change):
    package(change)
    assert difference(committed, ["async_example"]) == ""


def test_the_difference_can_be_read(committed, package, capsys):
    package(("Storage.delete", "Storage.remove"))
    assert main([str(committed), "async_example"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["--- committed", "+++ source"]
    assert "-        workflow.execute_activity Storage.delete" in shown
    assert "+        workflow.execute_activity Storage.remove" in shown


@pytest.mark.usefixtures("package")
def test_without_a_file_everything_is_new(tmp_path):
    assert difference(tmp_path / "missing.json", ["async_example"]).count("\n+") > 10


def test_every_form_of_control_is_followed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "async_forms.py").write_text(
        textwrap.dedent(
            """
            async def forms(x):
                await (sleep(1) if x else gather())
                results = [await step(n) for n in x if n]
                while await wait_condition(x):
                    await sleep(2)
                else:
                    await skip()
                async for one in branches(x):
                    await step(one)
                match x:
                    case 1:
                        await sleep(3)
                    case _:
                        pass
                try:
                    pass
                except:
                    await sleep(4)
                else:
                    await sleep(5)
                def inner():
                    return commit()
                call(**shielded(x))
                (await wait())()

            def quiet():
                return 1
            """
        )
    )
    assert fingerprints(["async_forms"]) == {
        "async_forms": {
            "forms": [
                "if x", "  sleep", "else", "  gather",
                "for n in x if n", "  step",
                "wait_condition", "while await wait_condition(x)", "  sleep", "else", "  skip",
                "branches", "for one in branches(x)", "  step",
                "case 1", "  sleep",
                "except", "  sleep", "else", "  sleep",
                "commit", "shielded", "wait",
            ],
        },
    }  # fmt: skip


def test_a_package_is_its_modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "async_package" / "inner"
    folder.mkdir(parents=True)
    for module in (folder.parent / "__init__.py", folder / "__init__.py"):
        module.touch()
    (folder / "story.py").write_text("async def tell():\n    await sleep(1)\n")
    assert fingerprints(["async_package"]) == {"async_package.inner.story": {"tell": ["sleep"]}}


def test_a_folder_without_code_of_its_own_is_its_modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "async_folder").mkdir()
    (tmp_path / "async_folder" / "story.py").write_text("async def tell():\n    await sleep(1)\n")
    assert fingerprints(["async_folder"]) == {"async_folder.story": {"tell": ["sleep"]}}


def test_an_unknown_module_is_named():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        fingerprints(["no_such_module"])


def test_it_is_a_command(committed):
    command = [sys.executable, "-m", "temporalkit.fingerprints", committed.name, "async_example"]
    done = subprocess.run(command, cwd=committed.parent, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_file_is_sorted_text(committed):
    assert list(json.loads(committed.read_text())) == ["async_example"]

"""Commands as somebody types them, against a real server: what is asked, what is answered, and the exit code."""

import asyncio
import io
import json
import os
import pty
import signal
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from tests.fixtures.worlds import until
from tests.unit.meshctl.conftest import FAILED, NEXT_RUN, OPERATION, SUCCEEDED, TENANT, operation

from faults import Denied, Exhausted, Internal, Unimplemented
from meshctl import cli
from meshctl.commands.operations import moment
from meshctl.commands.starting import period
from meshctl.exits import Exit
from tenantmesh.provisioning.v1 import commands_pb2, operation_state_pb2, provision_tenant_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb


@pytest.fixture
def meshctl(mesh, capsys, monkeypatch):
    """Runs a command line as its own program would, and answers what it said."""

    async def meshctl(*words, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = await asyncio.to_thread(cli.main, ["--address", mesh.address, *words])
        said = capsys.readouterr()
        return SimpleNamespace(code=Exit(code), out=said.out, err=said.err, lines=said.out.splitlines())

    return meshctl


async def test_a_tenant_is_provisioned_and_followed(mesh, meshctl):
    mesh.provisioning.script.extend([operation(percent=10), SUCCEEDED])
    ran = await meshctl(
        "provision", "acme", "--skip", "welcome", "--tag", "mode:demo", "--on-failure", "hold", "--reason", "signed up"
    )
    assert ran.code is Exit.OK
    assert "100 %  activate  done" in ran.out
    assert "application   https://acme.example" in ran.out
    assert "The welcome was not delivered." in ran.out
    (request,) = mesh.provisioning.requests[:1]
    assert (request.tenant_id, request.reason, list(request.skip_steps)) == (TENANT, "signed up", ["welcome"])
    assert (list(request.tags), request.failure_policy) == (["mode:demo"], provision_tenant_pb2.FAILURE_POLICY_HOLD)


async def test_a_tenant_may_be_named_by_its_id(mesh, meshctl):
    ran = await meshctl("provision", TENANT, "--no-wait")
    assert ran.code is Exit.OK
    assert ran.lines[0] == f"{OPERATION}  running  0 %"
    assert not mesh.tenants.requests


async def test_what_runs_already_is_followed_and_said(mesh, meshctl):
    mesh.provisioning.started = False
    mesh.provisioning.script.append(SUCCEEDED)
    ran = await meshctl("provision", TENANT)
    assert (ran.code, ran.err) == (Exit.OK, f"{OPERATION} runs already\n")


@pytest.mark.parametrize(
    ("last", "code", "advice"),
    [
        (FAILED, Exit.FAILED, f"Once the cause is gone: meshctl operations retry {OPERATION}"),
        (operation("CANCELLED"), Exit.CANCELLED, ""),
        (operation("HELD", failed_step="infrastructure"), Exit.HELD, "It waits for a person"),
    ],
)
async def test_the_exit_code_says_how_it_ended(mesh, meshctl, last, code, advice):
    mesh.provisioning.script.append(last)
    ran = await meshctl("provision", TENANT)
    assert ran.code is code
    assert advice in ran.out


async def test_a_failure_says_what_is_left_where(mesh, meshctl):
    mesh.provisioning.script.append(FAILED)
    ran = await meshctl("provision", TENANT)
    assert "dns_record: the zone refuses changes (ZONE_REFUSED of dns.tenantmesh; zone=example)" in ran.lines
    assert "left behind by bucket: s3 bucket tenantmesh-acme" in ran.lines


async def test_programs_get_json(mesh, meshctl):
    mesh.provisioning.script.extend([operation(percent=10), SUCCEEDED])
    ran = await meshctl("--json", "provision", TENANT)
    assert [json.loads(line)["percent"] for line in ran.lines] == [10, 100]


async def test_a_plan_is_shown(meshctl):
    ran = await meshctl("provision", TENANT, "--plan")
    assert (ran.code, ran.lines) == (Exit.OK, ["It would be accepted.", "  schema  after validate"])


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Denied("not yours", reason="PERMISSION_MISSING"), Exit.DENIED),
        (Exhausted("later", reason="RATE_LIMITED", retry_after=timedelta(seconds=9)), Exit.AWAY),
        (Unimplemented("not yet", reason="NOT_BUILT"), Exit.BROKEN),
        (Internal("a bug", reason="UNEXPECTED"), Exit.BROKEN),
    ],
)
async def test_a_refusal_is_explained(mesh, meshctl, fault, code):
    mesh.provisioning.refusal = fault
    ran = await meshctl("provision", TENANT)
    assert ran.code is code
    assert f"{fault.message} ({fault.reason})" in ran.err
    assert ran.out == ""


async def test_bad_input_names_the_field(meshctl):
    ran = await meshctl("provision", TENANT, "--tag", "no tag")
    assert ran.code is Exit.REFUSED
    assert "tags[0]" in ran.err


async def test_a_tenant_nobody_knows_is_not_found(meshctl):
    ran = await meshctl("tenant", "show", "nobody")
    assert (ran.code, ran.out) == (Exit.NOT_FOUND, "")
    assert "TENANT_NOT_FOUND" in ran.err


def test_without_a_mesh_it_is_away(unused_tcp_port, capsys, monkeypatch):
    monkeypatch.setenv("RPC_ATTEMPTS", "1")
    assert cli.main(["--address", f"127.0.0.1:{unused_tcp_port}", "health"]) == Exit.AWAY
    assert "DEPENDENCY_UNAVAILABLE" in capsys.readouterr().err


def test_wrong_settings_are_named(capsys, monkeypatch):
    monkeypatch.setenv("RPC_TIMEOUT", "soon")
    assert cli.main(["health"]) == Exit.USAGE
    assert "RPC_TIMEOUT" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["provision"], ["suspend", "acme"], ["ops", "list", "--since", "soon"]])
def test_a_wrong_line_is_refused_before_anything_is_asked(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == Exit.USAGE
    assert "usage:" in capsys.readouterr().err


def test_the_help_documents_every_exit_code(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    for code in Exit:
        assert f"\n  {code.value} " in said


# ------------------------------------------------------------------------------- what removes and what shuts off


async def test_without_a_terminal_nothing_is_removed_unless_said(mesh, meshctl):
    ran = await meshctl("deprovision", "acme", "--reason", "left")
    assert ran.code is Exit.USAGE
    assert "--yes" in ran.err
    assert not mesh.provisioning.requests


async def test_a_tenant_is_deprovisioned(mesh, meshctl):
    mesh.provisioning.script.append(operation("SUCCEEDED", 100))
    ran = await meshctl("deprovision", "acme", "--reason", "left", "--grace", "2h", "--skip-export", "--yes")
    assert ran.code is Exit.OK
    request = mesh.provisioning.requests[0]
    assert (request.grace_period.seconds, request.skip_export, request.reason) == (7200, True, "left")


@pytest.mark.parametrize("name", ["confirm-deprovision", "undo-deprovision"])
async def test_the_grace_period_is_ended(mesh, meshctl, name):
    ran = await meshctl(name, "acme", "--reason", "said so", "--yes", "--no-wait")
    assert (ran.code, mesh.provisioning.requests[0].reason) == (Exit.OK, "said so")


async def test_the_grace_period_is_not_ended_by_chance(mesh, meshctl):
    assert (await meshctl("confirm-deprovision", "acme", "--reason", "x")).code is Exit.USAGE
    assert not mesh.provisioning.requests


@pytest.mark.parametrize("name", ["suspend", "resume"])
async def test_a_tenant_is_suspended_and_resumed(mesh, meshctl, name):
    ran = await meshctl(name, "acme", "--for", "billing", "--reason", "invoice 7", "--no-wait")
    request = mesh.provisioning.requests[0]
    assert (ran.code, request.suspension_reason, request.reason) == (Exit.OK, "billing", "invoice 7")


async def test_a_tenant_is_deployed_and_exported(mesh, meshctl):
    assert (await meshctl("deploy", "acme", "--version", "1.2.3", "--no-wait")).code is Exit.OK
    assert (await meshctl("export", "acme", "--keep", "3d", "--no-wait")).code is Exit.OK
    deploy, export = mesh.provisioning.requests
    assert (deploy.version, export.retention.seconds) == ("1.2.3", 3 * 86400)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800)])
def test_periods(text, seconds):
    assert period(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7w", "1d2h"])
def test_what_is_no_period(text):
    with pytest.raises(Exception, match="such as"):
        period(text)


# ------------------------------------------------------------------------------------------------- operations


async def test_operations_are_listed(mesh, meshctl):
    mesh.provisioning.pages = [[operation(percent=1)], [FAILED]]
    ran = await meshctl(
        "ops", "list", "--tenant", "acme", "--state", "failed", "--kind", "provision_tenant", "--tier", "pooled",
        "--failed-step", "dns_record", "--since", "2026-11-21T08:00:00+02:00",
    )  # fmt: skip
    assert ran.code is Exit.OK
    assert ran.lines[0].split() == ["OPERATION", "TENANT", "STATE", "%", "STEP", "BEGAN"]
    assert ran.lines[2].split() == [OPERATION, "acme", "failed", "60", "dns_record"]
    request = mesh.provisioning.requests[0]
    assert (request.tenant_id, request.failed_step) == (TENANT, "dns_record")
    assert list(request.states) == [operation_state_pb2.OPERATION_STATE_FAILED]
    assert request.min_start_time.ToJsonString() == "2026-11-21T06:00:00Z"


async def test_a_list_ends_at_its_limit(mesh, meshctl):
    mesh.provisioning.pages = [[operation(percent=1)] * 3, [FAILED]]
    ran = await meshctl("--json", "operations", "list", "--limit", "2")
    assert [json.loads(line)["percent"] for line in ran.lines] == [1, 1]
    assert [request.page_size for request in mesh.provisioning.requests] == [2]


def test_a_moment_without_a_zone_is_in_utc():
    assert moment("2026-11-21T08:00:00") == moment("2026-11-21T08:00:00Z") == moment("2026-11-21T10:00:00+02:00")


async def test_an_operation_is_shown(mesh, meshctl):
    mesh.provisioning.now = FAILED
    ran = await meshctl("ops", "show", OPERATION)
    assert ran.code is Exit.FAILED
    assert ran.lines[0] == f"{OPERATION}  failed  60 %"
    assert "  schema  undone" in ran.lines


async def test_an_operation_is_watched(mesh, meshctl):
    mesh.provisioning.script.extend([operation(percent=10), FAILED])
    assert (await meshctl("ops", "watch", OPERATION)).code is Exit.FAILED


async def test_that_it_was_cancelled_is_what_was_asked_for(mesh, meshctl):
    mesh.provisioning.script.extend([operation("UNDOING", 10), operation("CANCELLED")])
    ran = await meshctl("ops", "cancel", OPERATION, "--reason", "wrong customer")
    assert ran.code is Exit.OK
    cancel = next(each for each in mesh.provisioning.requests if isinstance(each, pb.CancelOperationRequest))
    assert cancel.reason == "wrong customer"


async def test_a_retry_follows_the_run_that_goes_on(mesh, meshctl):
    mesh.provisioning.script.append(SUCCEEDED)
    assert (await meshctl("ops", "retry", OPERATION)).code is Exit.OK
    assert mesh.provisioning.requests[-1].run_id == NEXT_RUN


@pytest.mark.parametrize(
    ("name", "decision"),
    [("approve", commands_pb2.APPROVAL_DECISION_APPROVED), ("reject", commands_pb2.APPROVAL_DECISION_REJECTED)],
)
async def test_an_approval_is_decided(mesh, meshctl, name, decision):
    assert (await meshctl("ops", name, OPERATION, "--reason", "checked", "--no-wait")).code is Exit.OK
    assert mesh.provisioning.requests[-1].decision == decision


async def test_an_operation_is_amended(mesh, meshctl):
    words = ("--domain", "acme.example", "--skip", "welcome", "--no-wait")
    assert (await meshctl("ops", "amend", OPERATION, *words)).code is Exit.OK
    request = mesh.provisioning.requests[-1]
    assert (list(request.domains), list(request.skip_steps)) == (["acme.example"], ["welcome"])


# ---------------------------------------------------------------------------------------- records, health, explain


async def test_a_tenant_is_shown_without_what_a_terminal_would_obey(mesh, meshctl):
    mesh.tenants.acme.protected = True
    mesh.tenants.acme.failure.failed_step = "dns_record"
    mesh.tenants.acme.operation_id = OPERATION
    ran = await meshctl("tenant", "show", "acme")
    assert ran.lines[0] == "acme  ACTIVE  pooled"
    assert "\x1b" not in ran.out
    assert "Acme ·[2J" in ran.out
    assert "protected" in ran.out
    assert "dns_record" in ran.out


async def test_tenants_are_listed(mesh, meshctl):
    ran = await meshctl("tenant", "list", "--filter", 'state = "ACTIVE"', "--limit", "2")
    assert len(ran.lines) == 3
    assert "\x1b" not in ran.out
    assert mesh.tenants.requests[0].filter == 'state = "ACTIVE"'


async def test_a_key_is_checked(meshctl):
    assert (await meshctl("tenant", "check-key", "free")).lines == ["It can be had."]
    ran = await meshctl("tenant", "check-key", "acme")
    assert (ran.code, ran.lines) == (Exit.REFUSED, ["It cannot be had: taken.", "  free: acme-2"])


PERSON = ("--email", "ada@acme.example", "--first-name", "Ada", "--last-name", "Lovelace")


async def test_a_record_is_made(mesh, meshctl):
    ran = await meshctl("tenant", "create", "acme", "--tier", "pooled", "--domain", "acme.example", *PERSON)
    assert ran.code is Exit.OK
    request = mesh.tenants.requests[-1]
    assert (request.key, request.display_name, request.contacts[0].primary) == ("acme", "acme", True)


async def test_a_visitor_becomes_a_tenant(mesh, meshctl):
    ran = await meshctl("lead", "create", "--company", "Acme", "--country", "CH", *PERSON)
    assert ran.lines == [f"lead  {TENANT}", "key   was sent by mail"]
    assert (await meshctl("lead", "verify", TENANT, stdin="k" * 43 + "\n")).lines == ["the-token"]
    words = ("--key", "acme", "--domain", "acme.example")
    assert (await meshctl("lead", "convert", TENANT, *words, stdin="the-token\n")).code is Exit.OK
    assert "VERIFIED" in (await meshctl("lead", "show", TENANT)).out
    _, verify, convert, _ = mesh.leads.requests
    assert (verify.key, convert.token, convert.key) == ("k" * 43, "the-token", "acme")


async def test_a_tenant_is_subscribed(mesh, meshctl):
    assert (await meshctl("plans")).lines[1].split() == ["standard", "pooled", "Standard"]
    ran = await meshctl("subscribe", "acme", "standard")
    assert (ran.code, ran.lines) == (Exit.OK, ["acme  standard  active"])
    (request,) = mesh.plans.requests
    assert (request.tenant_id, request.plan_id, request.activate) == (TENANT, TENANT, True)
    ran = await meshctl("subscribe", "acme", "golden")
    assert ran.code is Exit.NOT_FOUND
    assert "  known: standard" in ran.err


async def test_a_tenant_is_explained(meshctl):
    ran = await meshctl("explain", "acme")
    assert "It stopped at dns_record" in ran.lines[1]
    assert ran.lines[-1] == f"→ Let the zone take changes  meshctl ops retry {OPERATION}"


async def test_health_is_told(meshctl):
    ran = await meshctl("health", "--prove")
    assert ran.code is Exit.OK
    assert ran.lines == [
        "degraded  no worker on one queue",
        "  temporal: reachable",
        "  queue identity: 0 workers, 3 waiting",
        "  ENABLE_PROVISIONING is off: no new starts",
    ]


# --------------------------------------------------------------------------------------------- a real terminal


class Typed:
    """meshctl in a process of its own, at a terminal."""

    def __init__(self, process, terminal):
        self.process, self._terminal, self.said = process, terminal, ""
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self):
        try:
            text = os.read(self._terminal, 65536)
        except OSError:  # the other end is gone
            text = b""
        if not text:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self.said += text.decode(errors="replace")

    def types(self, text):
        os.write(self._terminal, text.encode())


@pytest.fixture
async def typed(mesh):
    opened = []

    async def typed(*words):
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "meshctl", "--address", mesh.address, *words,
            stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "160"},
        )  # fmt: skip
        os.close(theirs)
        opened.append((Typed(process, ours), ours))
        return opened[-1][0]

    yield typed
    for one, terminal in opened:
        asyncio.get_running_loop().remove_reader(terminal)
        os.close(terminal)
        if one.process.returncode is None:
            one.process.kill()
            await one.process.wait()


async def test_a_terminal_shows_steps_live(mesh, typed):
    go = asyncio.Event()
    mesh.provisioning.script.extend([operation(percent=10), go, SUCCEEDED])
    one = await typed("provision", "acme")
    await until(lambda: "10 %" in one.said)
    go.set()
    assert await one.process.wait() == Exit.OK
    await until(lambda: "https://acme.example" in one.said)
    assert "✓" in one.said
    assert "100 %" in one.said


async def test_ctrl_c_leaves_the_operation_alone(mesh, typed):
    mesh.provisioning.script.extend([operation(percent=10), asyncio.Event()])
    one = await typed("provision", "acme")
    await until(lambda: "10 %" in one.said)
    one.process.send_signal(signal.SIGINT)
    assert await one.process.wait() == Exit.INTERRUPTED
    await until(lambda: f"meshctl operations watch {OPERATION}" in one.said)
    assert "Traceback" not in one.said


@pytest.mark.parametrize(("answer", "code"), [("acme", Exit.OK), ("yes", Exit.USAGE)])
async def test_a_person_types_the_key_of_what_is_to_be_removed(mesh, typed, answer, code):
    mesh.provisioning.script.append(operation("SUCCEEDED", 100))
    one = await typed("deprovision", "acme", "--reason", "left")
    await until(lambda: "Type acme to go on" in one.said)
    one.types(f"{answer}\n")
    assert await one.process.wait() == code

"""The commands: up, down, status, logs, run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from localstack import control, logs, ports, view
from localstack import record as records
from localstack.component import Absent, Component, Profile
from localstack.components import UnknownComponent, select
from localstack.record import Record
from localstack.servers import keycloak_distribution
from localstack.settings import StackSettings
from localstack.site import Site
from localstack.stack import plan
from localstack.status import FINE, look
from localstack.supervisor import AlreadySupervised, Supervisor, alone, environment_file
from settingskit import SettingsInvalid, load

NOT_RUNNING = 3
INTERRUPTED = 130
EXPECTED = (
    SettingsInvalid,
    UnknownComponent,
    AlreadySupervised,
    control.NotStarted,
    control.NotStopped,
    logs.NoLog,
)


def main(words: Sequence[str]) -> int:
    """Run one command and answer its exit code."""
    chosen = parser().parse_args(words)
    try:
        settings = load(StackSettings, os.environ)
        settings = replace(settings, state=settings.state.resolve())
        return int(chosen.command(settings, chosen))
    except EXPECTED as problem:
        print(problem, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="python -m localstack", description="The local stack: real servers, one command."
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for name, command, words in (("up", up, "start it and leave it running"), ("run", run, "run it until Ctrl-C")):
        one = commands.add_parser(name, help=words)
        one.add_argument(
            "--profile", type=Profile, choices=list(Profile), default=Profile.DEFAULT, metavar="default|full"
        )
        one.add_argument("--only", type=_names, default=[], metavar="A,B", help="only these and what they need")
        one.set_defaults(command=command, foreground=False)
        if command is up:
            one.add_argument("--foreground", action="store_true", help="stay, and stop it on Ctrl-C")
    one = commands.add_parser("fetch", help="fetch and build now what a first start would")
    one.set_defaults(command=fetch)
    one = commands.add_parser("down", help="stop it")
    one.add_argument("--purge", action="store_true", help="and remove its data, logs and secrets")
    one.set_defaults(command=down)
    one = commands.add_parser("status", help="show how it is; exit code 0: all ready, 1: not all, 3: not running")
    one.add_argument("--json", action="store_true", help="for programs")
    one.set_defaults(command=status)
    one = commands.add_parser("logs", help="print what a component wrote")
    one.add_argument("name", help="a component, or supervisor")
    one.add_argument("-f", "--follow", action="store_true", help="go on as it writes more")
    one.add_argument("-n", "--lines", type=int, default=50, help="how many of the last lines (50)")
    one.set_defaults(command=show_logs)
    return root


def up(settings: StackSettings, chosen: argparse.Namespace) -> int:
    """Start the stack under a supervisor of its own, and return when all is ready."""
    if chosen.foreground:
        return run(settings, chosen)
    wanted = select(chosen.profile, chosen.only)
    with control.turn(settings.state):
        record = records.read(settings.state)
        if record is None or not record.alive():
            control.end(settings.state)  # what a killed supervisor may have left
            arguments = ["--profile", chosen.profile.value, *(["--only", ",".join(chosen.only)] if chosen.only else [])]
            pid = control.launch(settings.state, arguments)
            return _follow(settings, pid)
    return _already(settings, record, wanted)


def run(settings: StackSettings, chosen: argparse.Namespace) -> int:
    """Be the supervisor."""
    wanted = select(chosen.profile, chosen.only)
    with alone(settings.state), ports.choosing(usual=settings.usual_ports) as in_use:
        layout = plan(wanted, settings, required=chosen.only)
        supervisor = Supervisor.of(layout, settings.state, started=in_use)
        return asyncio.run(supervisor.run())


def fetch(settings: StackSettings, _: argparse.Namespace) -> int:
    """Have Keycloak there before it is waited for. Where it cannot be had, `up` says so as well, and does without."""
    try:
        print(asyncio.run(keycloak_distribution.provide(Site("keycloak", settings.state, settings=settings).cache)))
    except Absent as reason:
        print(f"keycloak {reason}", file=sys.stderr)
    return 0


def down(settings: StackSettings, chosen: argparse.Namespace) -> int:
    """Stop the stack, wherever it was started."""
    count = control.end(settings.state, print)
    print(f"stopped {count} processes; none is left" if count else "nothing was running")
    if chosen.purge:
        control.purge(settings.state)
        print(f"removed what it kept in {settings.state}")
    return 0


def status(settings: StackSettings, chosen: argparse.Namespace) -> int:
    """Show how each component is now."""
    record = records.read(settings.state)
    if record is None or not record.alive():
        return _not_running(settings, record, as_json=chosen.json)
    lines = asyncio.run(look(record, settings))
    if chosen.json:
        components = [line.as_json() for line in lines]
        print(json.dumps({"phase": record.phase, "state": str(settings.state), "components": components}, indent=2))
    else:
        print(view.table(lines))
    return 0 if record.phase == "running" and all(line.state in FINE for line in lines) else 1


def show_logs(settings: StackSettings, chosen: argparse.Namespace) -> int:
    """Print the last lines of a component's log, and go on if asked to."""
    with suppress(KeyboardInterrupt):
        logs.show(settings.state, chosen.name, chosen.lines, follow=chosen.follow)
    return 0


def _follow(settings: StackSettings, pid: int) -> int:
    """Show a stack starting; a Ctrl-C meanwhile ends it."""
    progress = view.Progress(sys.stdout)
    record: Record | None = None
    try:
        for record in control.follow(settings.state, pid):
            progress.show(record)
    except KeyboardInterrupt:
        print("interrupted: stopping what was started", file=sys.stderr)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
        control.end(settings.state)
        return INTERRUPTED
    assert record is not None  # noqa: S101 - following yields at least once, or raises
    if record.phase != "running":
        print(view.failure(record), file=sys.stderr)
        return 1
    _table(settings, record, ask=False)  # each was asked a moment ago
    print(f"all ready in {record.seconds:.1f} s; what clients need: . {_relative(environment_file(settings.state))}")
    return 0


def _already(settings: StackSettings, record: Record, wanted: Sequence[Component]) -> int:
    missing = [one.name for one in wanted if one.name not in record.entries]
    _table(settings, record, ask=True)
    if missing:
        print(f"already running, without {', '.join(missing)}: run `down` first", file=sys.stderr)
        return 1
    print("already running")
    return 0


def _not_running(settings: StackSettings, record: Record | None, *, as_json: bool) -> int:
    phase = record.phase if record and record.phase in {"failed", "stopped"} else "stopped"
    if as_json:
        print(json.dumps({"phase": phase, "state": str(settings.state), "components": []}, indent=2))
    elif record and phase == "failed":
        print(view.failure(record))
    elif record and record.phase != phase:
        print("not running: its supervisor was killed, and everything with it")
    else:
        print("not running")
    return NOT_RUNNING


def _table(settings: StackSettings, record: Record, *, ask: bool) -> None:
    print(view.table(asyncio.run(look(record, settings, ask=ask))))


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

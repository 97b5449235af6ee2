"""meshctl: the command line of the mesh."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from faults import Fault
from meshctl.client import open_mesh
from meshctl.commands import examining, operations, plans, records, starting
from meshctl.commands.call import Call
from meshctl.exits import Exit, of_fault
from meshctl.settings import MeshSettings
from meshctl.showing.words import refusal
from settingskit import SettingsInvalid, load

_EXITS: Final = """\
exit codes:
  0    it was done, or the operation succeeded
  1    the operation failed
  2    the command or a setting was wrong; nothing was asked
  3    nothing of that name exists
  4    the mesh refused: wrong input, wrong state, or somebody else's
  5    the caller is not known, or may not
  6    no answer, or not now: try again later
  7    the operation was cancelled
  8    the operation stands still until a person decides
  9    not built, or an error nobody foresaw
  130  interrupted by Ctrl-C; the operation goes on

settings: MESH_ADDRESS (127.0.0.1:8080), RPC_TOKEN_FILE, RPC_TLS, RPC_CA_FILE, RPC_CERT_FILE, RPC_KEY_FILE, RPC_TIMEOUT
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    chosen = parser().parse_args(words)
    try:
        settings = load(MeshSettings, os.environ)
        if chosen.address:
            settings = replace(settings, address=chosen.address)
        return asyncio.run(_run(settings, chosen))
    except Fault as fault:
        print(*refusal(fault), sep="\n", file=sys.stderr)
        return of_fault(fault)
    except (SettingsInvalid, ValueError) as problem:
        print(problem, file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="meshctl",
        description="Provision tenants, follow what is going on, and explain what went wrong.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--address", default="", metavar="HOST:PORT", help="where the mesh is (MESH_ADDRESS)")
    root.add_argument("--json", action="store_true", help="answer in JSON, one object a line")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for module in (starting, operations, records, plans, examining):
        module.add(commands)
    return root


async def _run(settings: MeshSettings, chosen: argparse.Namespace) -> int:
    async with open_mesh(settings) as mesh:
        code: Exit = await chosen.command(Call(mesh, chosen, sys.stdout, sys.stderr))
    return code

"""What the SDK and the server do to whoever does not know: each a reason for something temporalkit does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

from temporalio.client import WorkflowExecutionStatus
from tests.integration.temporalkit.worker_workflows import SetsUnknown

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
    import asyncio
    import sys
    from temporalio import workflow
    from temporalio.client import Client
    from temporalio.worker import Worker
    from temporalkit.sandbox import workflow_runner

    @workflow.defn
    class Hello:
        @workflow.run
        async def run(self) -> str:
            return "hello"

    async def main():
        client = await Client.connect(sys.argv[1])
        async with Worker(client, task_queue=sys.argv[2], workflows=[Hello], workflow_runner=workflow_runner()):
            print(await client.execute_workflow(Hello.run, id=sys.argv[2], task_queue=sys.argv[2]))

"""


def run_script(tmp_path, temporal, queue, last_line):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT) + last_line)
    command = [sys.executable, script, temporal.address, queue]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, cwd=ROOT)


def test_workflows_in_a_script_need_a_guard(tmp_path, temporal, queue):
    """The sandbox loads the script again, and without the guard so it starts itself again."""
    guarded = run_script(tmp_path, temporal, queue, 'if __name__ == "__main__":\n    asyncio.run(main())\n')
    assert guarded.stdout == "hello\n", guarded.stderr
    unguarded = run_script(tmp_path, temporal, f"{queue}-2", "asyncio.run(main())\n")
    assert "Failed validating workflow" in unguarded.stderr
    assert unguarded.returncode == 1


async def test_a_run_that_sets_an_unknown_search_attribute_hangs(client, worker, queue, run_id):
    """Why a worker asks the namespace first."""
    async with worker(workflows=[SetsUnknown]):
        handle = await client.start_workflow(SetsUnknown.run, id=run_id, task_queue=queue)
        while not any(  # noqa: ASYNC110 - the server is asked
            [event.HasField("workflow_task_failed_event_attributes") async for event in handle.fetch_history_events()]
        ):
            await asyncio.sleep(0.05)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.terminate()

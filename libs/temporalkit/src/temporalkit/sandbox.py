"""The sandbox workflows run in: what it may share with the process, set once for all workers, tests and replays.

Temporal loads a workflow's module anew for every run, to catch what would differ on replay. Everything that module
imports should be shared instead: loading is what costs, and a generated message loaded twice is two classes.
"""

from __future__ import annotations

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

# Whole packages that hold no state a run could change. `google` is the messages of googleapis, `buf` those of
# protovalidate: the generated stubs of `tenantmesh` import both.
SHARED = ("buf", "chassis", "faults", "google", "opentelemetry", "settingskit", "temporalkit", "tenantmesh")


def workflow_runner(*shared: str) -> SandboxedWorkflowRunner:
    """The sandbox of a worker or a replayer.

    Args:
        shared: more modules to share, such as those that define the activities. A workflow that imports what is
            neither shared nor its own is refused when the worker starts: sharing is said, not guessed.
    """
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*SHARED, *shared)
    return SandboxedWorkflowRunner(
        restrictions.with_import_notification_policy(SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH)
    )

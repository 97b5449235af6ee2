"""Builds of a worker: a run stays with the build it began under, and a new build takes over when it is told to."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

_log: Final = logging.getLogger(__name__)
_PAUSE: Final = 0.2
_ATTEMPTS: Final = 150


def deployment_config(deployment: str, build_id: str) -> WorkerDeploymentConfig | None:
    """What a worker says of itself; nothing without a build id, and then any worker may go on with any run."""
    if not build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def promote(client: Client, deployment: str, build_id: str) -> None:
    """Let new runs begin under this build. Runs in flight stay with theirs.

    Temporal learns of a build when its first worker asks for work, so a worker that has just started may have to wait.
    The same as `temporal worker deployment set-current-version`; promoting an older build again is the way back.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=deployment,
        build_id=build_id,
        identity=client.identity,
        ignore_missing_task_queues=True,  # queues this build serves may be served by another process
    )
    for _ in range(_ATTEMPTS - 1):
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            _log.debug("build not known yet", extra={"build_id": build_id, "cause": error.message})
            await asyncio.sleep(_PAUSE)
        else:
            break
    else:
        await client.workflow_service.set_worker_deployment_current_version(request)
    _log.info("new runs begin under this build", extra={"deployment": deployment, "build_id": build_id})

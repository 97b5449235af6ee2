"""Reading the stream of a watch: what breaks it is a fault, and so is silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import grpc

from chassis.client import streaming
from chassis.errors import fault_of
from faults import Unavailable
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb

SILENCE: Final = timedelta(seconds=90)  # a stream that lives says so every 30 seconds


async def changes(call: Any) -> AsyncIterator[pb.WatchOperationResponse]:
    """What a watch says, until the service ends it.

    Raises:
        Fault: it broke, or said nothing for too long.
    """
    async with streaming(call) as answers:
        while True:
            try:
                async with asyncio.timeout(SILENCE.total_seconds()):
                    answer = await answers.read()
            except TimeoutError:
                message = "the stream said nothing for too long"
                raise Unavailable(message, reason="DEPENDENCY_UNAVAILABLE", domain="tenantmesh") from None
            except grpc.RpcError as error:
                raise fault_of(error) from error
            if not isinstance(answer, pb.WatchOperationResponse):  # the end of the stream
                return
            yield answer

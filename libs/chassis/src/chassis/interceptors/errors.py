"""The layer that ends every failed call with a status a caller can act on, and tells it nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import grpc

from chassis.errors import CODES, status_of, trailing_metadata
from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from faults import Fault, Internal

_log = logging.getLogger(__name__)


def errors(domain: str) -> Layer:
    """Translate faults.

    Args:
        domain: who defines the reasons of faults that do not say, such as `dns.tenantmesh`.
    """

    def layer(_: Method, proceed: Handler) -> Handler:
        async def handle(call: Call) -> Any:
            try:
                response = await proceed(call)
            except grpc.aio.AbortError:  # the handler answered for itself, as the health service does
                call.code = call.context.code() or grpc.StatusCode.UNKNOWN
                raise
            except asyncio.CancelledError:
                call.code = _cancelled(call)
                raise
            except Exception as error:  # noqa: BLE001 - the last place where an exception can become an answer
                call.fault = _fault(error, call)
            else:
                call.code = call.context.code() or grpc.StatusCode.OK
                return response
            call.code = CODES[call.fault.kind]
            status = status_of(call.fault, domain=domain)
            return await call.context.abort(call.code, status.message, trailing_metadata(status))

        return handle

    return layer


def _cancelled(call: Call) -> grpc.StatusCode:
    """Why gRPC cancelled the handler; the caller has its status already."""
    deadline = call.facts.deadline
    if deadline is not None and deadline <= time.monotonic():
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _fault(error: BaseException, call: Call) -> Fault:
    """The fault an exception is, or the neutral one that stands for an exception nobody foresaw."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:  # what a task group makes of one error
        error = error.exceptions[0]
    if isinstance(error, Fault):
        return error
    _log.error("unexpected error in %s", call.method.path, exc_info=error)
    message = "Something went wrong that nobody foresaw. The log has the rest, under the request id."
    return refusal(Internal, "UNEXPECTED", message, call.method, request_id=call.facts.request_id)

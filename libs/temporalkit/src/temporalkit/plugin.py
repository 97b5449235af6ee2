"""What client, worker and replayer must agree on, given to all three as one thing."""

from __future__ import annotations

from opentelemetry.trace import Tracer
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.plugin import SimplePlugin

from faults import Fault
from temporalkit.codec import EncryptionSettings
from temporalkit.converter import data_converter
from temporalkit.propagation import PropagationInterceptor


def mesh_plugin(encryption: EncryptionSettings | None = None, tracer: Tracer | None = None) -> SimplePlugin:
    """The converter, tracing and propagation, and that a fault ends a run instead of failing its task.

    Give it to a client: its workers take it over. A replayer takes it as well.

    Spans are those of the SDK's stable interceptor: a run is a point in the trace, its activities have their length.
    Its newer plugin draws runs with their length too, but shows them only once they are closed, and asks for a tracer
    provider of its own kind in the whole process.
    """
    return SimplePlugin(
        "tenantmesh",
        data_converter=data_converter(encryption),
        interceptors=[TracingInterceptor(tracer), PropagationInterceptor()],
        workflow_failure_exception_types=[Fault],
    )

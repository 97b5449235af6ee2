from datetime import timedelta

from storage_service.schemas.translate import limits_from
from tenantmesh.storage.v1 import schema_pb2


def test_limits_are_what_a_role_can_be_told():
    limits = schema_pb2.SchemaLimits()
    limits.statement_timeout.FromMicroseconds(1_000_500)
    limits.idle_in_transaction_timeout.FromSeconds(2)
    found = limits_from(schema_pb2.EnsureSchemaRequest(limits=limits))
    assert (found.max_connections, found.statement_timeout) == (None, timedelta(seconds=1))
    assert found.idle_in_transaction_timeout == timedelta(seconds=2)
    assert limits_from(schema_pb2.EnsureSchemaRequest()).statement_timeout is None

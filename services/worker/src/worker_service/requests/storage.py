"""Requests to the storage service."""

from __future__ import annotations

from tenantmesh.provisioning.v1.provisioned_resource_pb2 import SYSTEM_STORAGE
from tenantmesh.storage.v1 import bucket_pb2 as buckets
from tenantmesh.storage.v1 import schema_pb2 as schemas
from worker_service.operation.run import Run


def schema(run: Run) -> schemas.EnsureSchemaRequest:
    """A place for rows."""
    return schemas.EnsureSchemaRequest(**run.owned)


def keep_schema(run: Run, answer: schemas.EnsureSchemaResponse) -> None:
    """Know the schema."""
    made = answer.schema
    run.made.schema_name = made.name
    run.record(SYSTEM_STORAGE, "schema", made.provider, made.name, server=made.server, database=made.database)


def seed(run: Run) -> schemas.SeedSchemaRequest:
    """Its first rows."""
    known = {"company_name": run.tenant.display_name, "country": run.tenant.address.country}
    return schemas.SeedSchemaRequest(
        **run.owned,
        template=run.installation.seed_template,
        variables={name: value for name, value in known.items() if value},
    )


def read_schema(run: Run) -> schemas.GetSchemaRequest:
    """How it stands."""
    return schemas.GetSchemaRequest(**run.identified)


def remove_schema(run: Run) -> schemas.DeleteSchemaRequest:
    """None of this operation's."""
    return schemas.DeleteSchemaRequest(**run.owned)


def open_schema(run: Run) -> schemas.SetSchemaAccessRequest:
    """The tenant reaches its rows."""
    return schemas.SetSchemaAccessRequest(**run.identified, enabled=True)


def close_schema(run: Run) -> schemas.SetSchemaAccessRequest:
    """The tenant does not reach its rows."""
    return schemas.SetSchemaAccessRequest(**run.identified, enabled=False)


def bucket(run: Run) -> buckets.EnsureBucketRequest:
    """A place for objects."""
    return buckets.EnsureBucketRequest(**run.owned, domains=run.made.hostnames)


def keep_bucket(run: Run, answer: buckets.EnsureBucketResponse) -> None:
    """Know the bucket."""
    made = answer.bucket
    run.made.storage_bucket, run.made.storage_prefix = made.name, made.prefix
    identifier = f"{made.name}/{made.prefix}" if made.prefix else made.name
    run.record(SYSTEM_STORAGE, "bucket", made.provider, identifier, region=made.region)


def read_bucket(run: Run) -> buckets.GetBucketRequest:
    """How it stands."""
    return buckets.GetBucketRequest(**run.identified)


def empty_bucket(run: Run) -> buckets.EmptyBucketRequest:
    """Nothing in it, such as what the application wrote already."""
    return buckets.EmptyBucketRequest(**run.identified)


def remove_bucket(run: Run) -> buckets.DeleteBucketRequest:
    """None of this operation's."""
    return buckets.DeleteBucketRequest(**run.owned)


def open_bucket(run: Run) -> buckets.SetBucketAccessRequest:
    """The tenant's credentials work."""
    return buckets.SetBucketAccessRequest(**run.identified, enabled=True)


def close_bucket(run: Run) -> buckets.SetBucketAccessRequest:
    """The tenant's credentials do not work."""
    return buckets.SetBucketAccessRequest(**run.identified, enabled=False)

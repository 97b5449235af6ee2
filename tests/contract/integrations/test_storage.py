"""The bounds of storage.v1, tried on requests: what is meant to pass does, and what is not does not."""

import pytest

from tenantmesh.storage.v1 import bucket_service_pb2, schema_service_pb2

BUCKETS = bucket_service_pb2.DESCRIPTOR.services_by_name["BucketService"]
SCHEMAS = schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"]
MADE = {"operation_id": "provision-tenant-01939e4e"}
CREDENTIALS = {"credentials_id": "acme.provision-1"}
EXPORT = {"export_id": "before-delete", "destination": "EXPORT_DESTINATION_ARCHIVE"}
CLAIM = {"claim_token": "t" * 43}

# A whole request of every RPC, without the coordinates of the tenant.
WHOLE = {
    "EnsureBucket": MADE | {"domains": ["acme.example"], "settings": {"versioning": False}},
    "GetBucket": {},
    "ListBuckets": {},
    "SetBucketAccess": {"enabled": False},
    "EmptyBucket": {},
    "DeleteBucket": MADE,
    "IssueCredentials": MADE | {"access": "BUCKET_ACCESS_READ_WRITE"},
    "ListCredentials": {},
    "RotateCredentials": MADE | CREDENTIALS,
    "RevokeCredentials": {},
    "IssueCredentialsClaim": CREDENTIALS,
    "ClaimCredentials": CLAIM,
    "PresignUpload": {"key": "reports/2026/q1 (final).pdf", "content_length": 1024, "lifetime": {"seconds": 60}},
    "PresignDownload": {"key": ".well-known/a..b", "download_name": "q1.pdf"},
    "GetUsage": {},
    "SetQuota": {"max_bytes": 1 << 40},
    "EnsureSchema": MADE | {"limits": {"max_connections": 20, "statement_timeout": {"seconds": 30}}},
    "SeedSchema": MADE | {"template": "default", "variables": {"company_name": "Acme"}},
    "GetSchema": {},
    "ListSchemas": {},
    "SetSchemaAccess": {"enabled": True},
    "DeleteSchema": {"export_id": "before-delete"},
    "RotateSchemaPassword": MADE,
    "IssueSchemaClaim": {},
    "ClaimSchemaPassword": CLAIM,
    "MigrateSchemas": {"parallelism": 64},
    "ListMigrations": {},
    "ExportSchema": MADE | EXPORT,
    "GetExport": EXPORT,
    "ListExports": {"destination": "EXPORT_DESTINATION_TENANT_BUCKET"},
    "PresignExport": EXPORT,
    "DeleteExport": EXPORT,
    "RestoreSchema": MADE | EXPORT,
    "GetPlacement": {},
    "ListDatabaseServers": {},
}


@pytest.fixture
def whole(request_of):
    def whole(method, **changed):
        service = BUCKETS if method in BUCKETS.methods_by_name else SCHEMAS
        return request_of(service, method, **WHOLE[method] | changed)

    return whole


def test_every_method_is_tried():
    assert WHOLE.keys() == {*BUCKETS.methods_by_name, *SCHEMAS.methods_by_name}


@pytest.mark.parametrize("method", WHOLE)
def test_a_whole_request_passes(method, whole, broken):
    assert broken(whole(method)) == set()


@pytest.mark.parametrize(
    ("method", "changed", "expected"),
    [
        ("EnsureBucket", {"tenant_key": 'acme"; drop'}, ("tenant_key", "string.pattern")),
        ("EnsureBucket", {"settings": {"kms_key_id": "a key"}}, ("settings.kms_key_id", "string.pattern")),
        ("IssueCredentials", {"access": 0}, ("access", "enum.not_in")),
        ("IssueCredentials", {"lifetime": {"seconds": 899}}, ("lifetime", "duration.gte_lte")),
        ("RotateCredentials", {"credentials_id": "../other"}, ("credentials_id", "string.pattern")),
        ("PresignUpload", {"content_length": -1}, ("content_length", "int64.gte_lte")),
        ("PresignUpload", {"sha256": "A" * 64}, ("sha256", "string.pattern")),
        ("PresignDownload", {"download_name": 'a"; x="b'}, ("download_name", "string.pattern")),
        ("SetQuota", {"max_bytes": -1}, ("max_bytes", "int64.gte")),
        ("EnsureSchema", {"tenant_key": "a" * 32}, ("tenant_key", "string.max_len")),
        ("SeedSchema", {"variables": {"Company Name": "Acme"}}, ("variables", "string.pattern")),
        ("MigrateSchemas", {"parallelism": 65}, ("parallelism", "int32.gte_lte")),
        ("MigrateSchemas", {"tenant_id": ""}, ("", "tenant.whole")),
        ("ExportSchema", {"destination": 0}, ("destination", "enum.not_in")),
        ("RestoreSchema", {"source": {"tenant_key": "old", "tier": 1}}, ("source.tenant_id", "string.uuid_empty")),
    ],
)
def test_a_field_out_of_bounds_is_refused(method, changed, expected, whole, broken):
    assert expected in broken(whole(method, **changed))


@pytest.mark.parametrize("key", ["/etc/passwd", "a//b", "a/../b", "..", "./a", "a/.", "a/"])
@pytest.mark.parametrize("method", ["PresignUpload", "PresignDownload"])
def test_a_key_cannot_leave_the_tenant(method, key, whole, broken):
    assert broken(whole(method, key=key)) == {("key", "key.segments")}


def test_only_the_hand_over_answers_a_secret(secrets):
    assert secrets(BUCKETS, SCHEMAS) == {
        "IssueCredentialsClaimResponse.claim_token",
        "ClaimCredentialsResponse.secret_access_key",
        "ClaimCredentialsResponse.session_token",
        "PresignUploadResponse.url",
        "PresignDownloadResponse.url",
        "IssueSchemaClaimResponse.claim_token",
        "ClaimSchemaPasswordResponse.password",
        "ExportLink.url",
    }

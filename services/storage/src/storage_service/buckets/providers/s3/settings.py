"""What is configured about an S3-compatible store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from settingskit import Problem, Secret, SettingsInvalid, setting


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Settings of the s3 store."""

    key_id: str | None = setting(
        "AWS_ACCESS_KEY_ID", default=None, help="Access key; without one, the identity of the machine or pod is used."
    )
    key: Secret | None = setting("AWS_SECRET_ACCESS_KEY", default=None, help="Secret of the access key.")
    token: Secret | None = setting("AWS_SESSION_TOKEN", default=None, help="Session token of temporary credentials.")
    region: str = setting("AWS_REGION", default="us-east-1", help="Region of the buckets.")
    endpoint: str | None = setting(
        "S3_ENDPOINT", default=None, help="Address of the S3 API, where it is not Amazon's usual one."
    )
    public_endpoint: str | None = setting(
        "S3_PUBLIC_ENDPOINT",
        default=None,
        help="Address that tenants and browsers reach it at; S3_ENDPOINT if not given.",
    )
    iam_endpoint: str | None = setting(
        "IAM_ENDPOINT", default=None, help="Address of its IAM API; S3_ENDPOINT if not given, Amazon's without one."
    )
    sts_endpoint: str | None = setting(
        "STS_ENDPOINT", default=None, help="Address of its STS API; S3_ENDPOINT if not given, Amazon's without one."
    )
    path_style: bool | None = setting(
        "S3_PATH_STYLE", default=None, help="Whether a bucket's name stands in the path; by default with S3_ENDPOINT."
    )
    block_required: bool | None = setting(
        "S3_REQUIRE_PUBLIC_ACCESS_BLOCK", default=None,
        help="Whether to make no bucket without a public access block; by default at Amazon.",
    )  # fmt: skip
    shared_domains: tuple[str, ...] = setting(
        "STORAGE_SHARED_DOMAINS", default=(), help="Domains whose pages may reach the shared bucket from a browser."
    )
    patience: timedelta = setting(
        "S3_TIMEOUT", default=timedelta(seconds=20), minimum=timedelta(milliseconds=10),
        help="How long to wait for a connection, and for each part of an answer.",
    )  # fmt: skip
    attempts: int = setting(
        "S3_ATTEMPTS", default=3, minimum=1, maximum=10, help="How often a request is sent before it has failed."
    )
    connections: int = setting("S3_CONNECTIONS", default=50, minimum=1, help="Connections kept open at most.")
    key_patience: timedelta = setting(
        "IAM_KEY_TIMEOUT", default=timedelta(seconds=20),
        help="How long a key that was just made may be unknown to STS.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse half a key, and a store of one's own without any."""
        problems = []
        if (self.key_id is None) is not (self.key is None):
            problems.append(Problem("AWS_SECRET_ACCESS_KEY", "goes together with AWS_ACCESS_KEY_ID"))
        if self.endpoint is not None and self.key_id is None:
            problems.append(Problem("AWS_ACCESS_KEY_ID", "is required with S3_ENDPOINT"))
        if problems:
            raise SettingsInvalid(problems)

    @property
    def at_amazon(self) -> bool:
        """Whether the store is Amazon's own."""
        return self.endpoint is None

    @property
    def in_path(self) -> bool:
        """Whether a bucket's name stands in the path of a URL."""
        return not self.at_amazon if self.path_style is None else self.path_style

    @property
    def needs_block(self) -> bool:
        """Whether no bucket is made without a public access block."""
        return self.at_amazon if self.block_required is None else self.block_required

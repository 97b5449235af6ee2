"""The house rules of the contracts, tried on a descriptor image that has its comments.

buf knows the style of any contract. These rules know ours: proto/README.md says each of them in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import fields, http, reasons, rpcs, tenancy
from .reading import Contracts, parse, read

__all__ = ["RULES", "Contracts", "parse", "problems", "read"]

RULES: tuple[Callable[[Contracts], Iterator[str]], ...] = (
    rpcs.package_is_directory,
    rpcs.domains_stand_alone,
    rpcs.rpc_is_explained,
    rpcs.rpc_has_permission,
    rpcs.rpc_has_idempotency_level,
    rpcs.rpc_has_own_messages,
    tenancy.request_names_its_tenant,
    rpcs.list_has_pages,
    rpcs.create_has_request_id,
    http.rpc_has_http,
    http.url_is_plain,
    http.http_paths_are_unique,
    fields.field_is_bounded,
    fields.request_enum_says_what_zero_means,
    fields.tenant_id_is_uuid,
    fields.time_is_called_time,
    fields.secret_is_redacted,
    reasons.enum_starts_unspecified,
    reasons.reason_is_documented,
    reasons.rpc_names_its_reasons,
    reasons.reason_is_given,
)


def problems(contracts: Contracts) -> list[str]:
    """Everything the rules have against the contracts, each once."""
    return list(dict.fromkeys(problem for rule in RULES for problem in rule(contracts)))

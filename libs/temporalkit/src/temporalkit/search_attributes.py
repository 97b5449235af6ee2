"""Search attributes a workflow sets must be known to the namespace: a run that sets an unknown one hangs for good.

Its task fails, is tried again, and fails again; nothing says so but the log of the server. So a worker asks first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

Keys = Iterable[SearchAttributeKey[Any]]


_NOT_TOLD: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})


async def missing_search_attributes(client: Client, keys: Keys) -> list[str]:
    """The names of those the namespace does not know, or knows as something else; none where it does not tell."""
    wanted = _types(keys)
    if not wanted:
        return []
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        known = (await client.operator_service.list_search_attributes(request)).custom_attributes
    except RPCError as error:
        if error.status in _NOT_TOLD:
            return []
        raise
    return sorted(name for name, kind in wanted.items() if known.get(name) != kind)


async def add_search_attributes(client: Client, keys: Keys) -> None:
    """Make the namespace know them. For whoever sets a namespace up: it takes an administrator's rights."""
    missing = set(await missing_search_attributes(client, keys))
    wanted = {name: kind for name, kind in _types(keys).items() if name in missing}
    if wanted:
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
        await client.operator_service.add_search_attributes(request)


def _types(keys: Keys) -> Mapping[str, IndexedValueType.ValueType]:
    return {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in keys}

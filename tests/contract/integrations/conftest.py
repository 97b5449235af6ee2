"""What the suites of the integrations' contracts share: whose requests they try, and what is said against one."""

from itertools import chain

import protovalidate
import pytest
from google.protobuf import message_factory

TENANT = "01939e4e-0000-7000-8000-000000000001"


@pytest.fixture(scope="session")
def where():
    """The coordinates of a tenant, which nearly every request carries."""
    return {"tenant_id": TENANT, "tenant_key": "acme", "tier": "TIER_SILO"}


@pytest.fixture(scope="session")
def request_of(where):
    """Makes the request of a method: the coordinates as far as it has them, and the fields given."""

    def request_of(service, method, **fields):
        kind = service.methods_by_name[method].input_type
        coordinates = {name: value for name, value in where.items() if name in kind.fields_by_name}
        return message_factory.GetMessageClass(kind)(**coordinates | fields)

    return request_of


@pytest.fixture(scope="session")
def broken():
    """The rules a message breaks, by the field they stand on."""

    def broken(message):
        try:
            protovalidate.validate(message)
        except protovalidate.ValidationError as error:
            return {(path(violation.proto.field), violation.proto.rule_id) for violation in error.violations}
        return set()

    return broken


def path(field):
    """The dotted name of the field a violation stands on; empty for the whole message."""
    return ".".join(element.field_name for element in field.elements) if field else ""


@pytest.fixture(scope="session")
def secrets():
    """The fields of a service's answers that are redacted, by message."""

    def secrets(*services):
        methods = chain.from_iterable(service.methods for service in services)
        return set(chain.from_iterable(redacted(method.output_type, set()) for method in methods))

    return secrets


def redacted(message, seen):
    """The redacted fields of a message and of everything in it."""
    seen.add(message.full_name)
    for field in message.fields:
        if field.GetOptions().debug_redact:
            yield f"{message.name}.{field.name}"
        if field.message_type and field.message_type.full_name not in seen:
            yield from redacted(field.message_type, seen)

import pytest

from chassis.context import CallContext, using
from chassis.principal import Principal
from faults import Denied
from storage_service.schemas.handlers import _check_may_name


def caller(tenant_id):
    return using(CallContext(principal=Principal("someone", frozenset(), tenant_id)))


def test_only_an_operator_may_name_another_tenant():
    with caller("a"), pytest.raises(Denied) as refused:
        _check_may_name("b")
    assert (refused.value.reason, refused.value.domain) == ("TENANT_MISMATCH", "tenantmesh")
    with caller("a"):
        _check_may_name("a")
    with caller(""):
        _check_may_name("b")

"""The bounds of notifications.v1, tried on requests: what is meant to pass does, and what is not does not."""

import pytest

from tenantmesh.notifications.v1 import notification_service_pb2

SERVICE = notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"]
IDENTIFIER = "01939e4e-0000-7000-8000-0000000000d1"
DELIVERY = {"delivery_id": IDENTIFIER}
TEMPLATE = {"template_id": "welcome"}
ADA = {"email": "ada@acme.example"}

# A whole request of every RPC, without the tenant.
WHOLE = {
    "SendNotification": TEMPLATE | {"request_id": IDENTIFIER, "recipients": [ADA] * 1000},
    "GetDelivery": DELIVERY,
    "ListDeliveries": {},
    "WatchDelivery": DELIVERY,
    "RetryDelivery": DELIVERY,
    "CancelDelivery": DELIVERY,
    "GetTemplate": TEMPLATE,
    "ListTemplates": {},
    "PreviewTemplate": TEMPLATE | {"language": "pt-BR", "variables": {"first_name": "<script>"}},
    "AddSuppression": ADA | {"scope": "SUPPRESSION_SCOPE_EVERYTHING"},
    "ListSuppressions": {},
    "RemoveSuppression": {"suppression_id": IDENTIFIER},
    "ReportDelivery": {"provider": "resend", "body": {"data": b"{}"}},
    "Unsubscribe": {"unsubscribe_token": "t" * 43, "form": {"data": b"List-Unsubscribe=One-Click"}},
}


@pytest.fixture
def whole(request_of):
    def whole(method, **changed):
        return request_of(SERVICE, method, **WHOLE[method] | changed)

    return whole


def test_every_method_is_tried():
    assert WHOLE.keys() == set(SERVICE.methods_by_name)


@pytest.mark.parametrize("method", WHOLE)
def test_a_whole_request_passes(method, whole, broken):
    assert broken(whole(method)) == set()


@pytest.mark.parametrize("method", ["SendNotification", "GetDelivery", "AddSuppression", "PreviewTemplate"])
def test_a_message_may_be_for_no_tenant(method, whole, broken):
    assert broken(whole(method, tenant_id="")) == set()


@pytest.mark.parametrize(
    ("method", "changed", "expected"),
    [
        ("SendNotification", {"request_id": ""}, ("request_id", "string.uuid_empty")),
        ("SendNotification", {"recipients": []}, ("recipients", "repeated.min_items")),
        ("SendNotification", {"recipients": [ADA] * 1001}, ("recipients", "repeated.max_items")),
        ("SendNotification", {"recipients": [{"email": "a@b\r\nBcc: c@d"}]}, ("recipients.email", "string.pattern")),
        (
            "SendNotification",
            {"recipients": [ADA | {"display_name": "Ada\nBcc: x"}]},
            ("recipients.display_name", "string.pattern"),
        ),
        ("SendNotification", {"branding": {"sender_name": "A\r\nB"}}, ("branding.sender_name", "string.pattern")),
        (
            "SendNotification",
            {"branding": {"logo_url": "javascript:alert(1)"}},
            ("branding.logo_url", "string.pattern"),
        ),
        ("SendNotification", {"branding": {"primary_color": "red"}}, ("branding.primary_color", "string.pattern")),
        ("SendNotification", {"variables": {"a": "b" * 4097}}, ("variables", "string.max_len")),
        ("SendNotification", {"variables": {f"v{i}": "" for i in range(65)}}, ("variables", "map.max_pairs")),
        ("SendNotification", {"language": "English"}, ("language", "string.pattern")),
        ("SendNotification", {"template_id": "../welcome"}, ("template_id", "string.pattern")),
        ("AddSuppression", {"scope": 0}, ("scope", "enum.not_in")),
        ("Unsubscribe", {"form": {"data": b"x" * 4097}}, ("form", "form.size")),
    ],
)
def test_a_field_out_of_bounds_is_refused(method, changed, expected, whole, broken):
    assert broken(whole(method, **changed)) == {expected}


def test_an_address_that_is_none_is_left_to_its_recipient(whole, broken):
    assert broken(whole("SendNotification", recipients=[{"email": "nobody"}])) == set()


def test_no_answer_holds_a_secret(secrets):
    assert secrets(SERVICE) == set()

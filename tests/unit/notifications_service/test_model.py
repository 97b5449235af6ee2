import pytest

from notifications_service.model import Branding, State, address_key


def test_what_a_branding_leaves_empty_is_the_others():
    whole = Branding(product_name="Mesh", primary_color="#000000").over(Branding("Other", footer="foot"))
    assert (whole.product_name, whole.footer, whole.primary_color) == ("Mesh", "foot", "#000000")


@pytest.mark.parametrize(
    ("color", "readable"),
    [("#000000", "#ffffff"), ("#3457d5", "#ffffff"), ("#ffffff", "#111827"), ("#ffd400", "#111827")],
)
def test_a_button_can_be_read(color, readable):
    assert Branding(primary_color=color).on_primary_color == readable


def test_only_what_a_provider_took_over_counts_as_delivered():
    assert {state for state in State if state.delivered} == {State.SENT, State.DELIVERED}


def test_two_ways_of_writing_an_address_are_one():
    assert address_key("Ada@Engines.Example") == address_key("ada@engines.example")

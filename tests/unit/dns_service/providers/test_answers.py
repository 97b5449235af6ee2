import dns.flags
import dns.message
import dns.rrset
import pytest

from dns_service.providers import answers

NAME = "acme.example.com."
SOA = "ns1.example.com. hostmaster.example.com. 1 2 3 4 5"


def response(*records, authority=()):
    message = dns.message.make_response(dns.message.make_query(NAME, "A"))
    message.answer = [dns.rrset.from_text(*record) for record in records]
    message.authority = [dns.rrset.from_text(*record) for record in authority]
    return message


def test_what_answers_is_read_and_what_was_added_to_it_is_not():
    said = response(
        (NAME, 60, "IN", "A", "192.0.2.1", "192.0.2.2"), authority=[(NAME, 60, "IN", "NS", "ns1.a.example.")]
    )
    heard = answers.read(said.to_wire())
    assert heard.answer == said.answer
    assert heard.question == said.question
    assert heard.authority == heard.additional == []


def test_a_denial_is_read_with_its_reason():
    said = response(authority=[("example.com.", 60, "IN", "SOA", SOA)])
    assert answers.read(said.to_wire()).authority == said.authority


def test_an_answer_that_was_cut_in_the_middle_says_so():
    said = response((NAME, 60, "IN", "A", "192.0.2.1"))
    said.flags |= dns.flags.TC
    assert answers.read(said.to_wire()[:-3]).flags & dns.flags.TC


@pytest.mark.parametrize("cut", [1, 11, 20, -3])
def test_what_is_no_message_is_refused(cut):
    with pytest.raises(dns.exception.DNSException):
        answers.read(response((NAME, 60, "IN", "A", "192.0.2.1")).to_wire()[:cut])

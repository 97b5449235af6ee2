import os
import socket
import threading

import pytest

from localstack import ports


@pytest.fixture
def taken():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def free_port():
    with socket.socket() as chooser:
        chooser.bind(("127.0.0.1", 0))
        return chooser.getsockname()[1]


def test_the_usual_port_is_kept_where_it_is_free():
    number = free_port()
    assert ports.choose({"a": {"main": number}}, usual=True) == {"a": {"main": number}}


def test_another_is_taken_where_it_is_not_free(taken):
    chosen = ports.choose({"a": {"main": taken}}, usual=True)["a"]["main"]
    assert chosen != taken
    assert ports.FIRST <= chosen < ports.LAST


def test_a_port_over_udp_is_taken_too():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        assert not ports.is_free(holder.getsockname()[1])


def test_usual_ports_are_left_alone_when_not_asked_for():
    number = free_port()
    assert ports.choose({"a": {"main": number}}, usual=False)["a"]["main"] != number


def test_no_port_is_given_twice():
    wanted = {name: {"one": 8080, "two": 8080, "three": 0} for name in "abcdef"}
    chosen = ports.choose(wanted, usual=True)
    numbers = [number for one in chosen.values() for number in one.values()]
    assert len(set(numbers)) == len(numbers)
    assert 0 not in numbers


def test_a_connection_that_lingers_does_not_count():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        number = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)):
            server.accept()[0].close()
    assert ports.is_free(number)


def test_no_free_port_is_said_so(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    with pytest.raises(ports.PortsTaken, match="no free port between 20000 and 32000"):
        ports.choose({"a": {"main": 0}}, usual=False)


def test_stacks_that_start_together_choose_usual_ports_one_after_the_other(monkeypatch, tmp_path):
    monkeypatch.setattr(ports.tempfile, "gettempdir", lambda: str(tmp_path))
    order = []
    entered = threading.Event()

    def second():
        entered.set()
        with ports.choosing(usual=True):
            order.append("second")

    with ports.choosing(usual=True) as in_use:
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        thread.join(0.2)
        order.append("first")
        in_use()
        thread.join(10)
    assert order == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == [f"tenantmesh-ports-{os.getuid()}.lock"]


def test_free_ports_need_no_turn(monkeypatch, tmp_path):
    monkeypatch.setattr(ports.tempfile, "gettempdir", lambda: str(tmp_path))
    with ports.choosing(usual=False) as in_use:
        in_use()
    assert list(tmp_path.iterdir()) == []

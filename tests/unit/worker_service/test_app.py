import grpc
import pytest

from settingskit import SettingsInvalid
from temporalkit.operations import INTEGRATIONS, ROLES, Queues
from worker_service import app
from worker_service.settings import read


@pytest.fixture
async def channels():
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        yield dict.fromkeys(ROLES, channel)


async def test_every_role_has_a_queue(channels):
    queues = [queue.name for queue in app.work(Queues("mesh"), ROLES, channels).queues]
    assert queues == [f"mesh-{role}" for role in ROLES]


async def test_a_worker_of_some_roles_serves_those(channels):
    queues = app.work(Queues("mesh"), ("dns", "pooled"), channels).queues
    assert [queue.name for queue in queues] == ["mesh-pooled", "mesh-dns"]
    assert queues[0].workflows
    assert not queues[1].workflows


async def test_every_activity_of_a_class_is_served(channels):
    (queue,) = app.work(Queues("mesh"), ("dns",), channels).queues
    names = {method.__name__ for method in queue.activities}
    assert names == {"ensure_record", "get_record", "list_records", "delete_record", "verify_record"}


def test_queues_can_be_named_on_the_command_line():
    assert app.roles(["--queues", "identity,storage"]) == ("identity", "storage")
    assert app.roles([]) == ()


def test_a_queue_that_is_none_is_refused():
    with pytest.raises(SettingsInvalid, match="--queues"):
        app.roles(["--queues", "identity,nonsense"])


def test_every_address_that_is_missing_is_named_at_once():
    with pytest.raises(SettingsInvalid) as caught:
        read({})
    assert {problem.name for problem in caught.value.problems} == {f"{name.upper()}_ADDRESS" for name in INTEGRATIONS}


def test_only_the_services_that_are_called_need_an_address():
    settings, targets = read({"WORKER_QUEUES": "dns,pooled", "DNS_ADDRESS": "127.0.0.1:7104"})
    assert settings.roles == ("dns", "pooled")
    assert list(targets) == ["dns"]


def test_roles_that_are_none_are_refused():
    with pytest.raises(SettingsInvalid, match="WORKER_QUEUES"):
        read({"WORKER_QUEUES": "nonsense"})

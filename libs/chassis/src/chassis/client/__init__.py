"""How a process calls others.

async with open_channel(settings.address, settings=settings.client) as channel:
    stub = rpc.DnsServiceStub(channel)
    with faults_raised():
        answer = await stub.GetRecord(request)
"""

from chassis.client.channel import open_channel, streaming
from chassis.client.credentials import TokenProvider
from chassis.client.remote import Remote
from chassis.client.settings import ClientSettings, ClientTlsSettings, TargetSettings
from chassis.errors import fault_of, faults_raised

__all__ = [
    "ClientSettings",
    "ClientTlsSettings",
    "Remote",
    "TargetSettings",
    "TokenProvider",
    "fault_of",
    "faults_raised",
    "open_channel",
    "streaming",
]

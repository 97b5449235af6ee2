"""The DNS providers, one line each. A provider is one file: its settings, its client, its errors translated."""

from dns_service.providers.memory import MemoryProvider

PROVIDERS = {
    MemoryProvider.name: MemoryProvider,
}

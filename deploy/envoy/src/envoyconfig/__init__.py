"""The gateway's configuration, made from the contracts: no route, path or method is written by hand."""

from envoyconfig.bootstrap import bootstrap, write
from envoyconfig.contracts import Contract, descriptor_set, installed
from envoyconfig.settings import GatewaySettings, Upstream

__all__ = ["Contract", "GatewaySettings", "Upstream", "bootstrap", "descriptor_set", "installed", "write"]

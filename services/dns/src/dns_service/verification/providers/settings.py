"""Whom verification asks, and how patiently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from dns_service.verification.model import Server
from settingskit import Problem, SettingsInvalid, setting

_NOBODY = ("none",)


@dataclass(frozen=True, slots=True)
class VerificationSettings:
    """Settings of verification and of the check that targets exist."""

    resolvers: tuple[str, ...] = setting(
        "DNS_RESOLVERS",
        default=("1.1.1.1", "8.8.8.8", "9.9.9.9"),
        help="Resolvers that verification asks, comma separated, with a port where it is not 53; `none` for none.",
    )
    quorum: int = setting("DNS_RESOLVER_QUORUM", default=2, minimum=1, help="How many of them must have a record.")
    nameservers: tuple[str, ...] = setting(
        "DNS_NAMESERVERS",
        default=(),
        help="Servers to take for each zone's own instead of those it lists, comma separated: for zones that the world "
        "cannot resolve.",
    )
    patience: timedelta = setting(
        "DNS_QUERY_TIMEOUT", default=timedelta(seconds=5), help="How long to wait for one answer of one server."
    )
    check_targets: bool = setting(
        "DNS_CHECK_TARGETS", default=True, help="Refuse a CNAME or MX record whose target does not exist."
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be met, and what is no address."""
        problems = [*_unreadable("DNS_NAMESERVERS", self.nameservers)]
        if self.resolvers != _NOBODY:
            problems += _unreadable("DNS_RESOLVERS", self.resolvers)
            if self.quorum > len(self.resolvers):
                problems.append(Problem("DNS_RESOLVER_QUORUM", "must not be more than there are resolvers"))
        if problems:
            raise SettingsInvalid(problems)

    def resolver_servers(self) -> tuple[Server, ...]:
        """The resolvers, as servers."""
        return () if self.resolvers == _NOBODY else tuple(map(Server.parse, self.resolvers))

    def own_servers(self) -> tuple[Server, ...]:
        """The servers that stand in for those the zones list."""
        return tuple(map(Server.parse, self.nameservers))


def _unreadable(variable: str, texts: tuple[str, ...]) -> Iterator[Problem]:
    for text in texts:
        try:
            Server.parse(text)
        except ValueError:
            yield Problem(variable, f"{text} is not an IP address, nor one with a port")

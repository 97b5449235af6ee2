"""Page tokens that only we can make: signed, and bound to the list they belong to."""

from pagekit._tokens import PageSettings, PageTokens, page_size

__all__ = ["PageSettings", "PageTokens", "page_size"]

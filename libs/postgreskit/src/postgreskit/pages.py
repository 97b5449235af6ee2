"""Lists in pages that neither skip nor repeat a row while others are added.

pages = Pages(tokens, "/tenantmesh.tenants.v1.LeadService/ListLeads", default=50, limit=200)
page = pages.open(size=request.page_size, token=request.page_token, order=ORDER, scope=[request.filter])
leads = await page.fetch(tx, "SELECT * FROM leads WHERE tenant_id = $1", tenant_id)
leads.rows, leads.next_token
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from faults import Invalid, Violation
from pagekit import PageTokens, page_size
from postgreskit.database import Transaction
from postgreskit.errors import DOMAIN
from postgreskit.keyset import Order, after, order_by
from postgreskit.positions import position_of, values_of

LONGEST_TOKEN: Final = 1024
"""What the contracts allow."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in their order, and the token of the next page; empty after the last one."""

    rows: list[asyncpg.Record]
    next_token: str


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page that was asked for."""

    tokens: PageTokens
    scope: str
    order: Order
    size: int
    values: tuple[Any, ...] | None

    async def fetch(self, tx: Transaction, query: str, *arguments: object) -> Page:
        """Read this page of a query; the query gives the order's columns under their names, and has no order itself."""
        sql, values = self.select(query, *arguments)
        return self.close(await tx.fetch(sql, *values))

    def select(self, query: str, *arguments: object) -> tuple[str, list[Any]]:
        """The SQL and the arguments that read this page, and one row more to know whether others follow.

        PostgreSQL merges the query with what is put around it, so that one index over filter and order serves both.
        """
        values: list[Any] = []
        condition = "true"
        if self.values is not None:
            condition, values = after(self.order, self.values, len(arguments) + 1)
        tail = f"WHERE {condition} ORDER BY {order_by(self.order)} LIMIT {self.size + 1}"
        return f"SELECT * FROM ({query}) AS page {tail}", [*arguments, *values]  # noqa: S608 - no text of a caller's

    def close(self, rows: list[asyncpg.Record]) -> Page:
        """The page that the rows of `select` are."""
        if len(rows) <= self.size:
            return Page(rows, "")
        last = rows[self.size - 1]
        token = self.tokens.sign(position_of(last[column.name] for column in self.order), scope=self.scope)
        if len(token) > LONGEST_TOKEN:
            msg = f"the columns of an order hold too much for a page token: {len(token)} characters"
            raise ValueError(msg)
        return Page(rows[: self.size], token)


@dataclass(frozen=True, slots=True)
class Pages:
    """How one method pages."""

    tokens: PageTokens
    method: str
    default: int = 50
    limit: int = 1000

    def open(self, *, size: int, token: str, order: Order, scope: Sequence[str] = ()) -> OpenPage:
        """Read what a caller asked for.

        Args:
            size: 0 means the default, more than the limit means the limit.
            token: `next_page_token` of the page before; empty for the first page.
            order: the columns to order by.
            scope: what must not change from page to page: the filter, and the tenant where there is one.

        Raises:
            Invalid: `REQUEST_INVALID` for a negative size, `PAGE_TOKEN_INVALID` for a token that was not given out for
                this method, order and scope.
        """
        if size < 0:
            raise Invalid(
                "A page cannot have fewer than no rows.",
                reason="REQUEST_INVALID",
                violations=[Violation("page_size", "must not be negative")],
                domain=DOMAIN,
            )
        bound = json.dumps([self.method, order_by(order), *scope])
        position = self.tokens.open(token, scope=bound)
        values = None if position is None else values_of(position)
        return OpenPage(self.tokens, bound, order, page_size(size, default=self.default, limit=self.limit), values)

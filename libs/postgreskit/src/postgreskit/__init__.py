"""PostgreSQL for services: pool, transactions, migrations, idempotency, pages."""

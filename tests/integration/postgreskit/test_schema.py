"""The resource that migrates when it opens: with the owner's rights, for the role that serves, and only if told to."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import asyncpg

from postgreskit import DatabaseSettings, Schema
from settingskit import Secret

SQL = 'CREATE TABLE notes (text text); GRANT SELECT ON notes TO :"application_role", :"reader_role";'


async def test_it_migrates_where_it_may(postgres, tmp_path, monkeypatch):
    package = f"migrations_{uuid4().hex}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "0001_notes.sql").write_text(SQL)
    monkeypatch.syspath_prepend(tmp_path)
    owner, role = await postgres.database(), f"role {uuid4().hex}"
    connection = await asyncpg.connect(owner)
    try:
        await connection.execute(f'CREATE ROLE "{role}" LOGIN PASSWORD \'x\'; CREATE ROLE "reader {role}"')
        url = f"postgresql://{role.replace(' ', '%20')}:x@127.0.0.1:{postgres.port}/{owner.rpartition('/')[2]}"
        told = DatabaseSettings(url=Secret(url))
        for admin, there in ((None, False), (Secret(owner), True), (Secret(owner), True)):
            schema = Schema(replace(told, admin_url=admin), package, identifiers={"reader_role": f"reader {role}"})
            async with schema as opened:
                await opened.check()
                assert (await connection.fetchval("SELECT to_regclass('notes')") is not None) is there
        for name in (role, f"reader {role}"):
            assert await connection.fetchval("SELECT has_table_privilege($1, 'notes', 'SELECT')", name)
    finally:
        await connection.close()

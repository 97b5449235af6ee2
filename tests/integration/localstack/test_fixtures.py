import asyncio
import smtplib
import ssl
from email.message import EmailMessage

import asyncpg
import pytest
from temporalio.client import Client


async def test_each_database_is_fresh(postgres):
    first, second = await postgres.database(), await postgres.database()
    assert first != second
    connection = await asyncpg.connect(first)
    await connection.execute("create table only_here (n int)")
    await connection.close()
    connection = await asyncpg.connect(second)
    assert await connection.fetchval("select to_regclass('only_here')") is None
    await connection.close()


async def test_texts_are_utf8_and_ordered_alike_everywhere(postgres):
    connection = await asyncpg.connect(postgres.dsn)
    row = await connection.fetchrow(
        "select pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datlocale as locale,"
        " upper('straße é') as upper from pg_database where datname = current_database()"
    )
    await connection.close()
    assert tuple(row) == ("UTF8", b"b", "C.UTF-8", "STRAßE É")


async def test_postgres_keeps_its_data_over_a_stop_and_a_crash(postgres):
    dsn = await postgres.database()
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table kept as select 1 as n")
    await connection.execute("checkpoint")
    await connection.close()
    for end in (postgres.stop, postgres.kill):
        await end()
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(dsn)
        await postgres.start()
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select n from kept") == 1
        await connection.close()


async def test_temporal_serves_its_namespace_after_a_restart(temporal):
    client = await Client.connect(temporal.address, namespace=temporal.namespace)
    before = (await client.count_workflows()).count  # other tests may have had theirs
    await temporal.stop()
    await temporal.start()
    client = await Client.connect(temporal.address, namespace=temporal.namespace)
    assert (await client.count_workflows()).count >= before


@pytest.mark.parametrize("how", ["plain", "starttls", "tls"])
async def test_the_mail_sink_takes_mails_in_every_way(mail_sink, how):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "mesh@example.com", "ann@example.com", how
    trusting = ssl.create_default_context(cafile=mail_sink.ca_file)

    def send():
        if how == "tls":
            client = smtplib.SMTP_SSL(mail_sink.host, mail_sink.tls_port, context=trusting)
        else:
            client = smtplib.SMTP(mail_sink.host, mail_sink.port if how == "plain" else mail_sink.starttls_port)
        with client:
            if how == "starttls":
                client.starttls(context=trusting)
            client.send_message(message)

    await asyncio.to_thread(send)
    assert (await mail_sink.mailbox.wait(lambda mail: mail.subject == how)).recipients == ("ann@example.com",)

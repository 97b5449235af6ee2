import asyncio
import base64
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

import faults
from settingskit import Secret, SettingsInvalid, load
from temporalkit.codec import ENCODING, KEY_ID, EncryptionCodec, EncryptionSettings, Key


def key(name):
    return Key(name, Secret(base64.b64encode(os.urandom(32)).decode()))


OLD, NEW, OTHER = key("2026-10"), key("2026-11"), key("other")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"the secret of Acme"')


async def test_what_is_encrypted_comes_back():
    codec = EncryptionCodec([NEW])
    [sealed] = await codec.encode([PLAIN])
    assert sealed.metadata == {"encoding": ENCODING, KEY_ID: b"2026-11"}
    assert b"Acme" not in sealed.SerializeToString()
    assert await codec.decode([sealed]) == [PLAIN]


async def test_the_same_payload_is_never_encrypted_the_same_way_twice():
    one, two = await EncryptionCodec([NEW]).encode([PLAIN, PLAIN])
    assert one.data != two.data


async def test_keys_rotate():
    [before] = await EncryptionCodec([OLD]).encode([PLAIN])
    rotated = EncryptionCodec([NEW, OLD])
    [after] = await rotated.encode([PLAIN])
    assert after.metadata[KEY_ID] == b"2026-11"
    assert await rotated.decode([before, after]) == [PLAIN, PLAIN]


async def test_what_was_written_before_encryption_is_read():
    assert await EncryptionCodec([NEW]).decode([PLAIN]) == [PLAIN]


async def test_a_missing_key_is_named_and_nothing_else():
    [sealed] = await EncryptionCodec([OTHER]).encode([PLAIN])
    with pytest.raises(faults.Internal, match="the key 'other', which this process does not have") as caught:
        await EncryptionCodec([NEW]).decode([sealed])
    assert caught.value.facts == {"key_id": "other"}


async def test_a_wrong_key_under_a_known_name_is_found_out():
    [sealed] = await EncryptionCodec([Key("2026-11", OTHER.secret)]).encode([PLAIN])
    with pytest.raises(faults.Internal, match="not what the key '2026-11'") as caught:
        await EncryptionCodec([NEW]).decode([sealed])
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("data", [b"", b"short", os.urandom(100)])
async def test_garbage_is_found_out(data):
    garbage = Payload(metadata={"encoding": ENCODING, KEY_ID: b"2026-11"}, data=data)
    with pytest.raises(faults.Internal):
        await EncryptionCodec([NEW]).decode([garbage])


async def test_a_payload_cannot_be_passed_off_as_encrypted_with_another_key():
    [sealed] = await EncryptionCodec([Key("a", NEW.secret)]).encode([PLAIN])
    sealed.metadata[KEY_ID] = b"b"
    with pytest.raises(faults.Internal):
        await EncryptionCodec([Key("b", NEW.secret)]).decode([sealed])


async def test_a_payload_without_a_key_id_is_found_out():
    with pytest.raises(faults.Internal):
        await EncryptionCodec([NEW]).decode([Payload(metadata={"encoding": ENCODING}, data=b"x" * 40)])


async def test_large_payloads_leave_the_loop_free(monkeypatch):
    threads = []
    codec = EncryptionCodec([NEW])
    encrypt = codec._encrypt
    monkeypatch.setattr(codec, "_encrypt", lambda one: threads.append(threading.current_thread()) or encrypt(one))
    small, large = Payload(data=b"x"), Payload(data=b"x" * 600_000)
    await codec.encode([small])
    sealed = await codec.encode([large])
    assert threads[0] is threading.main_thread()
    assert threads[1] is not threading.main_thread()
    assert await codec.decode(sealed) == [large]


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3))
def test_any_payload_comes_back(data, metadata):
    payload = Payload(metadata={**metadata, "encoding": b"x"}, data=data)
    codec = EncryptionCodec([NEW, OLD])

    async def there_and_back():
        return await codec.decode(await codec.encode([payload]))

    assert asyncio.run(there_and_back()) == [payload]


def written(*keys):
    return [f"{one.id}:{one.secret.reveal()}" for one in keys]


def test_keys_are_read_from_the_environment_the_newest_first():
    settings = load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS": ",".join(written(NEW, OLD))})
    assert settings.read() == (NEW, OLD)
    assert NEW.secret.reveal() not in repr(settings) + repr(settings.read())


def test_keys_are_read_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("\n".join([*written(NEW), "", *written(OLD)]) + "\n")
    assert load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS_FILE": str(path)}).read() == (NEW, OLD)


def test_without_keys_nothing_is_encrypted():
    assert load(EncryptionSettings, {}).read() == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no-colon", "key 1 must be"),
        (":" + OLD.secret.reveal(), "key 1 must be"),
        ("a:not base64!", "key 1 must be"),
        ("a:" + base64.b64encode(b"too short").decode(), "key 1 must be"),
        (",".join([*written(NEW), "b:"]), "key 2 must be"),
        (",".join(written(NEW, NEW)), "id of its own"),
    ],
)
def test_unusable_keys_are_refused_and_not_shown(text, message):
    with pytest.raises(SettingsInvalid, match=message) as caught:
        load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS": text})
    assert text not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    settings = load(EncryptionSettings, {"TEMPORAL_PAYLOAD_KEYS_FILE": str(tmp_path / "missing")})
    with pytest.raises(SettingsInvalid, match="TEMPORAL_PAYLOAD_KEYS_FILE: cannot be read"):
        settings.read()


def test_two_sources_are_one_too_many(tmp_path):
    environ = {"TEMPORAL_PAYLOAD_KEYS": written(NEW)[0], "TEMPORAL_PAYLOAD_KEYS_FILE": str(tmp_path)}
    with pytest.raises(SettingsInvalid, match="excludes"):
        load(EncryptionSettings, environ)

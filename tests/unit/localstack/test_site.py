import stat
from concurrent.futures import ThreadPoolExecutor

from localstack.settings import StackSettings
from localstack.site import Site


def test_a_secret_is_made_once_for_its_owner_only(tmp_path):
    site = Site("postgres", tmp_path)
    first = site.secret("password")
    assert len(bytes.fromhex(first)) == 32
    assert Site("postgres", tmp_path).secret("password") == first
    assert site.secret("other") != first
    assert Site("objectstore", tmp_path).secret("password") != first
    path = site.secret_file("password")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_who_asks_at_the_same_time_gets_the_same_secret(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: Site("a", tmp_path).secret("key"), range(64)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["a.key"]


def test_where_things_are(tmp_path):
    site = Site("a", tmp_path, {"http": 8080})
    assert site.address("http") == "127.0.0.1:8080"
    assert site.folder == tmp_path / "data" / "a"
    assert site.log == tmp_path / "logs" / "a.log"
    assert site.cache == tmp_path / "debian"
    assert Site("a", tmp_path, settings=StackSettings(cache=tmp_path / "c")).cache == tmp_path / "c"

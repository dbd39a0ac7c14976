"""Settings from the environment, origins, rates: small things that keep strangers out."""

import base64

import pytest

from events.messages import Rejected
from events.settings import BadSettings
from gateway import limits
from gateway.limits import TABLE, Bucket, Buckets
from gateway.origins import Origins
from gateway.settings import Settings, settings, table

KEY = base64.b64encode(b"k" * 32).decode()
LEAST = {"NATS_URL": "nats://n", "MATINEE_UID_SECRET": KEY, "MATINEE_GUEST_SECRET": KEY}


def test_the_least_that_is_needed() -> None:
    read = settings(LEAST)
    assert (read.host, read.port, read.guests, read.issuers, read.uid_secret) == (
        "127.0.0.1",
        8080,
        True,
        (),
        b"k" * 32,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NATS_URL", ""),
        ("MATINEE_UID_SECRET", ""),
        ("MATINEE_UID_SECRET", "short"),
        ("MATINEE_GUEST_SECRET", base64.b64encode(b"k" * 31).decode()),
        ("MATINEE_PORT", "many"),
        ("MATINEE_PORT", "70000"),
        ("MATINEE_GUESTS", "perhaps"),
        ("MATINEE_SENDS_PER_SECOND", "0"),
    ],
)
def test_a_mistake_names_its_variable_and_repeats_no_secret(name: str, value: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings({**LEAST, name: value})
    assert name in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_mistake_in_the_issuers() -> None:
    read = settings({**LEAST, "MATINEE_ISSUERS": '[{"issuer":"https://x","audience":"a","secret":"hunter2"}]'})
    with pytest.raises(BadSettings, match="MATINEE_ISSUERS") as caught:
        assert read.issuers
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_show_their_secrets() -> None:
    assert "kkkk" not in repr(settings(LEAST))


def test_every_setting_is_in_the_table() -> None:
    assert {name for name, _ in table()} >= {"MATINEE_ISSUERS", "MATINEE_ALLOWED_ORIGINS", "NATS_URL"}
    assert len(table()) == len(Settings.__struct_fields__)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "m.example", True),
        ("https://m.example", "m.example", True),
        ("http://localhost:3000", "m.example", True),
        ("http://127.0.0.1", "m.example", True),
        ("http://[::1]:5173", "m.example", True),
        ("https://app.example", "m.example", True),
        ("https://app.example:444", "m.example", False),
        ("https://elsewhere.example", "m.example", False),
        ("https://m.example.elsewhere.example", "m.example", False),
        ("https://localhost.elsewhere.example", "m.example", False),
        ("null", "m.example", False),
        ("file://", "m.example", False),
        ("http://[", "m.example", False),
        ("", "m.example", False),
    ],
)
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    read = settings({**LEAST, "MATINEE_ALLOWED_ORIGINS": "https://app.example/, https://other.example"})
    assert Origins(read.allowed_origins).allows(origin, host) is allowed


def test_a_star_allows_every_origin() -> None:
    assert Origins(frozenset({"*"})).allows("https://elsewhere.example", "m.example")


def test_a_bucket_fills_up_again() -> None:
    bucket = Bucket(burst=2, now=0.0)
    assert [bucket.take(1, 2, 0.0) for _ in range(2)] == [0, 0]
    assert bucket.take(1, 2, 0.25) == pytest.approx(0.75)
    assert bucket.take(1, 2, 1.0) == 0
    assert [bucket.take(1, 2, 100.0) for _ in range(3)] == [0, 0, 1]


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES", 2)
    buckets = Buckets(rate=1, burst=1)
    for name in ("a", "b", "c"):
        buckets.take(name, 0.0)
    with pytest.raises(Rejected, match="rate-limited"):
        buckets.take("c", 0.0)
    buckets.take("a", 0.0)


def test_buckets_without_a_rate_refuse_nothing() -> None:
    buckets = Buckets(rate=0, burst=1)
    for _ in range(3):
        buckets.take("a", 0.0)


def test_the_table_of_limits_can_be_read() -> None:
    assert all(row.what and row.bound and row.then for row in TABLE)

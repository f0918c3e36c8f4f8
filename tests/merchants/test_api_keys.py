"""API keys: shown once, never stored readable, revoked for good, noted at most once a minute."""

import hashlib
from datetime import timedelta

import pytest
from django.db import connection

from merchants import api_keys
from merchants.models import ApiKey
from tests.merchants import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return people.store_of(people.approved())


def make(store, **more):
    arguments = {
        "label": "shop",
        "permissions": list(api_keys.PERMISSIONS),
        "user": None,
        "now": people.NOW,
    } | more
    return api_keys.create(store=store, **arguments)


def test_a_new_key_opens_its_store(store):
    row, key = make(store)
    assert len(key) == 40
    assert row.prefix == key[:8]
    assert api_keys.find(key, now=people.NOW) == row


def test_two_keys_differ(store):
    assert make(store)[1] != make(store)[1]


def test_only_the_digest_of_a_key_is_in_the_database(store):
    _row, key = make(store)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM merchants_apikey k")
        text = cursor.fetchone()[0]
    assert key not in text
    assert key[8:] not in text
    assert hashlib.sha256(key.encode()).hexdigest() in text


@pytest.mark.parametrize("wrong", ["", "0" * 40, "Қ" * 40])
def test_an_unknown_key_opens_nothing(store, wrong):
    make(store)
    assert api_keys.find(wrong, now=people.NOW) is None


def test_a_key_in_other_case_opens_nothing(store):
    _row, key = make(store)
    assert api_keys.find(key.upper(), now=people.NOW) is None or key.isdigit()


def test_a_revoked_key_opens_nothing_and_keeps_its_first_time(store):
    row, key = make(store)
    api_keys.revoke(row, now=people.NOW)
    assert api_keys.find(key, now=people.NOW) is None
    api_keys.revoke(row, now=people.NOW + timedelta(hours=1))
    assert ApiKey.objects.get(pk=row.pk).revoked_at == people.NOW


def test_a_key_ends_at_its_time(store):
    row, key = make(store, expires_at=people.NOW + timedelta(minutes=1))
    assert api_keys.find(key, now=people.NOW + timedelta(seconds=59)) == row
    assert api_keys.find(key, now=people.NOW + timedelta(minutes=1)) is None


def test_a_use_is_noted_at_most_once_a_minute(store, django_assert_num_queries):
    row, key = make(store)
    api_keys.find(key, now=people.NOW)
    for seconds, noted in [(59, 0), (60, 60), (61, 60)]:
        with django_assert_num_queries(2 if seconds == 60 else 1):
            api_keys.find(key, now=people.NOW + timedelta(seconds=seconds))
        assert ApiKey.objects.get(pk=row.pk).last_used_at == people.NOW + timedelta(seconds=noted)


@pytest.mark.parametrize(
    "permissions", [[], ["btcpay.server.canmodifyserversettings"], ["btcpay.store.canviewinvoices", "x"]]
)
def test_unknown_permissions_are_refused(store, permissions):
    with pytest.raises(api_keys.PermissionUnknown):
        make(store, permissions=permissions)
    assert not ApiKey.objects.exists()

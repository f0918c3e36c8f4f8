"""The city admin's page of the networks: what it shows, who may open it, who may resume."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chains import halting, health
from chains.models import Network, NetworkAlert, NodeHealth, Transfer
from devnet.process import free_port
from merchants.models import User
from tests import world as city

BACKEND = "django.contrib.auth.backends.ModelBackend"
SECRET = "secret-word"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def world(db, now):
    return city.build(now=now)


def browser_of(user):
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def officer(world):
    return browser_of(world.admin)


def page_of(client):
    return client.get(reverse("admin:chains_network_health"))


def node(network, name, *, priority=0, height=103, since, now, fault=""):
    return NodeHealth.objects.create(
        network=network,
        name=name,
        priority=priority,
        head_height=height,
        head_hash=bytes(32),
        head_time=since,
        head_since=since,
        answered_at=now,
        asked_at=now,
        fault=fault,
    )


def test_it_shows_how_far_each_network_is_and_how_its_nodes_do(officer, world, now):
    node(world.bitcoin, "10.0.0.5:8332", since=now - timedelta(minutes=7), now=now)
    node(world.bitcoin, "10.0.0.6:8332", priority=1, height=60, since=now, now=now)
    node(world.evm, "10.0.0.7:8545", since=now - timedelta(minutes=20), now=now)
    transfer = city.arrive(city.make_invoice(world.store, now=now), at=now - timedelta(minutes=3))
    page = page_of(officer).content.decode()
    for text in (
        "Bitcoin regtest", "up to date", "10.0.0.5:8332", "follows", "unchanged for 7 min",
        "10.0.0.6:8332", "behind the others", "10.0.0.7:8545", "stuck: no new block", "oldest 3 min",
    ):  # fmt: skip
        assert text in page
    assert "<dt>Blocks not read yet</dt><dd>3</dd>" in page
    assert transfer.pending_match


def test_a_network_without_news_and_one_never_read_say_so(officer, world, now):
    Network.objects.filter(pk="bitcoin").update(observed_at=now - timedelta(seconds=70))
    Network.objects.filter(pk="evm").update(observed_at=None, cursor_height=None, cursor_hash=None)
    page = page_of(officer).content.decode()
    assert "not up to date" in page
    assert "not read yet" in page
    assert "1 min ago" in page


def test_a_halted_network_is_resumed_by_its_button(officer, world, now):
    halting.halt("bitcoin", reason="a and b have different blocks", now=now)
    page = page_of(officer).content.decode()
    assert "a and b have different blocks" in page
    resume = reverse("admin:chains_network_resume", args=["bitcoin"])
    assert resume in page
    answer = officer.post(resume, follow=True)
    assert "Bitcoin regtest is read again." in answer.content.decode()
    assert Network.objects.get(pk="bitcoin").halted_at is None
    assert "different blocks" in LogEntry.objects.get().change_message
    again = officer.post(resume, follow=True)
    assert "was not halted" in again.content.decode()
    assert officer.post(reverse("admin:chains_network_resume", args=["nowhere"])).status_code == 404


def test_opening_the_buttons_address_resumes_nothing(officer, world, now):
    halting.halt("bitcoin", reason="trouble", now=now)
    assert officer.get(reverse("admin:chains_network_resume", args=["bitcoin"])).status_code == 405
    assert Network.objects.get(pk="bitcoin").halted_at is not None


def test_a_form_of_another_site_resumes_nothing(world, now):
    halting.halt("bitcoin", reason="trouble", now=now)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.admin, backend=BACKEND)
    assert strict.post(reverse("admin:chains_network_resume", args=["bitcoin"])).status_code == 403
    assert Network.objects.get(pk="bitcoin").halted_at is not None


@pytest.mark.parametrize("who", ["stranger", "shopkeeper"])
def test_nobody_else_comes_in(world, now, who):
    halting.halt("bitcoin", reason="trouble", now=now)
    client = Client() if who == "stranger" else browser_of(world.owner)
    answer = page_of(client)
    assert (answer.status_code, "trouble" in answer.content.decode()) == (302, False)
    assert client.post(reverse("admin:chains_network_resume", args=["bitcoin"])).status_code == 302
    assert Network.objects.get(pk="bitcoin").halted_at is not None


def test_an_officer_who_may_only_look_sees_no_button_and_cannot_resume(world, now):
    halting.halt("bitcoin", reason="trouble", now=now)
    looker = User.objects.create_user("looker@city.example", "a long password")
    looker.is_staff = True
    looker.save()
    assert page_of(browser_of(looker)).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="view_network"))
    client, resume = browser_of(looker), reverse("admin:chains_network_resume", args=["bitcoin"])
    page = page_of(client).content.decode()
    assert "trouble" in page
    assert resume not in page
    assert client.post(resume).status_code == 403
    assert Network.objects.get(pk="bitcoin").halted_at is not None


def test_no_password_of_a_node_is_on_any_page(officer, world, now, settings):
    settings.NODE_URLS = {"bitcoin": [f"http://watcher:{SECRET}@127.0.0.1:{free_port()}/{SECRET}"]}
    health.check("bitcoin", now=now)
    assert NodeHealth.objects.get().fault
    NetworkAlert.objects.create(network=world.bitcoin, kind="unobserved", raised_at=now)
    row = NodeHealth.objects.get()
    for address in (
        reverse("admin:chains_network_health"),
        reverse("admin:chains_nodehealth_changelist"),
        reverse("admin:chains_nodehealth_change", args=[row.pk]),
        reverse("admin:chains_networkalert_changelist"),
        reverse("healthz"),
    ):
        page = officer.get(address).content.decode()
        assert SECRET not in page
    assert "down" in page_of(officer).content.decode()


def test_the_list_of_networks_leads_to_it(officer):
    page = officer.get(reverse("admin:chains_network_changelist")).content.decode()
    assert reverse("admin:chains_network_health") in page


def test_what_it_writes_about_nodes_and_alerts_cannot_be_written_by_hand(officer):
    for model in ("nodehealth", "networkalert"):
        assert officer.get(reverse(f"admin:chains_{model}_add")).status_code == 403
    assert not Transfer.objects.exists()

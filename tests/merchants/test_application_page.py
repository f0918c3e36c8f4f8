"""The way in: sign-up with application, log-in, lock-out, and where a person lands."""

import pytest
from django.test import Client
from django.urls import reverse

from merchants import onboarding
from merchants.models import Membership, Merchant, MerchantStatus, Role, User
from tests import world
from tests.merchants import people

pytestmark = pytest.mark.django_db
APPLY = "/apply/"


def text_of(answer):
    return answer.content.decode()


def test_a_person_signs_up_and_applies_on_one_page(client):
    answer = client.post(APPLY, people.SIGN_UP | people.TYPED)
    assert (answer.status_code, answer["Location"]) == (302, "/application/")
    merchant = Merchant.objects.get()
    assert (merchant.business_id, merchant.iban, merchant.bank_bic) == (
        "260140900012",
        "KZ84722C000012345678",
        "CASPKZKA",
    )
    assert merchant.status == MerchantStatus.APPLIED
    assert Membership.objects.get().user == User.objects.get(email="aigul@shop.example")
    page = text_of(client.get("/application/"))
    assert "badge-Applied" in page
    assert "БИН: resident legal entity, head unit, registered January 2026" in page


def test_the_password_works_and_is_stored_as_a_hash(client):
    client.post(APPLY, people.SIGN_UP | people.TYPED)
    assert people.PASSWORD not in User.objects.get().password
    other = Client()
    answer = other.post("/login/", {"username": "AIGUL@shop.example", "password": people.PASSWORD})
    assert answer["Location"] == "/dashboard/"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("business_id", "260140900010", "The last digit does not fit the others"),
        ("business_id", "26014090001", "The number has 12 digits"),
        ("business_id", "26014090О012", "something else than the digits"),
        ("business_id", "261340900012", "begins with a date that does not exist"),
        ("iban", "KZ85722C000012345678", "not an account number of Kazakhstan"),
        ("bank_bic", "CASPRUMM", "A BIC has 8 or 11 characters"),
        ("bank_bic", "HSBKKZKX", "The account number points to the bank CASPKZKA"),
        ("legal_form", "Entrepreneur", "belongs to another legal form"),
        ("legal_name", "", "This field is required"),
        ("contact_phone", "call me", "A phone number looks like"),
        ("email", "aigul", "Enter a valid email address"),
        ("password", "short", "too short"),
        ("password", "aigul@shop.example", "too similar to the e-mail address"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_nothing_is_written(client, field, value, sentence):
    answer = client.post(APPLY, people.SIGN_UP | people.TYPED | {field: value})
    page = text_of(answer)
    assert answer.status_code == 200
    assert sentence.replace("'", "&#x27;") in page
    assert f'id="id_{field}_error"' in page
    assert 'aria-invalid="true"' in page
    assert not Merchant.objects.exists()
    assert not User.objects.exists()


def test_every_mistake_is_shown_at_once(client):
    page = text_of(client.post(APPLY, {}))
    for field in ("email", "password", "legal_name", "business_id", "iban", "contact_phone"):
        assert f'id="id_{field}_error"' in page


def test_what_a_valid_number_says_is_shown_while_something_else_is_wrong(client):
    page = text_of(client.post(APPLY, people.SIGN_UP | people.TYPED | {"iban": ""}))
    assert "БИН: resident legal entity, head unit, registered January 2026" in page


def test_a_bic_that_differs_from_the_hint_is_taken_when_confirmed(client):
    typed = people.SIGN_UP | people.TYPED | {"bank_bic": "HSBKKZKX"}
    assert 'type="checkbox" name="bic_confirmed"' in text_of(client.post(APPLY, typed))
    assert client.post(APPLY, typed | {"bic_confirmed": "on"}).status_code == 302
    assert Merchant.objects.get().bank_bic == "HSBKKZKX"


def test_a_bank_that_the_list_does_not_know_is_stored_with_its_bic(client):
    # Bank code 999 is on no list; check digits by ISO 7064.
    iban = "KZ" + f"{98 - int('999' + '0' * 13 + '203500') % 97:02d}" + "999" + "0" * 13
    typed = people.SIGN_UP | people.TYPED | {"iban": iban}
    assert "please give its BIC" in text_of(client.post(APPLY, typed))
    assert client.post(APPLY, typed | {"bank_bic": "NEWBKZKA"}).status_code == 302
    assert Merchant.objects.get().iban == iban


def test_an_entrepreneur_applies_with_an_iin(client):
    typed = people.TYPED | {"legal_form": "Entrepreneur", "business_id": "851123490011"}
    assert client.post(APPLY, people.SIGN_UP | typed).status_code == 302
    assert Merchant.objects.get().business_id == "851123490011"


def test_a_number_that_is_taken_tells_a_stranger_nothing_of_its_owner(client):
    taken = people.approved()
    page = text_of(client.post(APPLY, people.SIGN_UP | people.TYPED))
    assert "cannot be registered with this number; please write to the city office" in page
    assert "already exists" not in page
    assert taken.pk not in page
    assert people.owner_of(taken).email not in page
    assert Merchant.objects.count() == 1
    assert not User.objects.filter(email="aigul@shop.example").exists()


def test_an_address_that_has_a_log_in_is_refused_and_its_password_stays(client):
    owner = people.owner_of(people.applied(1))
    answer = client.post(APPLY, people.SIGN_UP | people.TYPED | {"email": owner.email.upper()})
    assert "This address cannot be used here" in text_of(answer)
    assert User.objects.get(pk=owner.pk).check_password(people.PASSWORD)
    assert Merchant.objects.count() == 1


def test_a_person_with_a_log_in_only_applies(client):
    client.force_login(User.objects.create_user("aigul@shop.example", people.PASSWORD))
    assert 'name="password"' not in text_of(client.get(APPLY))
    assert client.post(APPLY, people.TYPED).status_code == 302
    assert client.get(APPLY)["Location"] == "/application/"


def test_a_form_without_its_token_is_refused():
    assert Client(enforce_csrf_checks=True).post(APPLY, people.SIGN_UP | people.TYPED).status_code == 403
    assert not User.objects.exists()


def test_a_rejected_owner_reads_why_and_sends_it_again(client):
    merchant = people.applied()
    onboarding.reject(merchant, admin=people.city_admin(), reason="The certificate is old.", now=people.NOW)
    client.force_login(people.owner_of(merchant))
    assert "The certificate is old." in text_of(client.get("/application/"))
    bad = client.post("/application/", people.TYPED | {"iban": "KZ00"})
    assert "not an account number" in text_of(bad)
    assert Merchant.objects.get().status == MerchantStatus.REJECTED
    assert client.post("/application/", people.TYPED | {"address": "Алатау, Қақпа 2"}).status_code == 302
    stored = Merchant.objects.get()
    assert (stored.status, stored.address) == (MerchantStatus.APPLIED, "Алатау, Қақпа 2")


def test_a_rejected_merchants_cashier_cannot_send_it_again(client):
    merchant = people.applied()
    cashier = people.colleague(merchant, Role.CASHIER)
    onboarding.reject(merchant, admin=people.city_admin(), reason="no", now=people.NOW)
    client.force_login(cashier)
    client.post("/application/", people.TYPED | {"address": "elsewhere"})
    assert Merchant.objects.get().status == MerchantStatus.REJECTED


def test_an_approved_owner_is_led_to_a_first_store(client):
    world.build_networks(people.NOW)
    merchant = people.approved()
    client.force_login(people.owner_of(merchant))
    assert reverse("store_create") in text_of(client.get("/application/"))
    assert client.get("/dashboard/")["Location"] == "/stores/new/"
    assert "Create your first store" in text_of(client.get("/stores/new/"))


@pytest.mark.parametrize(
    ("stores", "lands"), [(0, "/stores/new/"), (1, "/stores/{}/invoices/"), (2, "/stores/")]
)
def test_the_dashboard_leads_on(client, stores, lands):
    merchant = people.approved()
    made = [people.store_of(merchant) for _ in range(stores)]
    client.force_login(people.owner_of(merchant))
    assert client.get("/dashboard/")["Location"] == lands.format(made[0].pk if made else "")
    assert client.get("/")["Location"] == "/dashboard/"


def test_the_dashboard_of_a_waiting_applicant_is_the_application(client):
    client.force_login(people.owner_of(people.applied()))
    assert client.get("/dashboard/")["Location"] == "/application/"
    assert client.get("/stores/new/")["Location"] == "/application/"


def test_a_person_without_an_application_is_led_to_one(client):
    client.force_login(User.objects.create_user("new@shop.example", people.PASSWORD))
    assert client.get("/dashboard/")["Location"] == "/application/"
    assert client.get("/application/")["Location"] == "/apply/"


def test_the_city_office_is_led_to_its_own_pages(client):
    client.force_login(people.city_admin())
    assert client.get("/dashboard/")["Location"] == "/admin/"


@pytest.mark.parametrize("path", ["/dashboard/", "/application/", "/stores/", "/stores/new/"])
def test_a_stranger_logs_in_first(client, path):
    assert client.get(path)["Location"] == f"/login/?next={path}"


def test_a_wrong_password_says_nothing_of_which_part_was_wrong(client):
    people.applied()
    answers = [
        text_of(client.post("/login/", {"username": name, "password": "wrong"}))
        for name in ("owner0@shop.example", "nobody@shop.example")
    ]
    assert all("The e-mail address or the password is not right." in answer for answer in answers)


def test_ten_wrong_passwords_lock_the_log_in_and_say_so(client, settings):
    people.applied()
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert (
            client.post("/login/", {"username": "owner0@shop.example", "password": "wrong"}).status_code
            == 200
        )
    locked = client.post("/login/", {"username": "owner0@shop.example", "password": "wrong"})
    assert locked.status_code == 429
    assert "Too many attempts" in text_of(locked)
    for name in ("owner0@shop.example", "OWNER0@shop.example"):
        right = client.post("/login/", {"username": name, "password": people.PASSWORD})
        assert right.status_code == 429, name


def test_a_log_in_leads_only_to_our_own_pages(client):
    people.applied()
    answer = client.post(
        "/login/?next=https://evil.example/",
        {"username": "owner0@shop.example", "password": people.PASSWORD, "next": "https://evil.example/"},
    )
    assert answer["Location"] == "/dashboard/"


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (
            {"business_id": "2601 4090 0012", "iban": "KZ84 722C 0000 1234 5678"},
            {
                "business_id": "БИН: resident legal entity, head unit, registered January 2026",
                "bic": "CASPKZKA",
            },
        ),
        (
            {"business_id": "851123490011"},
            {"business_id": "ИИН: a person born on 23 November 1985", "bic": ""},
        ),
        ({"business_id": "2601"}, {"business_id": "", "bic": ""}),
        (
            {"business_id": "260140900010", "iban": "<script>"},
            {
                "business_id": "The last digit does not fit the others: there is a typing mistake somewhere.",
                "bic": "",
            },
        ),
        ({}, {"business_id": "", "bic": ""}),
    ],
)
def test_a_number_is_explained_while_it_is_typed(client, query, answer):
    assert client.get("/apply/decode/", query).json() == answer


def test_the_explanation_does_not_say_whether_a_number_is_taken(client):
    before = client.get("/apply/decode/", {"business_id": people.BUSINESS_IDS[0]}).json()
    people.approved()
    assert client.get("/apply/decode/", {"business_id": people.BUSINESS_IDS[0]}).json() == before


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_language_is_chosen_in_the_footer_by_its_own_name(client, language):
    answer = client.post("/i18n/setlang/", {"language": language, "next": "/apply/"})
    assert answer["Location"] == "/apply/"
    page = text_of(client.get("/apply/"))
    assert f'<html lang="{language}">' in page
    for code, name in [("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]:
        current = ' aria-current="true"' if code == language else ""
        assert f'<button name="language" value="{code}" lang="{code}"{current}>{name}</button>' in page

"""The invoice part of the API, compatible with BTCPay's Greenfield API. Shapes stand in ``payments.api_data``."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alatau_pay.api_errors import ApiError, BodyRefused
from compliance import admission
from merchants.api_keys import require
from merchants.models import Store
from payments import api_data, invoices, terms
from payments.invoice_request import RequestRefused, parse_request
from payments.models import Invoice, InvoiceSource, InvoiceStatus
from payments.quoting import RateUnavailable

CREATE = "btcpay.store.cancreateinvoice"
VIEW = "btcpay.store.canviewinvoices"
MODIFY = "btcpay.store.canmodifyinvoices"
VIEW_STORE = "btcpay.store.canviewstoresettings"
IDEMPOTENCY_KEY_LENGTH_MAX = 120
PAGE_MAX = 250


class Invoices(APIView):
    """Make an invoice; list a store's invoices, newest first."""

    def post(self, request: Request, store_id: str) -> Response:
        """200 with InvoiceData; the header Idempotency-Key makes repeating safe."""
        store = require(request, CREATE, store_id)
        invoice = _create(request, store)
        return Response(api_data.invoice_data(invoice, now=timezone.now()))

    def get(self, request: Request, store_id: str) -> Response:
        """200 with a list; filters status, orderId, textSearch, startDate, endDate (Unix seconds), skip, take."""
        store = require(request, VIEW, store_id)
        query = _filtered(Invoice.objects.filter(store=store), request)
        skip, take = _number(request, "skip", 0), min(_number(request, "take", 50), PAGE_MAX)
        page = query.select_related("store").prefetch_related("quotes__asset")[skip : skip + take]
        now = timezone.now()
        return Response([api_data.invoice_data(invoice, now=now) for invoice in page])


class OneInvoice(APIView):
    """One invoice."""

    def get(self, request: Request, store_id: str, invoice_id: str) -> Response:
        """200 with InvoiceData."""
        invoice = find_invoice(require(request, VIEW, store_id), invoice_id)
        return Response(api_data.invoice_data(invoice, now=timezone.now()))


class InvoicePaymentMethods(APIView):
    """How one invoice can be paid and what was paid."""

    def get(self, request: Request, store_id: str, invoice_id: str) -> Response:
        """200 with a list, one element a quote."""
        invoice = find_invoice(require(request, VIEW, store_id), invoice_id)
        return Response(api_data.payment_methods_data(invoice))


class InvoiceStatusChange(APIView):
    """A person's word on an invoice."""

    def post(self, request: Request, store_id: str, invoice_id: str) -> Response:
        """200 with InvoiceData after marking it Settled or Invalid."""
        store = require(request, MODIFY, store_id)
        invoice = find_invoice(store, invoice_id)
        status = request.data.get("status") if isinstance(request.data, dict) else None
        if status not in (InvoiceStatus.SETTLED, InvoiceStatus.INVALID):
            raise BodyRefused([("status", "must be Settled or Invalid")])
        try:
            marked = invoices.mark(invoice.pk, status=status, user=None, now=timezone.now())
        except invoices.MarkRefused as error:
            raise BodyRefused([("status", str(error))]) from error
        return Response(api_data.invoice_data(marked, now=timezone.now()))


class StorePaymentMethods(APIView):
    """The assets that a store accepts and the city admits now."""

    def get(self, request: Request, store_id: str) -> Response:
        """200 with a list of {"paymentMethodId", "enabled"}."""
        store = require(request, VIEW_STORE, store_id)
        admitted = admission.admitted(timezone.now())
        rows = [
            {"paymentMethodId": f"{code}-CHAIN", "enabled": code in admitted, "config": None}
            for code in store.accepted_assets
        ]
        return Response(rows)


def _create(request: Request, store: Store) -> Invoice:
    try:
        return invoices.create(
            parse_request(request.data),
            store=store,
            source=InvoiceSource.API,
            idempotency_key=idempotency_key(request),
            now=timezone.now(),
        )
    except RequestRefused as error:
        raise BodyRefused(error.errors) from error
    except terms.MethodRefused as error:
        raise BodyRefused([("checkout.paymentMethods", str(error))]) from error
    except admission.NotAdmitted as error:
        raise BodyRefused([("amount", str(error))]) from error
    except invoices.StoreNotTrading as error:
        raise ApiError("store-not-trading", str(error), 403) from error
    except invoices.IdempotencyConflict as error:
        raise ApiError("idempotency-conflict", str(error), 409) from error
    except RateUnavailable as error:
        raise ApiError("rate-unavailable", str(error), 503) from error


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key, or None where there is none; 400 where it is malformed."""
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > IDEMPOTENCY_KEY_LENGTH_MAX or not key.isprintable():
        raise ApiError(
            "idempotency-key-invalid", f"at most {IDEMPOTENCY_KEY_LENGTH_MAX} printable characters", 400
        )
    return key or None


def find_invoice(store: Store, invoice_id: str) -> Invoice:
    """The store's invoice; 404 where it has no such one."""
    invoice = Invoice.objects.select_related("store").filter(store=store, pk=invoice_id).first()
    if invoice is None:
        raise ApiError("invoice-not-found", "This store has no such invoice", 404)
    return invoice


def _filtered(query: Any, request: Request) -> Any:
    parameters = request.query_params
    if statuses := parameters.getlist("status"):
        query = query.filter(status__in=statuses)
    if order_ids := parameters.getlist("orderId"):
        query = query.filter(order_id__in=order_ids)
    if text := parameters.get("textSearch", "").replace("\x00", ""):
        query = query.filter(
            Q(pk=text) | Q(order_id=text) | Q(description__icontains=text) | Q(search_terms__icontains=text)
        )
    for name, lookup in (("startDate", "created_at__gte"), ("endDate", "created_at__lte")):
        if name in parameters:
            query = query.filter(**{lookup: api_data.from_unix(_number(request, name, 0))})
    return query if parameters.get("includeArchived") == "true" else query.filter(archived=False)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise BodyRefused([(name, "must be a whole number")])
    return int(text)

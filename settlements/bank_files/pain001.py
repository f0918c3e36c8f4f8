"""ISO 20022 pain.001.001.09: one group of credit transfers from one account, in tenge, by the schema's own types.

The number of a business stands in ``Id/OrgId/Othr``, of a person trading for himself (КБе .9) in ``Id/PrvtId/Othr``. The
schema knows no КНП and no КБе: the batch's template puts them into the first ``Ustrd``, the purpose follows in further ones.
"""

from __future__ import annotations

from decimal import Decimal

from pyiso20022.pain import pain_001_001_09 as pain
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDate, XmlDateTime

from settlements.bank_files.orders import CURRENCY, BankFile, Party, PaymentBatch, PaymentOrder
from settlements.bank_files.scribe import Encoding, Scribe

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_LENGTH_MAX = USTRD_LENGTH_MAX = 140
_SELF_EMPLOYED = "9"


def write(batch: PaymentBatch) -> BankFile:
    """The batch as an XML message, always UTF-8. Names over 140 characters are cut, and stand among the warnings.

    Raises:
        OrderRefused: a text holds a character that no file takes.
    """
    scribe = Scribe(Encoding.UTF_8)
    document = pain.Document(
        cstmr_cdt_trf_initn=pain.CustomerCreditTransferInitiationV09(
            grp_hdr=_group(batch, scribe), pmt_inf=[_payments(batch, scribe)]
        )
    )
    serializer = XmlSerializer(config=SerializerConfig(indent="  ", encoding="UTF-8"))
    text = serializer.render(document, ns_map={None: NAMESPACE})
    return BankFile(f"pain001_{batch.number}.xml", text.encode(), scribe.warnings)


def _group(batch: PaymentBatch, scribe: Scribe) -> pain.GroupHeader85:
    return pain.GroupHeader85(
        msg_id=_batch_id(batch),
        cre_dt_tm=XmlDateTime.from_datetime(batch.made_at.replace(microsecond=0)),
        nb_of_txs=str(len(batch.orders)),
        ctrl_sum=_tenge(batch.total_tiyn),
        initg_pty=_party(batch.payer, scribe, number=None),
    )


def _payments(batch: PaymentBatch, scribe: Scribe) -> pain.PaymentInstruction30:
    return pain.PaymentInstruction30(
        pmt_inf_id=f"{_batch_id(batch)}-1",
        pmt_mtd=pain.PaymentMethod3Code.TRF,
        btch_bookg=False,
        nb_of_txs=str(len(batch.orders)),
        ctrl_sum=_tenge(batch.total_tiyn),
        pmt_tp_inf=pain.PaymentTypeInformation26(instr_prty=pain.Priority2Code.NORM),
        reqd_exctn_dt=pain.DateAndDateTime2Choice(dt=XmlDate.from_date(batch.value_date)),
        dbtr=_party(batch.payer, scribe, number=None),
        dbtr_acct=_account(batch.payer),
        dbtr_agt=_bank(batch.payer),
        cdt_trf_tx_inf=[_transfer(batch, order, scribe) for order in batch.orders],
    )


def _transfer(batch: PaymentBatch, order: PaymentOrder, scribe: Scribe) -> pain.CreditTransferTransaction34:
    return pain.CreditTransferTransaction34(
        pmt_id=pain.PaymentIdentification6(instr_id=str(order.number), end_to_end_id=order.reference),
        amt=pain.AmountType4Choice(
            instd_amt=pain.ActiveOrHistoricCurrencyAndAmount(value=_tenge(order.amount_tiyn), ccy=CURRENCY)
        ),
        cdtr_agt=_bank(order.payee),
        cdtr=_party(order.payee, scribe, number=order.number),
        cdtr_acct=_account(order.payee),
        rmt_inf=pain.RemittanceInformation16(ustrd=_remittance(batch, order, scribe)),
    )


def _remittance(batch: PaymentBatch, order: PaymentOrder, scribe: Scribe) -> list[str]:
    purpose = scribe.text(order.purpose, number=order.number, field="purpose")
    parts = [purpose[start : start + USTRD_LENGTH_MAX] for start in range(0, len(purpose), USTRD_LENGTH_MAX)]
    codes = batch.remittance_template
    for mark, text in (
        ("{kod}", batch.payer.kbe),
        ("{kbe}", order.payee.kbe),
        ("{knp}", order.knp),
        ("{currency}", CURRENCY),
        ("{payer_business_id}", batch.payer.business_id),
        ("{payee_business_id}", order.payee.business_id),
    ):
        codes = codes.replace(mark, text)
    return [codes[:USTRD_LENGTH_MAX], *parts] if codes.strip() else parts


def _party(party: Party, scribe: Scribe, *, number: int | None) -> pain.PartyIdentification135:
    name = scribe.text(party.name, number=number, field="name", length_max=NAME_LENGTH_MAX)
    return pain.PartyIdentification135(nm=name, id=_identity(party))


def _identity(party: Party) -> pain.Party38Choice:
    if party.kbe[1] == _SELF_EMPLOYED:
        person = pain.GenericPersonIdentification1(
            id=party.business_id,
            schme_nm=pain.PersonIdentificationSchemeName1Choice(prtry="IIN"),
        )
        return pain.Party38Choice(prvt_id=pain.PersonIdentification13(othr=[person]))
    business = pain.GenericOrganisationIdentification1(
        id=party.business_id,
        schme_nm=pain.OrganisationIdentificationSchemeName1Choice(prtry="BIN"),
    )
    return pain.Party38Choice(org_id=pain.OrganisationIdentification29(othr=[business]))


def _account(party: Party) -> pain.CashAccount38:
    return pain.CashAccount38(id=pain.AccountIdentification4Choice(iban=party.iban), ccy=CURRENCY)


def _bank(party: Party) -> pain.BranchAndFinancialInstitutionIdentification6:
    return pain.BranchAndFinancialInstitutionIdentification6(
        fin_instn_id=pain.FinancialInstitutionIdentification18(bicfi=party.bank_bic)
    )


def _batch_id(batch: PaymentBatch) -> str:
    return f"APB{batch.number}-{batch.value_date:%Y%m%d}"


def _tenge(amount_tiyn: int) -> Decimal:
    # Built from its digits: always two decimals, and never a float on the way.
    return Decimal(amount_tiyn).scaleb(-2)

"""What documents say, in Kazakh, Russian and English. A document's language is chosen for it, whatever the page is in."""

from __future__ import annotations

LANGUAGES = ("kk", "ru", "en")

# key: Kazakh, Russian, English.
TEXTS: dict[str, tuple[str, str, str]] = {
    "register": ("Операциялар тізілімі", "Реестр операций", "Register of operations"),
    "merchant": ("Сатушы", "Продавец", "Merchant"),
    "operator": ("Оператор", "Оператор", "Operator"),
    "business_id": ("БСН/ЖСН", "БИН/ИИН", "BIN/IIN"),
    "address": ("Мекенжайы", "Адрес", "Address"),
    "period": ("Кезең", "Период", "Period"),
    "preliminary": (
        "Алдын ала: кезең әлі аяқталған жоқ, сандар өзгеруі мүмкін.",
        "Предварительно: период не окончен, данные могут измениться.",
        "Preliminary: the period is not over, figures may change.",
    ),
    "preliminary_1c": ("алдын ала", "предварительно", "preliminary"),
    "not_fiscal": (
        "Бұл құжат фискалдық чек емес.",
        "Документ не является фискальным чеком.",
        "This document is not a fiscal receipt.",
    ),
    "page": ("{number}-бет, барлығы {count}", "Страница {number} из {count}", "Page {number} of {count}"),
    "time_zone": (
        "Уақыт Алматы бойынша (UTC+5), сомалар теңгемен.",
        "Время Алматы (UTC+5), суммы в тенге.",
        "Times are Almaty's (UTC+5), amounts are in tenge.",
    ),
    "summary": ("Жиынтық", "Итоги", "Summary"),
    "operations": ("Операциялар", "Операции", "Operations"),
    "days": ("Күндер бойынша", "По дням", "By day"),
    "day": ("Күні", "Дата", "Date"),
    "count": ("Саны", "Кол-во", "Count"),
    "amount": ("Сома", "Сумма", "Amount"),
    "line": ("Көрсеткіш", "Показатель", "Line"),
    "total": ("Барлығы", "Итого", "Total"),
    # The lines that add up.
    "opening": ("Кезең басындағы қалдық", "Остаток на начало периода", "Opening balance"),
    "gross": ("Жалпы сатылым", "Продажи (валовые)", "Gross sales"),
    "reversed": (
        "Тізбек кері қайтарған сатылымдар",
        "Сторно продаж (отменены сетью)",
        "Sales that the network reversed",
    ),
    "refunds": ("Сатып алушыларға қайтару", "Возвраты покупателям", "Refunds to customers"),
    "corrections": ("Түзетулер", "Исправления", "Corrections"),
    "fee": ("Комиссия (ҚҚС-сыз)", "Комиссия (без НДС)", "Fee (without VAT)"),
    "vat": ("Комиссияға ҚҚС", "НДС на комиссию", "VAT on the fee"),
    "net": ("Кезең бойынша төлеуге", "К выплате за период", "Due for the period"),
    "payouts": ("Төлемге жіберілді", "Направлено на выплату", "Set aside for payouts"),
    "payouts_back": (
        "Төлемдер қайтарылды немесе жойылды",
        "Выплаты отменены или возвращены",
        "Payouts cancelled or returned",
    ),
    "closing": ("Кезең соңындағы қалдық", "Остаток на конец периода", "Closing balance"),
    "direct_fee": (
        "Тікелей есеп айырысу комиссиясы (ұсталмады)",
        "Комиссия прямых расчётов (не удержана)",
        "Fee of direct settlement (not withheld)",
    ),
    "direct_vat": (
        "Оған ҚҚС (ұсталмады)",
        "НДС на неё (не удержан)",
        "VAT on it (not withheld)",
    ),
    "direct_note": (
        "Комиссия {fee}, ҚҚС {vat}: ұсталмады",
        "Комиссия {fee}, НДС {vat}: не удержаны",
        "Fee {fee}, VAT {vat}: not withheld",
    ),
    "debt_note": (
        "Сатушы қарызының өзгеруі: {amount}",
        "Изменение долга продавца: {amount}",
        "Change of the merchant's debt: {amount}",
    ),
    # Kinds of operations.
    "sale": ("Сатылым", "Продажа", "Sale"),
    "sale_reversed": ("Сатылым сторносы", "Сторно продажи", "Sale reversed"),
    "refund": ("Қайтару", "Возврат", "Refund"),
    "correction": ("Түзету", "Исправление", "Correction"),
    "direct": ("Тікелей есеп айырысу", "Прямой расчёт", "Direct settlement"),
    "payout": ("Төлем", "Выплата", "Payout"),
    "payout_back": ("Төлем қайтарылды", "Возврат выплаты", "Payout returned"),
    # Columns.
    "number": ("№", "№", "No."),
    "kind": ("Операция", "Операция", "Operation"),
    "posted": ("Есепке алынған уақыты", "Учтено", "Posted"),
    "happened": ("Желіге түскен уақыты", "Поступило в сеть", "Seen on the network"),
    "invoice": ("Шот", "Счёт", "Invoice"),
    "order": ("Тапсырыс", "Заказ", "Order"),
    "store": ("Дүкен", "Магазин", "Store"),
    "asset": ("Актив", "Актив", "Asset"),
    "network": ("Желі", "Сеть", "Network"),
    "coin_amount": ("Актив мөлшері", "Количество актива", "Asset amount"),
    "rate": ("Бағам, ₸", "Курс, ₸", "Rate, ₸"),
    "rate_sources": ("Бағам көздері", "Источники курса", "Rate sources"),
    "official_rate": ("ҚРҰБ бағамы, ₸/USD", "Курс НБ РК, ₸/USD", "National Bank, ₸/USD"),
    "gross_column": ("Жалпы сома", "Валовая сумма", "Gross"),
    "fee_column": ("Комиссия", "Комиссия", "Fee"),
    "vat_column": ("ҚҚС", "НДС", "VAT"),
    "net_column": ("Таза сома", "Чистая сумма", "Net"),
    "payout_column": ("Төлемдер", "Выплаты", "Payouts"),
    "balance": ("Қалдық", "Остаток", "Balance"),
    "txid": ("Txid", "Txid", "Txid"),
    "reference": ("Жазба", "Запись", "Entry"),
    "note": ("Ескертпе", "Примечание", "Note"),
    "too_many": (
        "Операциялар {count}: толық тізімі XLSX және CSV файлдарында.",
        "Операций {count}: полный список — в файлах XLSX и CSV.",
        "{count} operations: the full list is in the XLSX and CSV files.",
    ),
    "none": ("Кезеңде операция болмады.", "Операций за период не было.", "No operations in the period."),
    "sources_short": ("Көздер", "Источники", "Sources"),
    "official_short": ("ҚРҰБ", "НБ РК", "National Bank"),
    "purpose_1c": (
        "Alatau Pay: {line}, {day}",
        "Alatau Pay: {line} за {day}",
        "Alatau Pay: {line}, {day}",
    ),
    # Fee invoice and act.
    "fee_invoice": ("Төлемге шот", "Счёт на оплату", "Invoice"),
    "act": (
        "Орындалған жұмыстар (көрсетілген қызметтер) актісі",
        "Акт выполненных работ (оказанных услуг)",
        "Act of services rendered",
    ),
    "document_number": ("№ {number}, {date}", "№ {number} от {date}", "No. {number} of {date}"),
    "supplier": ("Орындаушы", "Исполнитель", "Supplier"),
    "customer": ("Тапсырыс беруші", "Заказчик", "Customer"),
    "bank": ("Банк", "Банк", "Bank"),
    "iban": ("ЖСК", "ИИК", "Account (IBAN)"),
    "bic": ("БСК", "БИК", "BIC"),
    "kbe": ("КБЕ", "КБЕ", "KBE"),
    # The program knows no contract: its number is written in by hand.
    "contract": (
        "Шарт (келісімшарт): ______________________________",
        "Договор (контракт): ______________________________",
        "Contract: ______________________________",
    ),
    "service": (
        "Цифрлық активтермен төлемдерді қабылдау қызметі, {month}",
        "Услуги по приёму платежей цифровыми активами, {month}",
        "Accepting payments in digital assets, {month}",
    ),
    "service_name": ("Қызмет атауы", "Наименование услуги", "Service"),
    "unit": ("Өлш. бірл.", "Ед. изм.", "Unit"),
    "unit_service": ("қызмет", "услуга", "service"),
    "quantity": ("Саны", "Кол-во", "Qty"),
    "price": ("ҚҚС-сыз, ₸", "Без НДС, ₸", "Without VAT, ₸"),
    "vat_rate": ("ҚҚС мөлш.", "Ставка НДС", "VAT rate"),
    "vat_amount": ("ҚҚС, ₸", "НДС, ₸", "VAT, ₸"),
    "with_vat": ("ҚҚС-пен, ₸", "С НДС, ₸", "With VAT, ₸"),
    "in_words": ("Сома жазумен", "Сумма прописью", "Amount in words"),
    "vat_note": (
        "ҚҚС әр төлем бойынша есептеліп, тиынға дейін дөңгелектенген.",
        "НДС исчислен по каждой операции с округлением до тиына.",
        "VAT is worked out for each operation and rounded to a tiyn.",
    ),
    "withheld": (
        "Түсімнен ұсталды: {amount}",
        "Удержано из выручки: {amount}",
        "Withheld from the proceeds: {amount}",
    ),
    "to_pay": ("Төлеуге: {amount}", "К оплате: {amount}", "To be paid: {amount}"),
    "handed_over": ("Тапсырды (Орындаушы)", "Сдал (Исполнитель)", "Handed over (Supplier)"),
    "accepted": ("Қабылдады (Тапсырыс беруші)", "Принял (Заказчик)", "Accepted (Customer)"),
    "signature": ("қолы, аты-жөні", "подпись, Ф.И.О.", "signature, name"),
    "issued_by": ("Шотты жазған", "Счёт выписал", "Issued by"),
}

_MONTHS = {
    "kk": "қаңтар ақпан наурыз сәуір мамыр маусым шілде тамыз қыркүйек қазан қараша желтоқсан",
    "ru": "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "en": "January February March April May June July August September October November December",
}


def say(key: str, language: str, **values: object) -> str:
    """The text of ``key`` in ``language`` (kk, ru or en).

    Raises:
        KeyError, ValueError: there is no such text, or no such language.
    """
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def month_name(year: int, month: int, language: str) -> str:
    """ "November 2026", "ноябрь 2026 г.", "2026 ж. қараша"."""
    name = _MONTHS[language].split()[month - 1]
    if language == "kk":
        return f"{year} ж. {name}"
    return f"{name} {year} г." if language == "ru" else f"{name} {year}"

"""The month's books, worked out by themselves from the plan: no rule, figure or word of the project is imported.

Balances are debits less credits in smallest units, by "kind:asset[:merchant number]"; a merchant's register holds its month's
figures in tiyn; a payout is (day, merchant, its number there, tiyn). ``closings`` and ``summed`` are balances and registers as
they stand when a day ends.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from fractions import Fraction

from tests.whole_way.month_plan import DAYS, DECIMALS, SEIZED, TRADE, Sale, is_business_day, rates

# In one day: what the chain undoes, what comes back, payouts, sales, what people decide.
UNDONE, PAYOUT, SOLD, DECIDED, TRADED = range(5)
# Gas and miners' fees: smallest units for each refund sent.
NETWORK_FEES = {"BTC": 1_410, "ETH": 52_500_000_000_000, "USDT": 0}
RETURNED_PAYOUT = (1, 7)  # merchant 1's payout number 7 comes back on the next business day


def half_up(number, by=1):
    return math.floor(Fraction(number) / by + Fraction(1, 2))


class Books:
    """Everything that happened up to the end of the month."""

    def __init__(self, sales: list[Sale]) -> None:
        self.balances: Counter[str] = Counter()
        self.registers: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.payouts: list[tuple[int, int, int, int]] = []
        self.closings: dict[int, Counter[str]] = {0: Counter()}
        self.summed: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        self.today_else: Counter[int] = Counter()
        self.live: dict[int, list[tuple[int, int]]] = {}
        self.plan: defaultdict[tuple[int, int], list] = defaultdict(list)
        for sale in sales:
            self.put_down(sale)
        self.plan[SEIZED.day, TRADED].append(self.seize)
        self.plan[TRADE.day, TRADED].append(self.sell_coins)
        for day in range(1, DAYS + 1):
            self.today_else.clear()
            for step in (UNDONE, PAYOUT, SOLD, DECIDED, TRADED):
                if step == PAYOUT and is_business_day(day):
                    self.pay_out(day)
                for deed in self.plan[day, step]:
                    deed()
            self.closings[day] = Counter(self.balances)
            self.summed.update({(day, merchant): Counter(self.registers[merchant]) for merchant in range(3)})

    def register_lines(self, merchant: int) -> dict[str, int]:
        """The month's register of a merchant as its summary has to read, in English."""
        said = self.registers[merchant]
        net = said["gross"] - said["reversed"] - said["refunds"] - said["fee"] - said["vat"]
        lines = {
            "Opening balance": 0,
            "Gross sales": said["gross"],
            "Sales that the network reversed": -said["reversed"],
            "Refunds to customers": -said["refunds"],
            "Fee (without VAT)": -said["fee"],
            "VAT on the fee": -said["vat"],
            "Due for the period": net,
            "Set aside for payouts": -said["paid"],
            "Payouts cancelled or returned": said["back"],
            "Closing balance": net - said["paid"] + said["back"],
        }
        return {line: amount for line, amount in lines.items() if amount or line == "Opening balance"}

    def register_of(self, merchant: int, first: int, last: int) -> dict[str, int]:
        """What a merchant's register of the days ``first`` to ``last`` comes to; its balances are what it is owed."""
        before, until = (self.summed[day, merchant] for day in (first - 1, last))
        opening, closing = (-self.closings[day][f"payable:KZT:{merchant}"] for day in (first - 1, last))
        lines = ("gross", "reversed", "refunds", "fee", "vat", "paid", "back")
        return {line: until[line] - before[line] for line in lines} | {"opening": opening, "closing": closing}

    def put_down(self, sale: Sale) -> None:
        """When what happens to a sale."""
        scale, quoted = (10**places for places in DECIMALS[sale.asset])
        units = Fraction(sale.price_tiyn, 100) / Fraction(rates(sale.day)[sale.asset])
        due = math.ceil(units * quoted) * (scale // quoted)
        share = {"short": Fraction(7, 10), "over,": Fraction(13, 10), "over": Fraction(13, 10)}
        paid = math.floor(due * share.get(sale.ending.split()[0].rstrip(","), 1))
        held = sale.ending.startswith(("short", "late"))

        def at(days, step, deed, *amounts):
            self.plan[sale.day + days, step].append(lambda: deed(sale, *amounts))

        if sale.ending == "halves":
            at(0, SOLD, self.credit, [(due // 2, due), (due - due // 2, due)])
        elif held:
            at(0, SOLD, self.hold, paid)
        else:
            at(0, SOLD, self.credit, [(paid, due)])
        worth_then = math.floor(Fraction(paid, due) * sale.price_tiyn)
        if sale.ending.endswith("rate then"):
            at(0, DECIDED, self.accept, paid, worth_then)
        if sale.ending.endswith("rate now"):
            now = Fraction(rates(sale.day + 2)[sale.asset])
            at(2, DECIDED, self.accept, paid, math.floor(Fraction(paid, scale) * now * 100))
        if sale.ending in ("short, given back", "late, given back"):
            at(0, DECIDED, self.give_back_held, paid)
        if sale.ending == "over, given back" and sale.merchant != 2:
            at(0, DECIDED, self.give_back_held, paid - due)
        if sale.ending == "refunded in full":
            at(0, DECIDED, self.refund, paid, sale.price_tiyn)
        if sale.ending == "refunded in part":
            part = sale.price_tiyn // 3
            at(0, DECIDED, self.refund, math.floor(Fraction(part, sale.price_tiyn) * paid), part)
        if sale.ending.startswith("reversed"):
            at(5 if sale.ending.endswith("payout") else 1, UNDONE, self.undo)
        if sale.ending == "reversed and back":
            at(2, UNDONE, self.credit, [(paid, due)])

    def post(self, sale: Sale, **amounts: int) -> None:
        for name, amount in amounts.items():
            kind, _, coin = name.partition("_of_")
            self.balances[f"{kind}:{sale.asset if coin == 'coin' else 'KZT'}"] += amount

    def owe(self, sale: Sale, coin: int, gross: int, sign: int = 1) -> None:
        """The operator has ``coin`` for tenge, the merchant is owed the gross less 1 % and the 16 % VAT on that."""
        fee = half_up(gross, 100)
        vat = half_up(fee * 16, 100)
        self.post(sale, position_of_coin=-sign * coin, fee_income=-sign * fee, vat_payable=-sign * vat)
        self.balances[f"position:KZT:{sale.asset}"] += sign * gross
        self.move(sale.merchant, sign * (gross - fee - vat))
        line = "gross" if sign > 0 else "reversed"
        self.registers[sale.merchant].update({line: gross, "fee": sign * fee, "vat": sign * vat})

    def move(self, merchant: int, tiyn: int) -> None:
        self.balances[f"payable:KZT:{merchant}"] -= tiyn
        self.today_else[merchant] += tiyn

    def credit(self, sale: Sale, payments: list[tuple[int, int]]) -> None:
        """Each payment (coin that came, coin asked for) at its share of the price; an excess is held, or the store keeps it."""
        worth, before, credited = Fraction(0), 0, []
        for paid, due in payments:
            worth += Fraction(paid * sale.price_tiyn, due)
            value, before = math.floor(worth) - before, math.floor(worth)
            keeps = sale.merchant == 2
            gross, coin = (value, paid) if keeps else (min(value, sale.price_tiyn), min(paid, due))
            self.post(sale, reserve_of_coin=paid, held_of_coin=-(paid - coin))
            self.owe(sale, coin, gross)
            credited.append((coin, gross))
        self.live[sale.number] = credited

    def undo(self, sale: Sale) -> None:
        for coin, gross in self.live.pop(sale.number):
            self.post(sale, reserve_of_coin=-coin)
            self.owe(sale, coin, gross, -1)

    def hold(self, sale: Sale, paid: int) -> None:
        self.post(sale, reserve_of_coin=paid, held_of_coin=-paid)

    def accept(self, sale: Sale, paid: int, gross: int) -> None:
        self.post(sale, held_of_coin=paid)
        self.owe(sale, paid, gross)

    def give_back_held(self, sale: Sale, coin: int) -> None:
        self.post(sale, held_of_coin=coin)
        self.send(sale, coin)

    def refund(self, sale: Sale, coin: int, value: int) -> None:
        """The merchant bears the value, the operator gives up the coin."""
        self.move(sale.merchant, -value)
        self.balances[f"position:KZT:{sale.asset}"] -= value
        self.post(sale, position_of_coin=coin)
        self.registers[sale.merchant]["refunds"] += value
        self.send(sale, coin)

    def send(self, sale: Sale, coin: int) -> None:
        """The coin leaves, and what the network takes for it."""
        gas = "ETH" if sale.asset == "USDT" else sale.asset
        fee = NETWORK_FEES[sale.asset]
        worth = half_up(Fraction(fee, 10 ** DECIMALS[gas][0]) * Fraction(rates(sale.day)[gas]) * 100)
        self.post(sale, reserve_of_coin=-coin - fee, position_of_coin=fee, network_cost=worth)
        self.balances[f"position:KZT:{gas}"] -= worth

    def seize(self) -> None:
        """Bitcoin given over to the city: at the document's value."""
        self.balances["reserve:BTC"] += SEIZED.minor
        self.balances["position:BTC"] -= SEIZED.minor
        self.balances["position:KZT:BTC"] += SEIZED.tiyn
        self.balances["capital:KZT"] -= SEIZED.tiyn

    def sell_coins(self) -> None:
        """Bitcoin sold: its share of the cost leaves the books, and the difference is realised."""
        held, cost = -self.balances["position:BTC"], self.balances["position:KZT:BTC"]
        share = half_up(cost * TRADE.minor, held)
        self.balances["reserve:BTC"] -= TRADE.minor
        self.balances["position:BTC"] += TRADE.minor
        self.balances["position:KZT:BTC"] -= share
        self.balances["bank:KZT"] += TRADE.tiyn
        self.balances["exchange_diff:KZT"] -= TRADE.tiyn - share

    def pay_out(self, day: int) -> None:
        """To each merchant what yesterday left it owed and today has not taken; the bank pays the same day.

        One payout comes back the business day after, and its tenge goes out with that day's.
        """
        for was, merchant, number, amount in self.payouts:
            if (merchant, number) == RETURNED_PAYOUT and day == next(
                filter(is_business_day, range(was + 1, DAYS))
            ):
                self.balances[f"payable:KZT:{merchant}"] -= amount
                self.balances["bank:KZT"] += amount
                self.registers[merchant]["back"] += amount
        for merchant in range(3):
            owed = -self.balances[f"payable:KZT:{merchant}"]
            amount = min(owed, owed - self.today_else[merchant])
            if amount > 0:
                number = 1 + sum(1 for _, whose, _, _ in self.payouts if whose == merchant)
                self.payouts.append((day, merchant, number, amount))
                self.registers[merchant]["paid"] += amount
                self.balances[f"payable:KZT:{merchant}"] += amount
                self.balances["bank:KZT"] -= amount

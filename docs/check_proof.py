"""python3 check_proof.py PROOF.json [SEAL]: is the entry in the sealed ledger, and SEAL (noted elsewhere) among its seals?"""

import hashlib
import json
import sys


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


proof = json.load(open(sys.argv[1], encoding="utf-8"))
node = sha256(b"\x00", proof["leaf"].encode())
for side, beside in proof["path"]:
    pair = (bytes.fromhex(beside), node) if side == "left" else (node, bytes.fromhex(beside))
    node = sha256(b"\x01", *pair)
entry, days = json.loads(proof["leaf"]), proof["days"]
sound = node.hex() == days[0]["root"] and entry["business_date"] == days[0]["day"]
seal = bytes.fromhex(proof["previous_seal"])
for day in days:
    seal = sha256(b"\x02", seal, day["day"].encode(), bytes.fromhex(day["root"]))
    sound = sound and seal.hex() == day["seal"]
noted = len(sys.argv) < 3 or sys.argv[2] in [day["seal"] for day in days]
print(json.dumps(entry, indent=2, ensure_ascii=False))
print("In the sealed ledger." if sound else "NOT PROVED: this entry does not lead to these seals.")
print("Seals:", *(f"{day['day']} {day['seal']}" for day in (days[0], days[-1])))
print("" if noted else "NOT PROVED: the seal that you noted is not among them.")
sys.exit(0 if sound and noted else 1)

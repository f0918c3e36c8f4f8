"""python3 check_proof.py PROOF.json SEAL: is the entry in the ledger whose seal SEAL was noted on the entry's day or later?"""

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
given = sys.argv[2:3]
proved = sound and (not given or given[0].lower() in [day["seal"] for day in days])
print(json.dumps(entry, indent=2, ensure_ascii=False))
print("Seals:", *(f"{day['day']} {day['seal']}" for day in (days[0], days[-1])))
says = "In the sealed ledger." if given else "Leads to these seals; compare a noted one: files can be forged."
print(says if proved else "NOT PROVED: the entry does not lead to these, or your seal is none.")
sys.exit(0 if proved else 1)

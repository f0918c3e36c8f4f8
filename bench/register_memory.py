"""``python -m bench.register_memory FORMAT whole|alone``: write a year's register of the one merchant and print what it took.

``alone`` is a program that does nothing else (Django without the admin's pages); ``whole`` is one of our processes as it runs. A
process of its own, since only a fresh one can say what its work needs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ADMIN = "django.contrib.admin"


def main(form: str, process: str) -> None:
    """Print ``{"peak_mb": …, "before_mb": …, "seconds": …, "operations": …, "file_mb": …}``."""
    import django
    from django.conf import settings

    if process == "alone":
        simple = "django.contrib.admin.apps.SimpleAdminConfig"
        settings.INSTALLED_APPS = [simple if app == ADMIN else app for app in settings.INSTALLED_APPS]
    django.setup()
    from merchants.models import Merchant
    from settlements.register import compile_register

    if form == "xlsx":
        from settlements.documents.xlsx import write_xlsx as write
    else:
        from settlements.documents.csv_register import write_csv as write

    merchant = Merchant.objects.get()
    before_mb = _peak_mb()
    began = time.process_time()
    with tempfile.TemporaryFile() as file:
        register = compile_register(merchant, date(2026, 1, 1), date(2026, 12, 31))
        write(register, file, language="ru")
        file_mb = file.tell() / 1e6
    answer = {
        "peak_mb": _peak_mb(),
        "before_mb": before_mb,
        "seconds": time.process_time() - began,
        "operations": register.entry_count,
        "closing_tiyn": register.closing_tiyn,
        "file_mb": file_mb,
    }
    print(json.dumps(answer))


def _peak_mb() -> float:
    """The most memory this program ever held (Linux). getrusage would count what its parent held when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])

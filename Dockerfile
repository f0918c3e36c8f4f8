# One image; web, live, worker, watcher and beat differ by command (compose.yaml).

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# A compiler for the few packages without a wheel on some platforms; it stays in this stage.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-deps -r requirements.txt && /opt/venv/bin/pip check

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=alatau_pay.settings \
    WEB_CONCURRENCY=2
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin alatau
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY manage.py ./
COPY alatau_pay alatau_pay
COPY merchants merchants
COPY chains chains
COPY compliance compliance
COPY settlements settlements
COPY payments payments
COPY templates templates
COPY static static
COPY locale locale
# Collecting needs settings that load; none of these values is left in the image or used for anything else.
RUN SECRET_KEY=build SECRETS_KEYS=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ALLOWED_HOSTS=build SITE_URL=https://build.invalid \
    DATABASE_URL=postgres://build.invalid/build REDIS_URL=redis://build.invalid/0 \
    python manage.py collectstatic --no-input --verbosity 0
USER alatau
EXPOSE 8000
# For the web command; compose.yaml gives the others their own. Django answers only to the hosts that it is told.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:8000/api/v1/health', headers={'Host': os.environ['ALLOWED_HOSTS'].split(',')[0]}), timeout=4)"]
# /dev/shm: on a disk that stalls, a worker's heartbeat file would make a healthy worker look dead.
CMD ["gunicorn", "alatau_pay.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--threads", "8", "--worker-tmp-dir", "/dev/shm"]

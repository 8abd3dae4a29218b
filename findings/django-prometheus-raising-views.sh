#!/usr/bin/env bash
# A view of Django that raises is timed twice by django-prometheus: its histogram by view holds two observations of each such
# request, so its _count is no number of requests, and quantiles lean towards the requests that fail.
#
# Seen with django-prometheus 2.5.0 and Django 5.2.19: of 20 requests of one view and 7 of another that raises:
#   django_http_requests_latency_seconds_by_view_method_count{view="quiet",...}   20
#   django_http_requests_latency_seconds_by_view_method_count{view="raising",...} 14
#   django_http_responses_total_by_status_total{status="500"} 7
# The middleware observes as the exception passes, and once more as the answer does that Django makes of it.
#
# Needs uv. Installs the packages in a temporary folder, and fails if the page shows something else.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv -q venv
uv pip install -q -p venv/bin/python django-prometheus==2.5.0 Django==5.2.19
cat > app.py <<'PY'
from django.conf import settings

settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DATABASES={}, LOGGING_CONFIG=None,
    INSTALLED_APPS=["django_prometheus"],
    MIDDLEWARE=[
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ],
)
import logging

import django

django.setup()
logging.disable()
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from prometheus_client import REGISTRY


def raising(request):
    raise RuntimeError("a bug")


urlpatterns = [path("quiet", lambda request: HttpResponse("ok"), name="quiet"), path("raising", raising, name="raising")]
client = Client(raise_request_exception=False)
for name, times in (("quiet", 20), ("raising", 7)):
    for _ in range(times):
        client.get(f"/{name}")


def shown(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


found = {
    "by view, quiet": shown("django_http_requests_latency_seconds_by_view_method_count", view="quiet", method="GET"),
    "by view, raising": shown("django_http_requests_latency_seconds_by_view_method_count", view="raising", method="GET"),
    "status 200": shown("django_http_responses_total_by_status_total", status="200"),
    "status 500": shown("django_http_responses_total_by_status_total", status="500"),
}
for name, count in found.items():
    print(f"{name:20}{count:g}")
assert list(found.values()) == [20, 14, 20, 7], "it counts otherwise"
PY
venv/bin/python app.py

# One target a service: docker build --target analyzer -t serinus-analyzer .
# Any base with Python 3.11 or newer and its venv module will do.
ARG BASE_IMAGE=python:3.13.15-slim-trixie@sha256:8d9d0b8bcf6506481eae4907c18f5e3e7902e629f5f6d684f9e7c32e85e3ddf0

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY tools/requirements.txt requirements-tools.txt
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements-tools.txt
# The certificates of the base, so that one of a company that stands between is known.
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_SYSTEM_CERTS=true VIRTUAL_ENV=/opt/build
COPY requirements.lock ./
# uv holds what it installs against the hashes in the constraints.
RUN /opt/build/bin/uv pip install --quiet hatchling --constraints requirements.lock
COPY shared shared
COPY services services
COPY simulator simulator
RUN for project in shared/* services/* simulator; do \
      (cd "$project" && /opt/build/bin/hatchling build --target wheel --directory /wheels) || exit 1; \
    done
# Ours are named by their files, so that no package of the same name elsewhere can take their place. Tests of
# libraries stay out of the image.
RUN printf '%s\n' '#!/bin/sh -e' \
      'python3 -m venv --without-pip /opt/serinus' \
      'set -- /wheels/serinus_contracts-*.whl "$@"' \
      '/opt/build/bin/uv pip install --quiet --python /opt/serinus/bin/python --constraints requirements.lock "$@"' \
      'find /opt/serinus -type d -name tests -prune -exec rm -r {} +' > /usr/local/bin/install-wheels \
    && chmod +x /usr/local/bin/install-wheels

FROM build AS collector-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_counting-*.whl \
      "$(echo /wheels/serinus_collecting-*.whl)[aws,azure,google]" /wheels/serinus_collector-*.whl
FROM build AS analyzer-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_judging-*.whl /wheels/serinus_analyzer-*.whl
FROM build AS controller-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_rollouts-*.whl /wheels/serinus_controller-*.whl
FROM build AS console-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_rollouts-*.whl /wheels/serinus_readmodel-*.whl /wheels/serinus_console-*.whl
FROM build AS notifier-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_readmodel-*.whl /wheels/serinus_notifier-*.whl
FROM build AS simulator-build
RUN install-wheels /wheels/serinus_runtime-*.whl /wheels/serinus_judging-*.whl /wheels/serinus_simulator-*.whl

FROM ${BASE_IMAGE} AS base
LABEL org.opencontainers.image.title="Serinus" org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/serinus/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 65532:65532

FROM base AS service
ENV SERINUS_HTTP_HOST=0.0.0.0 SERINUS_HTTP_PORT=8080
EXPOSE 8080
# Docker restarts nothing by it: it is what a person sees, so it is ready, with what is missing, and not only alive.
HEALTHCHECK --interval=5s --timeout=10s --start-period=120s --retries=5 CMD ["python3", "-c", \
  "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=8); c.request('GET', '/readyz'); \
  r = c.getresponse(); print(r.read().decode()); exit(r.status != 200)"]

FROM service AS collector
COPY --from=collector-build /opt/serinus /opt/serinus
ENTRYPOINT ["serinus-collector"]

FROM service AS analyzer
COPY --from=analyzer-build /opt/serinus /opt/serinus
ENTRYPOINT ["serinus-analyzer"]

FROM service AS controller
COPY --from=controller-build /opt/serinus /opt/serinus
ENTRYPOINT ["serinus-controller"]

FROM service AS console
COPY --from=console-build /opt/serinus /opt/serinus
ENTRYPOINT ["serinus-console"]

FROM service AS notifier
COPY --from=notifier-build /opt/serinus /opt/serinus
ENTRYPOINT ["serinus-notifier"]

FROM base AS simulator
COPY --from=simulator-build /opt/serinus /opt/serinus
EXPOSE 9099
ENTRYPOINT ["serinus-simulator"]
CMD ["/etc/serinus/world.yaml", "--host", "0.0.0.0", "--port", "9099"]

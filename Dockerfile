# One image for every part: beat, worker, API, Flower. Non-root; what to run is the command.
# For a build that is the same tomorrow, give the base by its digest: --build-arg BASE=python:3.11-slim@sha256:...
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /build
# The packages first: they change less often than the code.
COPY deploy/requirements.lock ./
RUN python -m venv /opt/slotbeat \
 && /opt/slotbeat/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /opt/slotbeat/bin/pip install --no-cache-dir "hatchling>=1.27"
COPY pyproject.toml README.md LICENSE ./
COPY beat beat
COPY console console
COPY shared shared
COPY workers workers
RUN /opt/slotbeat/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/slotbeat/bin/pip uninstall --yes hatchling

FROM ${BASE}
RUN useradd --create-home --uid 10001 slotbeat
COPY --from=build /opt/slotbeat /opt/slotbeat
ENV PATH=/opt/slotbeat/bin:$PATH PYTHONUNBUFFERED=1 SLOTBEAT_PULSE_FILE=/tmp/slotbeat-pulse
USER 10001
WORKDIR /home/slotbeat
CMD ["slotbeat", "--help"]

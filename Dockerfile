# One image for every part: beat, worker, API, Flower. Non-root; what to run is the command.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY beat beat
COPY console console
COPY shared shared
COPY workers workers
RUN python -m venv /opt/slotbeat \
 && /opt/slotbeat/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /opt/slotbeat/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 slotbeat
COPY --from=build /opt/slotbeat /opt/slotbeat
ENV PATH=/opt/slotbeat/bin:$PATH PYTHONUNBUFFERED=1
USER slotbeat
WORKDIR /home/slotbeat
CMD ["slotbeat", "--help"]

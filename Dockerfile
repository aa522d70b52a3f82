# Haunt in a container. docs/operations.md shows how it is built and run.

FROM python:3.13-slim AS build
WORKDIR /build
COPY LICENSE README.md pyproject.toml setup.py ./
COPY haunt haunt
COPY plugins plugins
RUN python -m venv /opt/haunt \
    && /opt/haunt/bin/python -m pip install --no-cache-dir --disable-pip-version-check . \
    && /opt/haunt/bin/haunt --version

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/haunt haunt \
    && install --directory --owner=haunt --mode=0750 /var/lib/haunt /etc/haunt
COPY --from=build /opt/haunt /opt/haunt
ENV PATH=/opt/haunt/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HAUNT_SERVER__HOST=0.0.0.0 \
    HAUNT_SERVER__PORT=3000 \
    HAUNT_HISTORY__PATH=/var/lib/haunt/history.db
USER 10001
WORKDIR /var/lib/haunt
VOLUME ["/var/lib/haunt"]
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3000/health', timeout=4)"]
ENTRYPOINT ["haunt"]
CMD ["serve", "/etc/haunt/config.yaml"]

# syntax=docker/dockerfile:1
# The image: one static binary and the templates, and nothing else.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
#
# The build stage runs on the builder's own architecture and cross-compiles. tests/image/build reads the last stage and makes the
# same layout of it without a container engine.

# A tag that is never moved to another Rust; as rust-toolchain.toml, and tests/image/check compares.
FROM --platform=$BUILDPLATFORM rust:1.95.0-slim-bookworm AS build
ENV RUSTUP_TOOLCHAIN=1.95.0
# Nothing of these gets into the binary: they are for build scripts, which run here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target,id=target-$TARGETARCH \
    case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-musl ;; \
      arm64) target=aarch64-unknown-linux-musl ;; \
      *) echo "no build for $TARGETARCH" >&2; exit 1 ;; \
    esac \
    && install -D "$(CARGO_TARGET_DIR=/target release/build "$target")" /out/dkron-jobs

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
COPY --from=build --chmod=0755 /out/dkron-jobs /dkron-jobs
COPY jobs-templates /jobs-templates
LABEL org.opencontainers.image.title="dkron-jobs"
LABEL org.opencontainers.image.description="Keeps the jobs of a Dkron scheduler as code: renders, plans, applies and proves them."
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="$VERSION"
LABEL org.opencontainers.image.revision="$REVISION"
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/dkron-jobs"]

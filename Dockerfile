# Teal's own image. It needs the host's network, the Engine's socket and a volume:
#
#   docker run -d --name teal --restart unless-stopped --network host -v /var/run/docker.sock:/var/run/docker.sock -v teal:/data teal/server
#
# "docker build -t teal/server ." compiles Teal on the official images. "make
# image" takes the binary that this machine's Go builds, and where no registry
# answers a base that is made from Debian packages.

ARG BUILD_BASE=golang:1.26-bookworm
ARG RUN_BASE=debian:bookworm-slim
# Where the binary comes from: compiled, or prebuilt (bin/teal of the context).
ARG BINARY=compiled

# Exec form throughout: a toolchain image such as teal/go has no shell. The
# secret "ca" is a bundle of certificate authorities, for networks whose proxy
# opens HTTPS (docker build --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt).
FROM ${BUILD_BASE} AS compiled
WORKDIR /src
COPY . .
ARG VERSION=dev
ARG GOPROXY
ENV CGO_ENABLED=0 GOCACHE=/cache/build GOMODCACHE=/cache/mod GOPROXY=${GOPROXY} \
    GOFLAGS="-trimpath -buildvcs=false '-ldflags=-s -w -X main.version=${VERSION}'"
RUN --mount=type=cache,id=teal-server,target=/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    ["go", "build", "-o", "/out/teal", "./cmd/teal"]

FROM scratch AS prebuilt
COPY bin/teal /out/teal

FROM ${BINARY} AS binary

FROM ${RUN_BASE}
# git's plumbing stores what is pushed. A base that has git is taken as it is.
RUN command -v git >/dev/null || { \
      apt-get update && apt-get install -y --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*; }
COPY --from=binary /out/teal /usr/local/bin/teal
ENV TEAL_DATA=/data
VOLUME /data
ENTRYPOINT ["/usr/local/bin/teal"]
CMD ["serve"]

# Builds the picker and carries it with the Node.js of the base image. docs/container.md says how it is
# run and how far it has been checked.

FROM node:26-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY LICENSE tsconfig.json rolldown.config.ts ./
COPY protos protos
COPY src src
RUN npm run build
# What a request leaves behind is garbage soon: less room for it, young and old. One arena of the C library for all threads, and memory
# of V8's compilers outside of it, which would stay in it as gaps. These save more than a third of the memory (docs/performance.md).
RUN printf '#!/bin/sh\nMALLOC_ARENA_MAX=1 exec node --max-semi-space-size=4 --heap-growing-percent=50 --managed-zone-memory /app/dist/main.js "$@"\n' > epp && chmod 0755 epp

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
# Copied as root and not writable for others: the process runs as 65532 and writes no file.
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/protos protos
COPY --from=build /build/dist dist
COPY --from=build /build/epp epp
USER 65532:65532
# ext_proc, gRPC health, and /metrics with /healthz and /readyz.
EXPOSE 9002 9003 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.POINTSMAN_METRICS_PORT || 9090) + '/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/epp"]

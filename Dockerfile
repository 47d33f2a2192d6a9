# A node of a cluster, of any role: docker-compose.yml runs them.
#
# Debian 13 (glibc 2.41) with Node 24: the binaries of uWebSockets.js for Node 22 and later need glibc 2.38, and none runs on
# Alpine, where the server would fall back to Node's own http and ws.
#
# The embedded engines are left out, 0.6 GB of them: a container is given TIMESCALE_URL, and CLICKHOUSE_URL for analytics.
FROM node:24.21.0-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
RUN node scripts/build.mjs && npm prune --omit=dev --no-audit --no-fund
RUN rm -rf node_modules/@unni-craftsman node_modules/chdb node_modules/@chdb \
 && find node_modules -name '*.map' -delete
# uWebSockets.js brings binaries for every platform: one stays, for this processor and this Node version, and must load.
RUN find node_modules/uWebSockets.js -name 'uws_*.node' \
      ! -name "uws_linux_$(node -p 'process.arch')_$(node -p 'process.versions.modules').node" -delete \
 && node -e "require('uWebSockets.js')"

FROM node:24.21.0-trixie-slim
LABEL org.opencontainers.image.title="Candlecast" \
      org.opencontainers.image.description="Streaming server for market data: exact candles from trades, live over WebSocket" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
COPY package.json LICENSE ./
COPY sql sql
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
RUN install -d -o node -g node -m 700 /data
USER node
VOLUME /data
EXPOSE 8080
# Drains: see docs/operations.md.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start"]

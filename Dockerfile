# Debian 12 (glibc 2.36) with Node 20: what the binary of uWebSockets.js for Node 20 needs. Its binaries for newer Node
# versions need glibc 2.38 (Debian 13), and none runs on Alpine: the server would fall back to Node's own http and ws.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
RUN node scripts/build.mjs \
 && npm prune --omit=dev
# uWebSockets.js brings 257 MB of binaries for every platform: keep the one for this processor and this Node version.
RUN find node_modules/uWebSockets.js -name 'uws_*.node' \
      ! -name "uws_linux_$(node -p 'process.arch')_$(node -p 'process.versions.modules').node" -delete \
 && node -e "require('uWebSockets.js')"

FROM node:20.20.2-bookworm-slim
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
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start"]

# The ledger, as it runs: no build step, no development packages, no shell needed. Its data is in /data, which must
# outlive the container.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

FROM base AS dependencies
COPY package.json package-lock.json ./
# The optional packages are Node itself, for machines that have an older one; no package here needs its install script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM base
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 LEDGER_DATA=/data
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /app/node_modules node_modules
# All of it belongs to root: what the ledger runs, it cannot change.
COPY package.json ./
COPY bin bin
COPY src src
COPY projections projections
USER node
VOLUME /data
EXPOSE 3000
# Is the process alive; whether deliveries can be kept is what /readyz says. The image has no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Node itself is process 1 and gets the signal; another command in its place: `docker run … verify`.
ENTRYPOINT ["node", "bin/ledger.js"]
CMD ["start"]

// Fastify with schemas for requests and responses, which is its fastest mode.
"use strict";

const { complete, authorize, list } = require("./operations.js");
const { bearer, port } = require("./work.js");

const text = { type: "string", minLength: 1, maxLength: 8192 };
const given = (...names) => ({
  type: "object",
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, text])),
});
const connection = {
  type: "object",
  properties: {
    id: { type: "string" },
    userId: { type: "string" },
    providerId: { type: "string" },
    providerSlug: { type: "string" },
    status: { type: "string" },
    lastSyncAt: { type: ["string", "null"] },
    createdAt: { type: "string" },
  },
};
const having = (name, schema) => ({ type: "object", properties: { [name]: schema } });

const app = require("fastify")({ logger: false });

app.get("/readyz", async () => ({}));

app.post(
  "/v1/connections/callback",
  {
    schema: {
      body: given("provider", "code", "state", "redirectUri"),
      response: { 201: having("connection", connection) },
    },
  },
  async (request, reply) => {
    reply.code(201);
    return complete(bearer(request.headers.authorization), request.body);
  },
);

app.post(
  "/v1/connections/authorize",
  {
    schema: {
      body: given("provider", "redirectUri"),
      response: { 200: { type: "object", properties: { url: { type: "string" }, state: { type: "string" } } } },
    },
  },
  async (request) => authorize(bearer(request.headers.authorization), request.body),
);

app.get(
  "/v1/connections",
  {
    schema: {
      querystring: given("userId"),
      response: { 200: having("connections", { type: "array", items: connection }) },
    },
  },
  async (request) => ({
    connections: await list(bearer(request.headers.authorization), request.query.userId),
  }),
);

app.setErrorHandler((fault, _request, reply) =>
  reply.code(fault.status ?? fault.statusCode ?? 500).send({ error: fault.code ?? "internal_error" }),
);

app.listen({ host: "127.0.0.1", port });

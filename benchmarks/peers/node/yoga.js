// GraphQL Yoga on Node's own server.
"use strict";

const { createServer } = require("node:http");
const { createSchema, createYoga } = require("graphql-yoga");
const { bearer, port } = require("./work.js");
const { typeDefs, resolvers } = require("./graphql.js");

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  logging: false,
  graphiql: false,
  context: ({ request }) => {
    const header = request.headers.get("authorization");
    return { user: header && bearer(header) };
  },
});

createServer(yoga).listen(port, "127.0.0.1");

// Apollo Server, standalone.
"use strict";

const { ApolloServer } = require("@apollo/server");
const { startStandaloneServer } = require("@apollo/server/standalone");
const { bearer, port } = require("./work.js");
const { typeDefs, resolvers } = require("./graphql.js");

const server = new ApolloServer({ typeDefs, resolvers, csrfPrevention: false });

startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port },
  context: async ({ req }) => ({ user: req.headers.authorization && bearer(req.headers.authorization) }),
});

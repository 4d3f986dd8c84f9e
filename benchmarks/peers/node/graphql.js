// The measured part of Tendon's schema, for both GraphQL peers.
"use strict";

const { complete, authorize, list } = require("./operations.js");

const typeDefs = `
  type Connection {
    id: ID!
    userId: ID!
    providerId: ID!
    providerSlug: String!
    status: ConnectionStatus!
    lastSyncAt: String
    createdAt: String!
  }
  enum ConnectionStatus { pending connected error disconnected }
  input CompleteConnectionInput {
    provider: String!
    code: String!
    state: String!
    redirectUri: String!
    iss: String
    scope: String
    error: String
  }
  type CompleteConnectionPayload { connection: Connection! }
  input AuthorizeConnectionInput { provider: String! redirectUri: String! }
  type AuthorizeConnectionPayload { url: String! state: String! }
  type Query { connections(userId: ID!): [Connection!]! }
  type Mutation {
    authorizeConnection(input: AuthorizeConnectionInput!): AuthorizeConnectionPayload!
    completeConnection(input: CompleteConnectionInput!): CompleteConnectionPayload!
  }
`;

const resolvers = {
  Query: { connections: (_, { userId }, { user }) => list(user, userId) },
  Mutation: {
    authorizeConnection: (_, { input }, { user }) => authorize(user, input),
    completeConnection: (_, { input }, { user }) => complete(user, input),
  },
};

module.exports = { typeDefs, resolvers };

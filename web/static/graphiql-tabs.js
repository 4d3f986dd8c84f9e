// The initial tabs of GraphiQL: the steps of a connection, from its start to its end, with their variables.

const AUTHORIZE = `# Step 1 of 5: get the URL to send the user to
#
# Run this with the arrow button or Ctrl+Enter.
# The bearer token is in "Headers".
#
# Then open the "url" of the response in another
# browser tab and approve the request. You are
# redirected to the redirectUri with a code and
# the state. In dev mode, the connect page shows
# them as variables: copy these into the tab
# "Complete".

mutation Authorize($input: AuthorizeConnectionInput!) {
  authorizeConnection(input: $input) {
    url
    state
  }
}
`;

const COMPLETE = `# Step 2 of 5: complete the connection
#
# Copy the parameters of the redirect into
# "Variables" (also iss, if there is one) and run
# this soon: a code expires after a few minutes.
# Running it again returns the same connection.

mutation Complete($input: CompleteConnectionInput!) {
  completeConnection(input: $input) {
    connection {
      id
      userId
      providerId
      providerSlug
      status
      lastSyncAt
      createdAt
    }
  }
}
`;

const connections = (userId) => `# Step 3 of 5: list the user's connections,
# and the providers
#
# The next two steps need the id of a connection.

query Connections {
  connections(userId: ${JSON.stringify(userId)}) {
    id
    userId
    providerId
    providerSlug
    status
    lastSyncAt
    createdAt
    statusReason
    expiresAt
    revocation {
      status
    }
  }
  providers {
    slug
    name
    available
  }
}
`;

const TOKEN = `# Step 4 of 5: take an access token, as a service
#
# Copy the id of a connection into "Variables".
# Users get no access tokens. In dev mode, replace
# the bearer token in "Headers" with that of a
# service: dev-service:sync

mutation Token($input: IssueAccessTokenInput!) {
  issueAccessToken(input: $input) {
    accessToken
    tokenType
    expiresAt
    scopes
    apiBase
    apiHeaders {
      name
      value
    }
  }
}
`;

const DISCONNECT = `# Step 5 of 5: disconnect
#
# Copy the id of a connection into "Variables".
# The tokens are erased at once. A worker has the
# provider revoke them: run "Connections" again to
# see what became of that.

mutation Disconnect($input: DisconnectConnectionInput!) {
  disconnectConnection(input: $input) {
    success
    connection {
      id
      status
      statusReason
      revocation {
        status
      }
    }
  }
}
`;

export function firstTabs({ token }, redirectUri) {
  const userId = /^dev:(.+)$/.exec(token ?? "")?.[1] ?? "your user id";
  const start = { provider: "sandbox", redirectUri };
  const finish = { provider: "sandbox", code: "…", state: "…", iss: "…", redirectUri };
  return [
    { query: AUTHORIZE, variables: JSON.stringify({ input: start }, null, 2) },
    { query: COMPLETE, variables: JSON.stringify({ input: finish }, null, 2) },
    { query: connections(userId), variables: "" },
    { query: TOKEN, variables: JSON.stringify({ input: { connectionId: "…" } }, null, 2) },
    { query: DISCONNECT, variables: JSON.stringify({ input: { connectionId: "…", userId } }, null, 2) },
  ];
}

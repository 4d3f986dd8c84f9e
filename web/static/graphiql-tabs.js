// The initial tabs of GraphiQL: the three steps of a connection, with their variables.

const AUTHORIZE = `# Step 1 of 3: get the URL to send the user to
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

const COMPLETE = `# Step 2 of 3: complete the connection
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

const connections = (userId) => `# Step 3 of 3: list the user's connections,
# and the providers

query Connections {
  connections(userId: ${JSON.stringify(userId)}) {
    id
    userId
    providerId
    providerSlug
    status
    lastSyncAt
    createdAt
  }
  providers {
    slug
    name
    available
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
  ];
}

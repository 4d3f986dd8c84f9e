// The tabs a newcomer finds in GraphiQL: the three steps of a connection, each with its variables.

const AUTHORIZE = `# Step 1 of 3: ask where to send the person
#
# Run this: the button with the arrow, or
# Ctrl+Enter. Who you are stands in "Headers".
#
# Then open the "url" of the answer in another
# browser tab and say yes. That tab ends on the
# redirectUri with a code and the state; in dev
# mode the connect page shows them as variables,
# ready to be copied into the tab "Complete".

mutation Authorize($input: AuthorizeConnectionInput!) {
  authorizeConnection(input: $input) {
    url
    state
  }
}
`;

const COMPLETE = `# Step 2 of 3: trade the code for a connection
#
# Put what the redirect brought into "Variables",
# the issuer (iss) too where there is one, and run
# this soon: a code lives for minutes only.
# Running it twice gives the same connection.

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

const connections = (userId) => `# Step 3 of 3: see what is connected,
# and what could be

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

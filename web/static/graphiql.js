// Starts GraphiQL, which a classic script has loaded, with the steps of a connection ready to run.

import { memory } from "./graphiql-memory.js";
import { firstTabs } from "./graphiql-tabs.js";

const { React, ReactDOM, GraphiQL } = globalThis;
const config = JSON.parse(document.getElementById("config").textContent);

// Without a connect page, only the user knows which redirect URIs are allowed.
const tabs = firstTabs(config, config.connectPage ? `${location.origin}/connect` : "…");
const headers = JSON.stringify({ Authorization: `Bearer ${config.token ?? ""}` }, null, 2);
const fetcher = GraphiQL.createFetcher({
  url: config.graphqlUrl,
  headers: { accept: "application/graphql-response+json, application/json" },
  enableIncrementalDelivery: false,
  fetch: withoutEmptyBearer,
});

// In production, the initial header has no token; the schema is then requested anonymously.
function withoutEmptyBearer(url, init) {
  const named = Object.entries(init.headers);
  const sent = named.filter(([name, value]) => !(/^authorization$/i.test(name) && /^\s*bearer\s*$/i.test(value)));
  return fetch(url, { ...init, headers: sent, credentials: "omit" });
}

const home = config.connectPage
  ? React.createElement("a", { className: "home", href: "/" }, "Tendon")
  : React.createElement("span", { className: "home" }, "Tendon");
const page = React.createElement(
  GraphiQL,
  {
    fetcher,
    storage: memory(tabs[0], headers),
    defaultTabs: tabs,
    // Not in the tabs, because tabs are stored without their headers.
    defaultHeaders: headers,
    // A token must not stay in localStorage after the visit.
    shouldPersistHeaders: false,
    isHeadersEditorEnabled: true,
    defaultEditorToolsVisibility: "variables",
  },
  React.createElement(GraphiQL.Logo, null, home),
);
ReactDOM.createRoot(document.getElementById("graphiql")).render(page);

// Starts GraphiQL (a plain script beside this module) with the three steps of a connection ready to run.

import { memory } from "./graphiql-memory.js";
import { firstTabs } from "./graphiql-tabs.js";

const { React, ReactDOM, GraphiQL } = globalThis;
const config = JSON.parse(document.getElementById("config").textContent);

// Where no connect page is served, only the reader knows a redirect URI that is allowed.
const tabs = firstTabs(config, config.connectPage ? `${location.origin}/connect` : "…");
const headers = JSON.stringify({ Authorization: `Bearer ${config.token ?? ""}` }, null, 2);
const fetcher = GraphiQL.createFetcher({
  url: config.graphqlUrl,
  headers: { accept: "application/graphql-response+json, application/json" },
  enableIncrementalDelivery: false,
  fetch: withoutEmptyBearer,
});

// The header as it is first offered has no token in production; then the schema is asked for anonymously.
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
    // Not in the tabs: tabs are remembered without their headers, and this fills the gap at every visit.
    defaultHeaders: headers,
    // A token in localStorage would outlive its owner's visit.
    shouldPersistHeaders: false,
    isHeadersEditorEnabled: true,
    defaultEditorToolsVisibility: "variables",
  },
  React.createElement(GraphiQL.Logo, null, home),
);
ReactDOM.createRoot(document.getElementById("graphiql")).render(page);

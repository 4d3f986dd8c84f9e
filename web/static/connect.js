// The connect page: starts a connection, sends the user to the provider, and completes it when they return. Lists the
// user's connections and ends them.

import { GatewayError, gateway } from "./gateway.js";
import * as tab from "./tab.js";
import { connectionDetails, connectionList, element, failure, hint, isWeb, providerList } from "./view.js";

const FIELDS = "id userId providerId providerSlug status lastSyncAt createdAt";
const PROVIDERS = `query Providers { providers {
  slug name logo docs available availability { reason } scopeDetails { description requested } sites { id name }
} }`;
const CONNECTIONS = `query Connections($userId: ID!) { connections(userId: $userId) { ${FIELDS} site statusReason } }`;
const AUTHORIZE = `mutation Authorize($input: AuthorizeConnectionInput!) {
  authorizeConnection(input: $input) { url state }
}`;
const COMPLETE = `mutation Complete($input: CompleteConnectionInput!) {
  completeConnection(input: $input) { connection { ${FIELDS} } }
}`;
const DISCONNECT = `mutation Disconnect($input: DisconnectConnectionInput!) {
  disconnectConnection(input: $input) { success }
}`;
// After these errors the same code may be sent again: it was not used, or its result is stored.
const RETRYABLE = [
  "UNREACHABLE",
  "SERVICE_UNAVAILABLE",
  "RATE_LIMITED",
  "INTERNAL_ERROR",
  "UNAUTHENTICATED",
  "INVALID_TOKEN",
];

// This comes first: the code must not stay in the address bar or get into a bookmark.
const response = tab.takeAuthorizationResponse();

const byId = (id) => document.getElementById(id);
const config = JSON.parse(byId("config").textContent);
// With the host name under which the page was opened, because sessionStorage belongs to that origin.
const redirectUri = location.origin + location.pathname;
const field = byId("token");
const ask = gateway(config.graphqlUrl, () => field.value);
// The list of providers is public, so it is shown even if the token is invalid.
const askAnonymously = gateway(config.graphqlUrl, () => "");
let busy = false;

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (keepToken()) refresh();
});
// If the user returns with the browser's back button, the page is restored as it was, still waiting.
addEventListener("pageshow", (event) => event.persisted && endProgress());

field.value = tab.token.read() ?? config.token ?? "";
field.type = config.dev ? "text" : "password";
if (response) await finish(response);
await refresh();

async function start(provider, site) {
  if (busy || !keepToken()) return;
  showProgress(`Starting the connection to ${provider.name} …`);
  const request = { provider: provider.slug, redirectUri };
  try {
    const input = site ? { ...request, site } : request;
    const { url, state } = (await ask(AUTHORIZE, { input })).authorizeConnection;
    if (!isWeb(url)) throw new GatewayError("The gateway returned a URL that this page does not open.", "BAD_ADDRESS");
    tab.authorizationRequest.keep({ ...request, state });
    showProgress(`Redirecting to ${provider.name} …`);
    location.assign(url);
  } catch (error) {
    show("Could not start", failure(error), "bad");
  }
}

async function finish(given) {
  const request = tab.authorizationRequest.take(given.state);
  if (!request) return show("Not started in this tab", unknownRequest(given), "bad");
  await complete({ provider: request.provider, redirectUri: request.redirectUri, ...given });
}

async function complete(input) {
  showProgress("Connecting …");
  try {
    const { connection } = (await ask(COMPLETE, { input })).completeConnection;
    tab.user.keep(connection.userId);
    show("Connected", [connectionDetails(connection)], "good");
  } catch (error) {
    show("Not connected", [...failure(error), ...retry(error, input)], "bad");
  }
}

function retry({ code, retryAfter }, input) {
  if (retryAfter === null && !RETRYABLE.includes(code)) return [];
  const again = async () => {
    if (busy || !keepToken()) return;
    await complete(input);
    await refresh();
  };
  return [element("button", { type: "button", onclick: again }, "Try again")];
}

async function disconnect({ id, userId, providerSlug }) {
  if (busy || !keepToken()) return;
  if (!confirm(`Disconnect ${providerSlug}? To undo this, you have to connect again.`)) return;
  showProgress("Disconnecting …");
  try {
    await ask(DISCONNECT, { input: { connectionId: id, userId } });
    const message = "Your tokens are deleted, and the provider is told, if it supports that.";
    show("Disconnected", [element("p", {}, message)], "good");
  } catch (error) {
    show("Not disconnected", failure(error), "bad");
  }
  await refresh();
}

function unknownRequest(given) {
  const message = "This authorization was not started in this browser tab. Nothing was sent. Start again below.";
  const parts = [element("p", {}, message)];
  if (!config.dev) return parts;
  const input = { provider: "sandbox", redirectUri, ...given };
  const variables = JSON.stringify({ input }, null, 2);
  const copy = element("button", { type: "button", class: "quiet", onclick: () => copied(variables) }, "Copy");
  const lead = hint("If you started it in GraphiQL or with curl, complete it with these variables:");
  return [...parts, lead, element("pre", { tabindex: "0" }, variables), copy];
}

async function copied(text) {
  await navigator.clipboard.writeText(text);
  byId("status").textContent = "Copied.";
}

function keepToken() {
  field.value = field.value.trim().replace(/^bearer\s+/i, "");
  // What a header can contain: RFC 6750 2.1, and the colon of dev mode.
  const problem = /^[\x21-\x7e]+$/.test(field.value) ? "" : "Enter a bearer token first.";
  byId("token-error").textContent = problem;
  field.setAttribute("aria-invalid", String(Boolean(problem)));
  if (problem) field.focus();
  else if (field.value !== (tab.token.read() ?? config.token)) tab.token.keep(field.value);
  return !problem;
}

async function refresh() {
  await Promise.all([
    fill("providers", async () => {
      const { providers } = await askAnonymously(PROVIDERS);
      return providers.length ? providerList(providers, start) : hint("There are no providers.");
    }),
    fill("connections", async () => {
      const userId = tab.user.read() ?? /^dev:(.+)$/.exec(config.dev ? field.value : "")?.[1];
      if (!userId) return hint("Your connections appear here once you have connected a provider.");
      const { connections } = await ask(CONNECTIONS, { userId });
      return connections.length ? connectionList(connections, disconnect) : hint("You have no connections yet.");
    }),
  ]);
}

async function fill(id, content) {
  byId(id).setAttribute("aria-busy", "true");
  const children = await content().then((made) => [made], failure);
  byId(id).replaceChildren(...children);
  byId(id).setAttribute("aria-busy", "false");
}

function showProgress(text) {
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  byId("outcome").hidden = true;
  byId("status").textContent = text;
}

function endProgress() {
  busy = false;
  document.body.removeAttribute("aria-busy");
  byId("status").textContent = "";
}

function show(title, children, tone) {
  endProgress();
  byId("outcome").hidden = false;
  byId("outcome").dataset.tone = tone;
  byId("outcome-title").textContent = title;
  byId("outcome-body").replaceChildren(...children);
  byId("outcome-title").focus();
}

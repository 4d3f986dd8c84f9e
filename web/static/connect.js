// The connect page: from a provider's button through the provider and back, to the connection.

import { Refusal, gateway } from "./gateway.js";
import * as tab from "./tab.js";
import { connectionDetails, connectionList, element, failure, hint, isWeb, providerList } from "./view.js";

const FIELDS = "id userId providerId providerSlug status lastSyncAt createdAt";
const PROVIDERS = "query Providers { providers { slug name available docs } }";
const CONNECTIONS = `query Connections($userId: ID!) { connections(userId: $userId) { ${FIELDS} } }`;
const AUTHORIZE = `mutation Authorize($input: AuthorizeConnectionInput!) {
  authorizeConnection(input: $input) { url state }
}`;
const COMPLETE = `mutation Complete($input: CompleteConnectionInput!) {
  completeConnection(input: $input) { connection { ${FIELDS} } }
}`;
// After these the same code may be sent again: it was not looked at, or the answer to it is kept.
const AGAIN = [
  "UNREACHABLE",
  "SERVICE_UNAVAILABLE",
  "RATE_LIMITED",
  "INTERNAL_ERROR",
  "UNAUTHENTICATED",
  "INVALID_TOKEN",
];

// First of all: the code must not stay in the address bar or in a bookmark.
const response = tab.takeAuthorizationResponse();

const part = (id) => document.getElementById(id);
const config = JSON.parse(part("config").textContent);
// Under whatever name the page was opened: sessionStorage belongs to that one.
const redirectUri = location.origin + location.pathname;
const field = part("token");
const ask = gateway(config.graphqlUrl, () => field.value);
// The providers are public: a token that is wrong must not hide them.
const askAsAnybody = gateway(config.graphqlUrl, () => "");
let busy = false;

part("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (keepToken()) refresh();
});
// Back from the provider by the browser's own button: the page is as it was left, waiting.
addEventListener("pageshow", (event) => event.persisted && settle());

field.value = tab.token.read() ?? config.token ?? "";
field.type = config.dev ? "text" : "password";
if (response) await finish(response);
await refresh();

async function start(provider) {
  if (busy || !keepToken()) return;
  wait(`Asking the way to ${provider.name} …`);
  const request = { provider: provider.slug, redirectUri };
  try {
    const { url, state } = (await ask(AUTHORIZE, { input: request })).authorizeConnection;
    if (!isWeb(url)) throw new Refusal("The gateway named an address this page does not go to.", "BAD_ADDRESS");
    tab.authorizationRequest.keep({ ...request, state });
    wait(`Going to ${provider.name} …`);
    location.assign(url);
  } catch (refusal) {
    show("Could not start", failure(refusal), "bad");
  }
}

async function finish(given) {
  const request = tab.authorizationRequest.take(given.state);
  if (!request) return show("Not started here", notOurs(given), "bad");
  await complete({ provider: request.provider, redirectUri: request.redirectUri, ...given });
}

async function complete(input) {
  wait("Connecting …");
  try {
    const { connection } = (await ask(COMPLETE, { input })).completeConnection;
    tab.user.keep(connection.userId);
    show("Connected", [connectionDetails(connection)], "good");
  } catch (refusal) {
    show("Not connected", [...failure(refusal), ...retry(refusal, input)], "bad");
  }
}

function retry({ code, retryAfter }, input) {
  if (retryAfter === null && !AGAIN.includes(code)) return [];
  const again = async () => {
    if (busy || !keepToken()) return;
    await complete(input);
    await refresh();
  };
  return [element("button", { type: "button", onclick: again }, "Try again")];
}

function notOurs(given) {
  const message = "This answer belongs to no request of this browser tab. Nothing was sent. Start again below.";
  const parts = [element("p", {}, message)];
  if (!config.dev) return parts;
  const input = { provider: "sandbox", redirectUri, ...given };
  const variables = JSON.stringify({ input }, null, 2);
  const copy = element("button", { type: "button", class: "quiet", onclick: () => copied(variables) }, "Copy");
  const lead = hint("Started in GraphiQL or with curl? These are the variables that complete it:");
  return [...parts, lead, element("pre", { tabindex: "0" }, variables), copy];
}

async function copied(text) {
  await navigator.clipboard.writeText(text);
  part("status").textContent = "Copied.";
}

function keepToken() {
  field.value = field.value.trim().replace(/^bearer\s+/i, "");
  // RFC 6750 2.1 and the colon of dev mode: what fits into a header.
  const problem = /^[\x21-\x7e]+$/.test(field.value) ? "" : "Enter a bearer token first.";
  part("token-error").textContent = problem;
  field.setAttribute("aria-invalid", String(Boolean(problem)));
  if (problem) field.focus();
  else if (field.value !== (tab.token.read() ?? config.token)) tab.token.keep(field.value);
  return !problem;
}

async function refresh() {
  await Promise.all([
    fill("providers", async () => {
      const { providers } = await askAsAnybody(PROVIDERS);
      return providers.length ? providerList(providers, start) : hint("There are none.");
    }),
    fill("connections", async () => {
      const userId = tab.user.read() ?? /^dev:(.+)$/.exec(config.dev ? field.value : "")?.[1];
      if (!userId) return hint("Shown here once you have connected a provider.");
      const { connections } = await ask(CONNECTIONS, { userId });
      return connections.length ? connectionList(connections) : hint("None yet.");
    }),
  ]);
}

async function fill(id, content) {
  part(id).setAttribute("aria-busy", "true");
  const children = await content().then((made) => [made], failure);
  part(id).replaceChildren(...children);
  part(id).setAttribute("aria-busy", "false");
}

function wait(text) {
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  part("outcome").hidden = true;
  part("status").textContent = text;
}

function settle() {
  busy = false;
  document.body.removeAttribute("aria-busy");
  part("status").textContent = "";
}

function show(title, children, tone) {
  settle();
  part("outcome").hidden = false;
  part("outcome").dataset.tone = tone;
  part("outcome-title").textContent = title;
  part("outcome-body").replaceChildren(...children);
  part("outcome-title").focus();
}

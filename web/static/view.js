// The HTML of providers, connections and errors. Text always becomes text nodes, never markup.

/** An element with attributes (`onclick` is a listener) and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === "onclick") made.addEventListener("click", value);
    else made.setAttribute(attribute, value);
  }
  made.append(...children);
  return made;
}

export const hint = (...text) => element("p", { class: "hint" }, ...text);

/** Those that users can connect to, and the others folded away below. */
export function providerList(providers, connect) {
  const offered = providers.filter((provider) => provider.available);
  const others = providers.filter((provider) => !provider.available);
  const parts = offered.length ? [rows(offered, connect)] : [hint("No provider is available here.")];
  if (others.length) {
    parts.push(element("details", {}, element("summary", {}, `Not available here: ${others.length}`), rows(others)));
  }
  return element("div", {}, ...parts);
}

function rows(providers, connect) {
  const made = providers.map((provider) => providerRow(provider, connect));
  return element("ul", { class: "rows", role: "list" }, ...made);
}

function providerRow(provider, connect) {
  const logo = element("img", { src: provider.logo, alt: "", width: 40, height: 40 });
  const title = element("div", {}, element("strong", {}, provider.name), documentation(provider));
  if (provider.available) title.append(...scopes(provider));
  const action = provider.available
    ? connecting(provider, connect)
    : element("span", { class: "hint" }, REASONS_OF_ABSENCE[provider.availability.reason] ?? "Not available");
  return element("li", { "data-provider": provider.slug }, logo, title, action);
}

// What the API's reasons mean.
const REASONS_OF_ABSENCE = { no_credentials: "No credentials configured", no_sites: "No site offered" };

/** The button and, if the provider has several sites, a choice of them. */
function connecting(provider, connect) {
  const unseen = element("span", { class: "unseen" }, ` ${provider.name}`);
  const options = provider.sites.map(({ id, name }) => element("option", { value: id }, name));
  const choice = element("select", { "aria-label": `Site of ${provider.name}` }, ...options);
  const start = () => connect(provider, choice.value);
  const button = element("button", { type: "button", onclick: start }, "Connect", unseen);
  return element("div", { class: "actions" }, ...(options.length > 1 ? [choice] : []), button);
}

/** What users are asked for, in words. Nothing if the catalogue has none. */
function scopes({ scopeDetails }) {
  const asked = scopeDetails.filter(({ requested, description }) => requested && description);
  if (!asked.length) return [];
  const items = asked.map(({ description }) => element("li", {}, description));
  return [element("details", { class: "hint" }, element("summary", {}, "What it asks for"), element("ul", {}, ...items))];
}

function documentation({ name, docs }) {
  if (!isWeb(docs)) return "";
  const unseen = element("span", { class: "unseen" }, ` ${name}`);
  const link = element("a", { href: docs, rel: "noopener noreferrer" }, "About", unseen);
  return element("div", { class: "hint" }, link);
}

// What the API's reasons for a status mean to the user.
const REASONS = {
  scopes_missing: "You did not allow all that was asked for.",
  reauthorization_required: "The access has ended. Connect again.",
  provider_failing: "The provider doesn’t respond. This is tried again.",
  account_unknown: "The provider has not said yet whose account this is.",
  by_user: "Ended by you.",
  by_service: "Ended by a service.",
};

export function connectionList(connections, disconnect) {
  const rows = connections.map((connection) => connectionRow(connection, disconnect));
  return element("ul", { class: "rows", role: "list" }, ...rows);
}

function connectionRow(connection, disconnect) {
  const { id, providerSlug, site, status, statusReason, createdAt, lastSyncAt } = connection;
  const since = element("div", { class: "hint" }, "Connected ", time(createdAt), " · last sync ", time(lastSyncAt));
  const title = element("div", {}, element("strong", {}, site ? `${providerSlug} (${site})` : providerSlug), since);
  if (statusReason) title.append(element("div", { class: "hint" }, REASONS[statusReason] ?? statusReason));
  const actions = element("div", { class: "actions" }, badge(status));
  if (status !== "disconnected") {
    const unseen = element("span", { class: "unseen" }, ` ${providerSlug}`);
    const end = () => disconnect(connection);
    actions.append(element("button", { type: "button", class: "quiet", onclick: end }, "Disconnect", unseen));
  }
  return element("li", { "data-connection": id }, title, actions);
}

/** All seven fields of the API. */
export function connectionDetails(connection) {
  const rows = [
    ["Provider", "providerSlug", connection.providerSlug],
    ["Status", "status", badge(connection.status)],
    ["User", "userId", connection.userId],
    ["First connected", "createdAt", time(connection.createdAt)],
    ["Last sync", "lastSyncAt", time(connection.lastSyncAt)],
    ["Connection id", "id", element("code", {}, connection.id)],
    ["Provider id", "providerId", element("code", {}, connection.providerId)],
  ];
  const pairs = rows.map(([term, field, value]) =>
    element("div", {}, element("dt", {}, term), element("dd", { "data-field": field }, value)),
  );
  return element("dl", {}, ...pairs);
}

export function failure({ message, code, requestId }) {
  const facts = [["Code", code], ["Request id", requestId]].filter(([, value]) => value);
  const pairs = facts.map(([term, value]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, element("code", {}, value))),
  );
  return [element("p", {}, message), ...(pairs.length ? [element("dl", {}, ...pairs)] : [])];
}

function badge(status) {
  return element("span", { class: "badge", "data-status": status }, status);
}

function time(text) {
  if (text === null) return "never";
  const local = new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return element("time", { datetime: text, title: text }, local);
}

/** Whether `text` is an http or https URL. The page opens and links no others. */
export function isWeb(text) {
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
}

// What GraphiQL remembers in this browser: a returning visitor keeps their own tabs, a new one gets ours; never a token.

// Another GraphiQL may live on the same origin on another day, localhost:8000 being what it is.
const PREFIX = "tendon:";
// GraphiQL leaves the headers out of the tabs it remembers, but not out of its history.
const HISTORY = ["graphiql:queries", "graphiql:favorites"];

/** A Storage for GraphiQL. `firstTab` is open where none is remembered; `headers` (text) stand in for those left out. */
export function memory(firstTab, headers) {
  const storage = {
    getItem(key) {
      const text = localStorage.getItem(PREFIX + key);
      return text && HISTORY.includes(key) ? withHeaders(text, headers) : text;
    },
    setItem(key, text) {
      localStorage.setItem(PREFIX + key, HISTORY.includes(key) ? withHeaders(text, null) : text);
    },
    removeItem: (key) => localStorage.removeItem(PREFIX + key),
    clear: () => keys().forEach((key) => localStorage.removeItem(key)),
    get length() {
      return keys().length;
    },
  };
  // GraphiQL looks the last query up among the remembered tabs and opens one tab more when it finds none.
  const { query, variables } = activeTab(storage) ?? firstTab;
  storage.setItem("graphiql:query", query ?? "");
  storage.setItem("graphiql:variables", variables ?? "");
  return storage;
}

function withHeaders(text, headers) {
  return JSON.stringify(JSON.parse(text, (name, value) => (name === "headers" ? headers : value)));
}

function keys() {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
}

function activeTab(storage) {
  try {
    const { tabs, activeTabIndex } = JSON.parse(storage.getItem("graphiql:tabState"));
    return tabs[activeTabIndex];
  } catch {
    return undefined;
  }
}

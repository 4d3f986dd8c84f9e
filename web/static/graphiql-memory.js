// What GraphiQL stores in this browser: returning visitors get their own tabs back, new ones get ours. It never stores a
// token.

// Another application with GraphiQL may use the same origin at another time, such as localhost:8000.
const PREFIX = "tendon:";
// GraphiQL stores its tabs without headers, but its history with them.
const HISTORY = ["graphiql:queries", "graphiql:favorites"];

/** A Storage for GraphiQL. `firstTab` is opened if none is stored; `headers` (text) replaces the ones left out. */
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
  // GraphiQL looks for the last query in the stored tabs, and opens an additional tab if it finds none.
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

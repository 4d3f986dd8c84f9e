// SQLite with better-sqlite3: statements are prepared once and run in the event loop's thread. With COMMITS=shared, all
// writes that are requested in the same turn of the event loop share a COMMIT; otherwise each has its own.
"use strict";

const Database = require("better-sqlite3");
const { work, Refusal } = require("./work.js");

const session = new Database(work.database, { timeout: 10000 });
session.pragma("synchronous = FULL");

// `?1` is the first value. With `?` alone, values need no names.
function prepare(sql) {
  const numbers = [...sql.matchAll(/\?(\d+)/g)].map((found) => Number(found[1]) - 1);
  const statement = session.prepare(sql.replace(/\?\d+/g, "?"));
  const run = statement.reader ? "all" : "run";
  return (values) => statement[run](numbers.map((number) => values[number]));
}

const statements = Object.fromEntries(Object.entries(work.statements).map(([name, sql]) => [name, prepare(sql)]));

function begin(values) {
  const [actor, number] = values.slice(-2);
  const [, user, provider, , , scopes] = values;
  statements.remember(values);
  statements.audit([actor, "authorize", provider, null, scopes, number]);
  statements.named([actor, user]);
}

function store(values) {
  const [actor, number] = values.slice(-2);
  const [connection] = statements.upsert(values);
  if (connection === undefined) throw new Refusal(500, "provider_unavailable");
  statements.end([values[0], connection.id]);
  statements.audit([actor, "complete", connection.provider, connection.id, values[3], number]);
  return connection;
}

const transaction = session.transaction((writes) => writes.map((write) => write()));
let group = [];

function commit() {
  const current = group;
  group = [];
  try {
    const results = transaction.immediate(current.map(({ write }) => write));
    current.forEach(({ resolve }, index) => resolve(results[index]));
  } catch (fault) {
    for (const { reject } of current) reject(fault);
  }
}

const together = (write) =>
  new Promise((resolve, reject) => {
    if (group.length === 0) setImmediate(commit);
    group.push({ write, resolve, reject });
  });
const alone = async (write) => transaction.immediate([write])[0];
const shared = process.env.COMMITS === "shared";
const run = shared ? together : alone;

module.exports = {
  list: async (user) => statements.list([user]),
  // A statement alone is a transaction of its own.
  claim: async (...values) => (shared ? await together(() => statements.claim(values)) : statements.claim(values))[0],
  begin: (...values) => run(() => begin(values)),
  store: (...values) => run(() => store(values)),
  shown: (moment) => (moment === null ? null : `${moment.slice(0, 10)}T${moment.slice(11, 23)}Z`),
};

// SQLite with better-sqlite3: statements are prepared once and run in the event loop's thread.
"use strict";

const Database = require("better-sqlite3");
const { work, Refusal } = require("./work.js");

const session = new Database(work.database, { timeout: 10000 });
session.pragma("synchronous = FULL");
const prepared = Object.fromEntries(Object.entries(work.statements).map(([name, sql]) => [name, session.prepare(sql)]));

// The values of statements have numbers: ?1 is the member "1".
const numbered = (values) => Object.fromEntries(values.map((value, index) => [index + 1, value]));

function rows(name, values) {
  const statement = prepared[name];
  return statement.reader ? statement.all(numbered(values)) : statement.run(numbered(values)) && [];
}

const begin = session.transaction((request, audit) => {
  rows("remember", request);
  rows("audit", audit);
  rows("named", [audit[1], request[1]]);
});

const store = session.transaction((values, [key, owner, remembered], audit) => {
  const [connection] = rows("upsert", values);
  const [request] = rows("finish", [key, owner, connection.id, remembered]);
  if (request === undefined) throw new Refusal(500, "provider_unavailable");
  rows("audit", audit);
  return connection;
});

module.exports = {
  rows: async (name, values) => rows(name, values),
  begin: async (request, audit) => begin.immediate(request, audit),
  store: async (connection, request, audit) => store.immediate(connection, request, audit),
  moment: (date) => date.toISOString().replace("T", " ").replace("Z", "000+00:00"),
  shown: (moment) => (moment === null ? null : `${moment.slice(0, 10)}T${moment.slice(11, 23)}Z`),
  json: (value) => value,
};

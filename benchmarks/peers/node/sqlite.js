// SQLite by better-sqlite3: statements prepared once, run in the event loop's own thread.
"use strict";

const Database = require("better-sqlite3");
const { work } = require("./work.js");

const session = new Database(work.database, { timeout: 10000 });
session.pragma("synchronous = FULL");
const prepared = Object.fromEntries(Object.entries(work.statements).map(([name, sql]) => [name, session.prepare(sql)]));

// The statements number their values: ?1 is the member "1".
const numbered = (values) => Object.fromEntries(values.map((value, index) => [index + 1, value]));

function rows(name, values) {
  const statement = prepared[name];
  return statement.reader ? statement.all(numbered(values)) : statement.run(numbered(values)) && [];
}

const inTransaction = session.transaction((write) => drained(write((name, values) => () => rows(name, values))));

module.exports = {
  rows: async (name, values) => rows(name, values),
  // `write` is a generator of statements, made by the function that it is given.
  transaction: async (write) => inTransaction.immediate(write),
  moment: (date) => date.toISOString().replace("T", " ").replace("Z", "000+00:00"),
  shown: (moment) => (moment === null ? null : `${moment.slice(0, 10)}T${moment.slice(11, 23)}Z`),
  json: (value) => value,
};

// Runs a generator of statements to its end.
function drained(statements) {
  let step = statements.next();
  while (!step.done) step = statements.next(step.value());
  return step.value;
}

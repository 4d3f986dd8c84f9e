// PostgreSQL with pg: named statements, which the server prepares once per connection.
"use strict";

const { Pool } = require("pg");
const { work } = require("./work.js");

const pool = new Pool({ connectionString: work.database, max: work.pool });

const rows = async (name, values) => (await pool.query({ name, text: work.statements[name], values })).rows;

module.exports = {
  rows,
  // Each is one statement, as in Tendon on this engine.
  begin: (request, audit) => rows("begin", [...request, audit.at(0), audit.at(-1), audit.at(1)]),
  store: async (connection, request, audit) =>
    (await rows("store", [...connection, ...request, audit.at(-1), audit.at(1)]))[0],
  moment: (date) => date,
  shown: (moment) => (moment === null ? null : moment.toISOString()),
  json: (value) => JSON.stringify(value),
};

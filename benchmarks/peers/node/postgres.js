// PostgreSQL with pg: named statements, which the server prepares once per connection.
"use strict";

const { Pool } = require("pg");
const { work } = require("./work.js");

const pool = new Pool({ connectionString: work.database, max: work.pool });

const rows = async (name, values) => (await pool.query({ name, text: work.statements[name], values })).rows;

module.exports = {
  list: (user) => rows("list", [user]),
  claim: async (...values) => (await rows("claim", values))[0],
  begin: (...values) => rows("begin", values),
  store: async (...values) => (await rows("store", values))[0],
  // The statements return times as they are shown.
  shown: (moment) => moment,
};

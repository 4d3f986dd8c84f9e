// PostgreSQL by pg: named statements, which the server prepares once for each connection.
"use strict";

const { Pool } = require("pg");
const { work } = require("./work.js");

const pool = new Pool({ connectionString: work.database, max: work.pool });
const named = (name, values) => ({ name, text: work.statements[name], values });

async function transaction(write) {
  const session = await pool.connect();
  try {
    await session.query("BEGIN");
    const result = await drained(write((name, values) => async () => (await session.query(named(name, values))).rows));
    await session.query("COMMIT");
    return result;
  } catch (fault) {
    await session.query("ROLLBACK");
    throw fault;
  } finally {
    session.release();
  }
}

// Runs a generator of statements to its end, each after the one before.
async function drained(statements) {
  let step = statements.next();
  while (!step.done) step = statements.next(await step.value());
  return step.value;
}

module.exports = {
  rows: async (name, values) => (await pool.query(named(name, values))).rows,
  transaction,
  moment: (date) => date,
  shown: (moment) => (moment === null ? null : moment.toISOString()),
  json: (value) => JSON.stringify(value),
};

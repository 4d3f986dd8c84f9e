// The description of the work for a peer: a JSON file that the harness writes, with its path in BENCH_WORK.
"use strict";

const { readFileSync } = require("node:fs");

const work = JSON.parse(readFileSync(process.env.BENCH_WORK, "utf8"));

class Refusal extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

const users = new Map(Object.entries(work.users));

function bearer(header) {
  const user = header?.startsWith("Bearer ") ? users.get(header.slice(7)) : undefined;
  if (user === undefined) throw new Refusal(401, "unauthenticated");
  return user;
}

module.exports = { work, bearer, Refusal, port: Number(process.env.PORT) };

// Exchanges the code for tokens, with fetch or undici.request, depending on EXCHANGE.
"use strict";

const undici = require("undici");
const { work, Refusal } = require("./work.js");

undici.setGlobalDispatcher(new undici.Agent({ connections: 64 }));

const basic = Buffer.from(`${work.client_id}:${work.client_secret}`).toString("base64");
const headers = {
  accept: "application/json",
  authorization: `Basic ${basic}`,
  "content-type": "application/x-www-form-urlencoded",
};

const form = (code, verifier) =>
  new URLSearchParams({
    grant_type: "authorization_code",
    code,
    redirect_uri: work.redirect_uri,
    code_verifier: verifier,
  }).toString();

async function byFetch(code, verifier) {
  const answer = await undici.fetch(work.token_url, { method: "POST", headers, body: form(code, verifier) });
  if (answer.status !== 200) throw new Refusal(500, "provider_unavailable");
  return answer.json();
}

async function byRequest(code, verifier) {
  const answer = await undici.request(work.token_url, { method: "POST", headers, body: form(code, verifier) });
  if (answer.statusCode !== 200) throw new Refusal(500, "provider_unavailable");
  return answer.body.json();
}

module.exports = { exchange: process.env.EXCHANGE === "request" ? byRequest : byFetch };

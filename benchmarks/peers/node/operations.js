// The operations of all Node peers, with Tendon's statements.
"use strict";

const crypto = require("node:crypto");
const { work, Refusal } = require("./work.js");
const { pseudonym, seal, unseal } = require("./sealing.js");
const { exchange } = require("./exchange.js");

const database = require(work.engine === "sqlite" ? "./sqlite.js" : "./postgres.js");
const sha256 = (text) => crypto.createHash("sha256").update(text).digest("hex");
const hex = (bytes) => crypto.randomBytes(bytes).toString("hex");
const scopes = JSON.stringify(work.scopes);

async function complete(user, sent) {
  const [key, owner] = [sha256(sent.state), hex(16)];
  const binding = [key, user, sent.provider, sent.redirectUri, work.registration];
  const [claim] = await database.rows("claim", [...binding, sha256(sent.code), owner, 15]);
  if (claim === undefined) throw new Refusal(400, "invalid_state");
  const answer = await exchange(sent.code, unseal(claim.verifier, "authorization_request", ...binding.slice(0, 4), "verifier"));
  const row = await database.store(values(user, claim, answer), [key, owner, 604800], audit(user, "complete"));
  if (row === undefined) throw new Refusal(500, "provider_unavailable");
  return { connection: shown(user, work.slug, row) };
}

function values(user, claim, answer) {
  const [now, version] = [new Date(), claim.version ?? 0];
  const place = ["connection", user, work.slug, "", String(version + 1)];
  return [
    crypto.randomUUID(),
    user,
    work.slug,
    database.moment(now),
    database.json(claim.scopes),
    JSON.stringify(answer.scope.split(" ")),
    seal(answer.access_token, ...place, "access_token"),
    seal(answer.refresh_token, ...place, "refresh_token"),
    database.moment(new Date(now.getTime() + answer.expires_in * 1000)),
    claim.claimed_at,
    version,
  ];
}

async function authorize(user, sent) {
  const [state, verifier] = [hex(20), crypto.randomBytes(48).toString("base64url")];
  const key = sha256(state);
  const place = [key, user, sent.provider, sent.redirectUri];
  const sealed = seal(verifier, "authorization_request", ...place, "verifier");
  const request = [...place, work.registration, scopes, sealed, 600];
  await database.begin(request, audit(user, "authorize"));
  await database.rows("past", [20]);
  const query = new URLSearchParams({
    response_type: "code",
    client_id: work.client_id,
    redirect_uri: sent.redirectUri,
    scope: work.scopes.join(" "),
    state,
    code_challenge: crypto.createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  return { url: `${work.authorize_url}?${query}`, state };
}

async function list(user, userId) {
  if (userId !== user) throw new Refusal(403, "forbidden");
  const rows = await database.rows("list", [user]);
  return rows.map((row) => shown(user, row.provider, row));
}

const audit = (user, action) => [database.moment(new Date()), pseudonym(user), action, work.slug, scopes, hex(16)];

const shown = (userId, slug, row) => ({
  id: row.id,
  userId,
  providerId: work.provider_ids[slug],
  providerSlug: slug,
  status: row.status,
  lastSyncAt: database.shown(row.last_sync_at),
  createdAt: database.shown(row.created_at),
});

module.exports = { complete, authorize, list };

// The operations of all Node peers, with Tendon's statements.
"use strict";

const crypto = require("node:crypto");
const { work, Refusal } = require("./work.js");
const { pseudonym, seal, unseal } = require("./sealing.js");
const { exchange } = require("./exchange.js");

const database = require(work.engine === "sqlite" ? "./sqlite.js" : "./postgres.js");
const sha256 = (text) => crypto.hash("sha256", text);
const hex = (bytes) => crypto.randomBytes(bytes).toString("hex");
const scopes = JSON.stringify(work.scopes);

async function complete(user, sent) {
  const [key, owner] = [sha256(sent.state), hex(16)];
  const place = [key, user, sent.provider, sent.redirectUri];
  const claim = await database.claim(...place, work.registration, sha256(sent.code), owner, 15);
  if (claim === undefined) throw new Refusal(400, "invalid_state");
  const answer = await exchange(sent.code, unseal(claim.verifier, "authorization_request", ...place, "verifier"));
  const version = claim.version ?? 0;
  const row = ["connection", user, work.slug, "", String(version + 1)];
  const stored = await database.store(
    key,
    owner,
    crypto.randomUUID(),
    JSON.stringify(answer.scope.split(" ")),
    seal(answer.access_token, ...row, "access_token"),
    seal(answer.refresh_token, ...row, "refresh_token"),
    answer.expires_in,
    claim.claimed_at,
    version,
    pseudonym(user),
    hex(16),
  );
  if (stored === undefined) throw new Refusal(500, "provider_unavailable");
  return { connection: shown(stored) };
}

async function authorize(user, sent) {
  const [state, verifier] = [hex(20), crypto.randomBytes(48).toString("base64url")];
  const key = sha256(state);
  const place = [key, user, sent.provider, sent.redirectUri];
  const sealed = seal(verifier, "authorization_request", ...place, "verifier");
  await database.begin(...place, work.registration, scopes, sealed, 600, pseudonym(user), hex(16));
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
  return (await database.list(user)).map(shown);
}

const shown = (row) => ({
  id: row.id,
  userId: row.user_id,
  providerId: work.provider_ids[row.provider],
  providerSlug: row.provider,
  status: row.status,
  lastSyncAt: database.shown(row.last_sync_at),
  createdAt: database.shown(row.created_at),
});

module.exports = { complete, authorize, list };

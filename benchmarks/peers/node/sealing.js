// AES-256-GCM in the format of Tendon's vault, so that all contenders write the same kind of rows.
"use strict";

const crypto = require("node:crypto");
const { work } = require("./work.js");

const key = Buffer.from(work.key, "hex");
const head = Buffer.concat([Buffer.from([1, work.key_id.length]), Buffer.from(work.key_id)]);

function bound(place) {
  const parts = [head];
  for (const part of place) {
    const [length, text] = [Buffer.allocUnsafe(4), Buffer.from(part)];
    length.writeUInt32BE(text.length);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}

// `place` consists of table, row (all its parts) and column.
function seal(secret, ...place) {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(bound(place));
  const content = [cipher.update(secret, "utf8"), cipher.final()];
  return Buffer.concat([head, nonce, ...content, cipher.getAuthTag()]);
}

function unseal(sealed, ...place) {
  const start = head.length;
  const cipher = crypto.createDecipheriv("aes-256-gcm", key, sealed.subarray(start, start + 12));
  cipher.setAAD(bound(place));
  cipher.setAuthTag(sealed.subarray(-16));
  return cipher.update(sealed.subarray(start + 12, -16), undefined, "utf8") + cipher.final("utf8");
}

// The user's pseudonym in the audit trail.
const pseudonym = (user) => crypto.createHmac("sha256", key).update(user).digest("hex").slice(0, 32);

module.exports = { pseudonym, seal, unseal };

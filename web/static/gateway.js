// One GraphQL operation sent to the gateway, and what may come back.

/**
 * An answer without data: `message` for the person, `code` of the contract or our own, `requestId` or null;
 * `retryAfter` is in seconds where trying again is worth it, else null.
 */
export class Refusal extends Error {
  constructor(message, code, requestId = null, retryAfter = null) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** A function that runs an operation with the token `tokenOf` names at that moment; it resolves to the data. */
export function gateway(url, tokenOf) {
  return async (query, variables = {}) => {
    const answer = await send(url, tokenOf(), { query, variables });
    const requestId = answer.headers.get("x-request-id");
    const { data, errors } = await read(answer, requestId);
    if (errors?.length) {
      const { code = `HTTP ${answer.status}`, retryAfter = null } = errors[0].extensions ?? {};
      throw new Refusal(errors[0].message, code, requestId, retryAfter);
    }
    return data;
  };
}

async function send(url, token, body) {
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json" };
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch {
    throw new Refusal("The gateway can’t be reached. Look at your network and try again.", "UNREACHABLE");
  }
}

async function read(answer, requestId) {
  const body = await answer.json().catch(() => null);
  if (body?.data || body?.errors) return body;
  throw new Refusal("The gateway gave no readable answer.", `HTTP ${answer.status}`, requestId);
}

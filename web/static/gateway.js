// Sends GraphQL operations to the gateway.

/**
 * A response without data: `message` is for the user, `code` is the API's or this page's own, `requestId` may be null.
 * `retryAfter` is the number of seconds after which a retry may succeed, or null.
 */
export class GatewayError extends Error {
  constructor(message, code, requestId = null, retryAfter = null) {
    super(message);
    this.code = code;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** Returns a function that runs an operation with the current result of `tokenOf` and resolves to the data. */
export function gateway(url, tokenOf) {
  return async (query, variables = {}) => {
    const response = await send(url, tokenOf(), { query, variables });
    const requestId = response.headers.get("x-request-id");
    const { data, errors } = await read(response, requestId);
    if (errors?.length) {
      const { code = `HTTP ${response.status}`, retryAfter = null } = errors[0].extensions ?? {};
      throw new GatewayError(errors[0].message, code, requestId, retryAfter);
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
    throw new GatewayError("The gateway can’t be reached. Check your network and try again.", "UNREACHABLE");
  }
}

async function read(response, requestId) {
  const body = await response.json().catch(() => null);
  if (body?.data || body?.errors) return body;
  throw new GatewayError("The gateway’s response could not be read.", `HTTP ${response.status}`, requestId);
}

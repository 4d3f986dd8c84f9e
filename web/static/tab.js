// What this browser tab stores (in sessionStorage, which other tabs can't see and which ends with the tab): the bearer
// token, the user whose connections are shown, and the authorization request in progress.

const TOKEN = "tendon:token";
const USER = "tendon:user";
const REQUEST = "tendon:authorization-request";

export const token = {
  read: () => sessionStorage.getItem(TOKEN),
  keep(value) {
    sessionStorage.setItem(TOKEN, value);
    sessionStorage.removeItem(USER);
  },
};

export const user = {
  read: () => sessionStorage.getItem(USER),
  keep: (value) => sessionStorage.setItem(USER, value),
};

export const authorizationRequest = {
  /** `request` is `{provider, state, redirectUri}`. Only the latest is stored. */
  keep: (request) => sessionStorage.setItem(REQUEST, JSON.stringify(request)),

  /** Remove and return the request with this state, so that a reload sends nothing again. Null for any other state. */
  take(state) {
    const request = JSON.parse(sessionStorage.getItem(REQUEST));
    if (!request || request.state !== state) return null;
    sessionStorage.removeItem(REQUEST);
    return request;
  },
};

/** The authorization response (RFC 6749 4.1.2, RFC 9207) in the URL, from which it is removed; null if none. */
export function takeAuthorizationResponse() {
  const given = new URLSearchParams(location.search);
  if (!["code", "state", "error"].some((name) => given.has(name))) return null;
  history.replaceState(null, "", location.pathname);
  const response = { code: given.get("code") ?? "", state: given.get("state") ?? "" };
  for (const name of ["iss", "scope", "error"]) {
    if (given.get(name)) response[name] = given.get(name);
  }
  return response;
}

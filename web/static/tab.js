// What this browser tab remembers (sessionStorage: gone with the tab, unknown to every other): the bearer token, whose
// connections are shown, and the authorization request that is on its way.

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
  /** `request` is `{provider, state, redirectUri}`. There is one at a time: the latest. */
  keep: (request) => sessionStorage.setItem(REQUEST, JSON.stringify(request)),

  /** The request with this state, once: a reload finds nothing to send again. Another state leaves it where it is. */
  take(state) {
    const request = JSON.parse(sessionStorage.getItem(REQUEST));
    if (!request || request.state !== state) return null;
    sessionStorage.removeItem(REQUEST);
    return request;
  },
};

/** The authorization response (RFC 6749 4.1.2, RFC 9207) in the address, which is cleared of it at once; else null. */
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

"""Catalogue entries that show how real providers differ: the text of the file by slug."""

ACME = """slug = "acme"
name = "Acme Ring"
docs = "https://developer.acme.example/oauth"      # where the facts come from

[authorize]
url = "https://acme.example/authorize"
scopes = ["sleep", "offline"]
scope_separator = " "                               # the default
pkce = "S256"                                       # or "none"
params = { access_type = "offline" }                # optional, sent as they are
iss = "https://acme.example"                        # optional: the provider sends iss (RFC 9207) and it must be this

[token]
url = "https://acme.example/token"
refresh_url = "https://acme.example/refresh"        # optional, else url
auth = "client_secret_basic"                        # client_secret_post, none
params = { action = "requesttoken" }                # optional
root = "body"                                       # optional: the path of the token object in the answer
success = { field = "status", equals = 0 }          # optional: what says that a 200 is a success
expires = "expires_in"                              # expires_at, jwt, never
refresh = "rotating"                                # reusable, extending, none
account = "user_id"                                 # optional: dotted path to the provider's own user id in the answer

[account]                                           # optional: else where to ask for it
url = "https://api.acme.example/me"
field = "id"

[revoke]                                            # optional
method = "POST"
url = "https://acme.example/revoke"
auth = "client_secret_basic"                        # client_secret_post, bearer, none
token = "refresh_token"                             # which token goes into the form parameter `token`
params = { token_type_hint = "refresh_token" }
"""

SANDBOX = """slug = "sandbox"
name = "Sandbox"
[authorize]
url = "http://127.0.0.1:8000/sandbox/authorize"
scopes = ["sleep", "offline"]
[token]
url = "http://127.0.0.1:8000/sandbox/token"
auth = "client_secret_post"
[account]
url = "http://127.0.0.1:8000/sandbox/userinfo"
field = "sub"
[revoke]
url = "http://127.0.0.1:8000/sandbox/revoke"
auth = "client_secret_post"
token = "access_token"
"""

WITHINGS = """slug = "withings"
name = "Withings"
[authorize]
url = "https://account.withings.example/oauth2_user/authorize2?mode=demo"
scopes = ["user.info", "user.metrics"]
scope_separator = ","
pkce = "none"
[token]
url = 'https://wbsapi.withings.example/v2/oauth2'
auth = "client_secret_post"
params = { action = "requesttoken" }
root = "body"
success = { field = "status", equals = 0 }
account = "userid"
"""

STRAVA = """slug = "strava"
name = "Strava"
[authorize]
url = "https://www.strava.example/oauth/authorize"
scopes = ["read", "activity:read_all"]
scope_separator = ","
pkce = "none"
[token]
url = "https://www.strava.example/oauth/token"
auth = "client_secret_post"
expires = "expires_at"
account = "athlete.id"
[account]
url = "https://www.strava.example/api/v3/athlete"
field = "athlete.id"
"""

GOOGLE = """slug = "google"
name = "Google"
[authorize]
url = "https://accounts.google.example/o/oauth2/v2/auth"
scopes = ["openid", "email"]
[token]
url = "https://oauth2.google.example/token"
auth = "client_secret_post"
refresh = "reusable"
[revoke]
url = "https://oauth2.google.example/revoke"
auth = "none"
token = "refresh_token"
"""

COROS = """slug = "coros"
name = "COROS"
[authorize]
url = "https://open.coros.example/oauth2/authorize"
pkce = "none"
[token]
url = "https://open.coros.example/oauth2/accesstoken"
refresh_url = "https://open.coros.example/oauth2/refresh-token"
auth = "client_secret_post"
refresh = "extending"
account = "openId"
"""

SUUNTO = """slug = "suunto"
name = "Suunto"
[authorize]
url = "https://cloudapi-oauth.suunto.example/oauth/authorize"
pkce = "none"
[token]
url = "https://cloudapi-oauth.suunto.example/oauth/token"
auth = "client_secret_basic"
expires = "jwt"
[revoke]
url = "https://cloudapi-oauth.suunto.example/oauth/deauthorize"
method = "GET"
auth = "bearer"
"""

POLAR = """slug = "polar"
name = "Polar"
[authorize]
url = "https://flow.polar.example/oauth2/authorization"
scopes = ["accesslink.read_all"]
pkce = "none"
[token]
url = "https://polarremote.example/v2/oauth2/token"
auth = "none"
expires = "never"
refresh = "none"
account = "x_user_id"
[revoke]
url = "https://www.polaraccesslink.example/v3/users"
method = "DELETE"
auth = "bearer"
"""

ENTRIES = {
    "acme": ACME,
    "sandbox": SANDBOX,
    "withings": WITHINGS,
    "strava": STRAVA,
    "google": GOOGLE,
    "coros": COROS,
    "suunto": SUUNTO,
    "polar": POLAR,
}

"""Catalogue entries that show how real providers differ: the text of the file by slug."""

from tests.providers.entries import ACME

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
ends = "token"
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
[[token.errors]]
field = "status"
equals = 601
meaning = "slow_down"
wait = "body.wait_seconds"
[[token.errors]]
field = "status"
equals = [522, 2555]
meaning = "passing"
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
url = "https://www.polaraccesslink.example/v3/users/{account}"
method = "DELETE"
auth = "bearer"
ends = "account"
"""

WHOOP = """slug = "whoop"
name = "WHOOP"
[authorize]
url = "https://api.whoop.example/oauth/oauth2/auth"
scopes = ["offline", "read:sleep"]
pkce_checked = false
[token]
url = "https://api.whoop.example/oauth/oauth2/token"
auth = "client_secret_post"
refresh_params = { scope = "offline" }
[[token.errors]]
field = "error"
equals = ["bad_code", "bad_refresh"]
meaning = "grant_over"
[api]
base = "https://api.whoop.example/developer"
[revoke]
method = "DELETE"
url = "https://api.whoop.example/developer/v2/user/access"
auth = "bearer"
ends = "account"
[[revoke.errors]]
status = 404
meaning = "grant_over"
[[revoke.errors]]
status = 429
meaning = "slow_down"
wait_header = "X-RateLimit-Reset"
"""

FORM = """slug = "form"
name = "Account in the form"
[authorize]
url = "https://form.example/authorize"
pkce = "none"
[token]
url = "https://form.example/token"
auth = "client_secret_post"
refresh_grace = 30
reuse = "refused"
account = "userid"
[revoke]
url = "https://form.example/revoke"
auth = "client_secret_post"
token = "refresh_token"
params = { userid = "{account}" }
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
    "whoop": WHOOP,
    "form": FORM,
}

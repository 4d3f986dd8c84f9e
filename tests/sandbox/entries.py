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
[revoke]
url = "https://wbsapi.withings.example/v2/oauth2"
adapter = "withings"
[[revoke.errors]]
field = "status"
equals = 293
meaning = "misconfigured"
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
denied = "state_only"
[token]
url = "https://open.coros.example/oauth2/accesstoken"
refresh_url = "https://open.coros.example/oauth2/refresh-token"
auth = "client_secret_post"
success = { field = "result", absent = true }
extended = { field = "result", equals = "0000" }
refresh = "extending"
account = "openId"
[[token.errors]]
field = "result"
equals = "5017"
meaning = "grant_over"
[revoke]
url = "https://open.coros.example/oauth2/deauthorize"
auth = "anonymous"
headers = { token = "{access_token}" }
success = { field = "result", equals = "0000" }
[[revoke.errors]]
field = "result"
equals = "1019"
meaning = "grant_over"
"""

SUUNTO = """slug = "suunto"
name = "Suunto"
[registration]
secrets = ["subscription_key"]
[authorize]
url = "https://cloudapi-oauth.suunto.example/oauth/authorize"
pkce = "none"
[token]
url = "https://cloudapi-oauth.suunto.example/oauth/token"
auth = "client_secret_basic"
headers = { Ocp-Apim-Subscription-Key = "{subscription_key}" }
expires = "jwt"
[api]
base = "https://cloudapi.suunto.example"
headers = { Ocp-Apim-Subscription-Key = "{subscription_key}", X-App = "app {client_id}" }
[revoke]
url = "https://cloudapi-oauth.suunto.example/oauth/deauthorize?client_id={client_id}"
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
headers = { Accept = "application/json" }
[after_exchange]
adapter = "polar"
url = "https://www.polaraccesslink.example/v3/users"
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

OURA = """slug = "oura"
name = "Oura"
[authorize]
url = "https://cloud.oura.example/oauth/authorize"
scopes = ["daily"]
params = { access_type = "offline" }
[token]
url = "https://api.oura.example/oauth/token"
scope_prefix = "extapi:"
auth = "client_secret_post"
[revoke]
url = "https://api.oura.example/oauth/revoke?access_token={access_token}"
auth = "anonymous"
"""

GARMIN = """slug = "garmin"
name = "Garmin"
[authorize]
url = "https://connect.garmin.example/oauth2Confirm"
[token]
url = "https://diauth.garmin.example/token?v=2"
auth = "client_secret_post"
refresh_expires = 7776000
[account]
url = "https://apis.garmin.example/user/id"
field = "userId"
headers = { X-Client = "{client_id}" }
[granted]
url = "https://apis.garmin.example/user/permissions?all=1"
field = "data.permissions"
[scopes]
ACTIVITY_EXPORT = "Read your activities."
HEALTH_EXPORT = "Read your health."
"""

ZEPP = """slug = "zepp"
name = "Zepp"
[authorize]
url = "https://user.zepp.example/oauth/index.html?lang=en#/?app=1"
scopes = ["profile", "sleep"]
scope_separator = ";"
pkce = "none"
[token]
url = "https://auth.zepp.example/oauth2/access_token"
refresh_url = "https://auth.zepp.example/oauth2/refresh_token?kind=long"
auth = "client_secret_post"
[account]
url = "https://auth.zepp.example/oauth2/verify"
method = "POST"
form = { fields = "userId" }
field = "userId"
"""

HUAWEI = """slug = "huawei"
name = "Huawei"
[authorize]
url = "https://login.huawei.example/authorize"
scopes = ["openid"]
pkce = "none"
[token]
url = "https://login.huawei.example/token"
auth = "client_secret_post"
refresh = "reusable"
account_claim = "user.id"
[revoke]
url = "https://login.huawei.example/revoke"
auth = "anonymous"
token = "access_token"
"""

DEXCOM = """slug = "dexcom"
name = "Dexcom"
[authorize]
url = "https://{host}/v3/oauth2/login"
scopes = ["offline_access"]
params = { aud = "https://{host}" }
iss = "https://{host}"
[token]
url = "https://{host}/v3/oauth2/token"
auth = "client_secret_post"
[revoke]
url = "https://{host}/users/{account}/tokens/t-{refresh_token}"
method = "DELETE"
auth = "client_secret_basic"
[variables]
host = "api.dexcom.example"
[sites.us]
name = "United States"
[sites.eu]
name = "Europe"
variables = { host = "api.dexcom-eu.example" }
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
    "oura": OURA,
    "garmin": GARMIN,
    "zepp": ZEPP,
    "huawei": HUAWEI,
    "dexcom": DEXCOM,
}

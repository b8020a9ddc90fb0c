"""Google's host names, as clients with fixed addresses reach them through the HTTPS proxy, and what each one serves.

The emulator's paths are Google's own, so a host only chooses among the routes; none serves another API's.
"""

from sandbox.core.routing import Route

SUFFIX = ".googleapis.com"
ACCOUNTS = "accounts.google.com"
EVERYTHING_ELSE = "www.googleapis.com"
# What no API's front end guards: where clients take tokens (google-auth and gcloud, older libraries, oauth2client),
# google-auth's look-up, and batches, whose calls are guarded one by one.
UNGUARDED = {
    "oauth2.googleapis.com": {"/token"},
    EVERYTHING_ELSE: {"/oauth2/v4/token", "/batch/storage/v1"},
    ACCOUNTS: {"/o/oauth2/token"},
    "iamcredentials.googleapis.com": {"/v1/projects/{project}/serviceAccounts/{email}/allowedLocations"},
    "storage.googleapis.com": {"/batch/storage/v1"},
}
# The two APIs that the common host serves too, below prefixes of their own.
COMMON_PREFIXES = ("/storage/", "/upload/", "/download/", "/resumable/", "/sql/")


def is_google(host: str) -> bool:
    """Whether the sandbox stands in for this host (without port)."""
    return host.endswith(SUFFIX) or host == ACCOUNTS


def serves(host: str, route: Route) -> bool:
    """Whether Google's host has this route."""
    if route.api is None:
        return route.path in UNGUARDED.get(host, ())
    return route.api.service == host or (host == EVERYTHING_ELSE and route.path.startswith(COMMON_PREFIXES))

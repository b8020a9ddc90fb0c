"""Google's error bodies.

Cloud SQL and Cloud Storage use the classic shape (errors[] with a reason), the other APIs google.rpc.Status.
"""

from sandbox.core.documents import Json

STATUS_OF_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ApiError(Exception):
    """An answer that is an error: HTTP code and the JSON body Google would send."""

    def __init__(self, code: int, message: str, body: Json) -> None:
        super().__init__(message)
        self.code = code
        self.body = body


def classic(code: int, message: str, reason: str, *, domain: str = "global", location: str | None = None) -> ApiError:
    """The error shape of Cloud SQL and Cloud Storage."""
    item: Json = {"message": message, "domain": domain, "reason": reason}
    if location:
        item |= {"locationType": "header", "location": location}
    return ApiError(code, message, {"error": {"code": code, "message": message, "errors": [item]}})


def modern(code: int, message: str, status: str | None = None, details: list[Json] | None = None) -> ApiError:
    """The error shape of APIs that speak google.rpc.Status."""
    error: Json = {"code": code, "message": message, "status": status or STATUS_OF_CODE[code]}
    if details:
        error["details"] = details
    return ApiError(code, message, {"error": error})


def error_info(reason: str, domain: str, **metadata: str) -> Json:
    """google.rpc.ErrorInfo, the machine-readable half of a modern error."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def permission_denied(message: str, permission: str, resource: str) -> ApiError:
    """A refusal by IAM that names permission and resource, as Google's newer APIs send it."""
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=permission, resource=resource)
    return modern(403, message, details=[info])


def service_disabled(service: str, title: str, project_number: str) -> ApiError:
    """What every API answers while it is switched off for the project, as recorded in cloudquery/cloudquery#18290."""
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={project_number}"
    message = (
        f"{title} has not been used in project {project_number} before or it is disabled. Enable it by visiting {url} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry."
    )
    info = error_info(
        "SERVICE_DISABLED",
        "googleapis.com",
        service=service,
        serviceTitle=title,
        consumer=f"projects/{project_number}",
        containerInfo=project_number,
        activationUrl=url,
    )
    error = modern(403, message, details=[info])
    error.body["error"]["errors"] = [
        {"message": message, "domain": "usageLimits", "reason": "accessNotConfigured", "extendedHelp": url}
    ]
    return error


def unauthenticated(*, missing: bool, guardrail: str | None = None) -> ApiError:
    """No token, or one that nobody issued or that has expired; `guardrail` says more than Google would.

    As recorded in googleapis/google-api-php-client#2479 (missing) and #1391 (invalid).
    """
    expected = (
        "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    problem = (
        "Request is missing required authentication credential."
        if missing
        else "Request had invalid authentication credentials."
    )
    info = error_info("CREDENTIALS_MISSING" if missing else "ACCESS_TOKEN_EXPIRED", "googleapis.com")
    error = modern(401, guardrail or f"{problem} {expected}", details=[info])
    error.body["error"]["errors"] = [
        {
            "message": "Login Required." if missing else "Invalid Credentials",
            "domain": "global",
            "reason": "required" if missing else "authError",
            "location": "Authorization",
            "locationType": "header",
        }
    ]
    return error

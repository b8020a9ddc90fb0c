"""The instance's password policy: https://cloud.google.com/sql/docs/postgres/built-in-authentication#instance_password_policies."""

from sandbox.apis.sqladmin.resources import invalid
from sandbox.core.documents import Json


def check_password(settings: Json, user: str, password: str) -> None:
    """Refuse a password that the policy does not allow. Wording ours: Google's texts are not known."""
    policy = settings.get("passwordValidationPolicy") or {}
    if not policy.get("enablePasswordPolicy"):
        return
    if len(password) < int(policy.get("minLength") or 0):
        raise invalid(f"the password of {user} is shorter than {policy['minLength']} characters.")
    if policy.get("complexity") == "COMPLEXITY_DEFAULT" and not _is_complex(password):
        raise invalid(
            f"the password of {user} must have lower-case, upper-case, numeric and non-alphanumeric characters."
        )
    if policy.get("disallowUsernameSubstring") and user.lower() in password.lower():
        raise invalid(f"the password of {user} must not contain the user's name.")


def _is_complex(password: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit, lambda one: not one.isalnum())
    return all(any(kind(character) for character in password) for kind in kinds)

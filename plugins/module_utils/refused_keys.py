# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why Google mints no token for a key or a login, and the way out. Pure; never a part of the key in it.

Google's words: https://developers.google.com/identity/protocols/oauth2/service-account#error-codes.
"""

from __future__ import annotations

# Google takes assertions whose times are off by a few minutes.
_TOLERATED_SECONDS = 60.0


def way_out(reason: str, email: str, ahead: float | None) -> str:
    """What to do about Google's reason; empty if it is none of a key's.

    :param ahead: seconds that this machine's clock is ahead of Google's, None if unknown.
    """
    words = reason.casefold()
    if "short-lived token" in words or "reasonable timeframe" in words:
        return _clock(ahead)
    if "invalid jwt signature" in words:
        return (
            "the key was deleted, disabled or has expired, or is not this account's; `gcloud iam service-accounts keys "
            f"list --iam-account={email}` shows those that are good, `gcloud iam service-accounts keys create FILE "
            f"--iam-account={email}` makes a new one"
        )
    if "account not found" in words:
        return (
            "the account was deleted; one made anew under the same name needs a key of its own: `gcloud iam "
            f"service-accounts keys create FILE --iam-account={email}`"
        )
    if "account disabled" in words or "account is disabled" in words:
        return f"`gcloud iam service-accounts enable {email}` enables it again"
    if "expired or revoked" in words:
        return "`gcloud auth application-default login` logs in again"
    return ""


def _clock(ahead: float | None) -> str:
    if ahead is None:
        found = "this machine's clock is probably off"
    elif abs(ahead) <= _TOLERATED_SECONDS:
        return "this machine's clock agrees with Google's now; try again, and if that fails, make a new key"
    else:
        found = f"this machine's clock is {_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} Google's"
    return f"{found}: set the clock (`timedatectl set-ntp true`)"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)

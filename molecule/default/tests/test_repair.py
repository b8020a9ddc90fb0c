"""What somebody breaks behind our back: verify.yml fails and names it, site.yml heals it with no hand work.

Runs late (files run in the order of their names): it changes what the other tests look at.
"""

from typing import Any

ACCOUNT = "mlflow-server"


def test_a_role_taken_away(operator: Any) -> None:
    """Nothing is restarted: the running proxy still has a certificate, and yet verify.yml must notice."""
    member = f"serviceAccount:{ACCOUNT}@{operator.project}.iam.gserviceaccount.com"
    operator.breaks("project_iam_member", role="roles/cloudsql.client", member=member, state="absent")
    returncode, output = operator.plays("playbooks/verify.yml")
    assert returncode != 0
    assert "lacks roles/cloudsql.client" in output
    returncode, output = operator.plays("site.yml")  # ends with verify.yml's own checks
    assert returncode == 0, output


def test_a_password_changed(operator: Any) -> None:
    """The database refuses the one we know; only a login can find that out."""
    operator.breaks(
        "sql_user",
        instance="mlflow-metadata",
        name="mlflow_user",
        password="Changed-Behind-Our-Back-0123456789-0123456789",
        update_password="always",
    )
    returncode, output = operator.plays("playbooks/verify.yml")
    assert returncode != 0
    assert "mlflow_user cannot log in to mlflow" in output
    assert "password authentication failed" in output
    returncode, output = operator.plays("site.yml")  # ends with verify.yml's own checks
    assert returncode == 0, output

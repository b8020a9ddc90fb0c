"""Everything that site.yml keeps, in Google Cloud and on the machine, part by part; and who changes it by hand."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import requests
from google.auth import crypt, jwt
from testinfra.host import Host

INSTANCE, BUCKET, SECRET, ACCOUNT = "mlflow-metadata", "df_traffic_cyclist1", "mlflow-db-password", "mlflow-server"
# Whatever changes with each change of anything else.
COUNTERS = {"etag", "metageneration", "updated", "settingsVersion"}
CONTAINER = (
    "container {{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}} {{.Image}} "
    '{{index .Config.Labels "com.docker.compose.config-hash"}}'
)
MACHINE = rf"""
find /opt/mlflow /usr/local/bin/mlflow-health -type f -not -path '*/spool/*' -printf 'file %p %m %u %g ' \
  -exec sha256sum {{}} \; | sed 's/  .*//'
stat --format 'file %n %a %u %g' /opt/mlflow/secrets/pg
docker ps --all --quiet --filter label=com.docker.compose.project=mlflow |
  xargs --no-run-if-empty docker inspect --format '{CONTAINER}'
docker image ls --filter dangling=false --no-trunc --format 'image {{{{.Repository}}}}:{{{{.Tag}}}} {{{{.ID}}}}'
dpkg-query --show --showformat 'package ${{Package}} ${{Status}} ${{Version}}\n' | grep -E 'docker|containerd|iptables'
echo "firewall clients $(iptables --wait --table raw --list-rules MLFLOW-CLIENTS | sha256sum)"
echo "unit docker $(systemctl is-enabled docker) $(systemctl is-active docker)"
"""


class World:
    """Reads all of it; and changes it as an operator of the project and as root of the machine would by hand."""

    def __init__(self, host: Host, card: dict[str, Any]) -> None:
        self.host = host
        self.machine = f"{card['id']}-target"
        self.project = card["project"]
        self.url = card["url"]
        self.member = f"serviceAccount:{ACCOUNT}@{self.project}.iam.gserviceaccount.com"
        self.operator = f"serviceAccount:{card['operator']['email']}"
        self._key = json.loads(Path(card["operator"]["key_file"]).read_text())

    def _token(self) -> str:
        """An hour is shorter than some tests. (google-auth's own session would ask Google itself about the account.)"""
        now = int(time.time())
        claims = {"iss": self._key["client_email"], "aud": self._key["token_uri"], "iat": now, "exp": now + 3600}
        claims["scope"] = "https://www.googleapis.com/auth/cloud-platform"
        assertion = jwt.encode(crypt.RSASigner.from_service_account_info(self._key), claims)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        token: str = requests.post(self._key["token_uri"], data=form, timeout=30).json()["access_token"]
        return token

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request to Google, and its answer; an operation is waited for."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        reply = requests.request(method, f"{self.url}/{path}", json=body, headers=headers, timeout=60)
        assert reply.ok, f"{method} {path}: {reply.text}"
        answer: dict[str, Any] = reply.json() if reply.content else {}
        while answer.get("kind") == "sql#operation" and answer["status"] != "DONE":
            time.sleep(0.05)
            answer = self.call("GET", f"v1/projects/{self.project}/operations/{answer['name']}")
        assert "error" not in answer, answer
        return answer

    # Where things are.
    @property
    def instance(self) -> str:
        return f"v1/projects/{self.project}/instances/{INSTANCE}"

    @property
    def bucket(self) -> str:
        return f"storage/v1/b/{BUCKET}"

    @property
    def account(self) -> str:
        return f"v1/projects/{self.project}/serviceAccounts/{self.member.removeprefix('serviceAccount:')}"

    @property
    def secret(self) -> str:
        return f"v1/projects/{self.project}/secrets/{SECRET}"

    # What somebody changes there.
    def set_instance(self, **settings: Any) -> None:
        self.call("PATCH", self.instance, {"settings": settings})

    def set_flags(self, **flags: str) -> None:
        """A list is replaced whole."""
        found = self.call("GET", self.instance)["settings"]["databaseFlags"]
        wanted = {flag["name"]: flag["value"] for flag in found} | flags
        self.set_instance(databaseFlags=[{"name": name, "value": value} for name, value in wanted.items()])

    def set_password(self, password: str) -> None:
        self.call("PUT", f"{self.instance}/users?name=mlflow_user", {"name": "mlflow_user", "password": password})

    def set_secret(self, value: str) -> None:
        data = base64.b64encode(value.encode()).decode()
        self.call("POST", f"{self.secret}:addVersion", {"payload": {"data": data}})

    def disable_secret(self) -> None:
        self.call("POST", f"{self.secret}/versions/latest:disable", {})

    def project_policy(self) -> dict[str, Any]:
        return self.call("POST", f"v1/projects/{self.project}:getIamPolicy", {})

    def bind_project(self, role: str, member: str, *, bound: bool) -> None:
        policy = _bind(self.project_policy(), role, member, bound=bound)
        self.call("POST", f"v1/projects/{self.project}:setIamPolicy", {"policy": policy})

    def bind_bucket(self, role: str, member: str, *, bound: bool) -> None:
        policy = _bind(self.call("GET", f"{self.bucket}/iam"), role, member, bound=bound)
        self.call("PUT", f"{self.bucket}/iam", policy)

    # What is there.
    def state(self) -> dict[str, Any]:
        """Each part by its name."""
        return self._cloud() | self._machine()

    def _cloud(self) -> dict[str, Any]:
        version = self.call("GET", f"{self.secret}/versions/latest")
        policy = self.project_policy()["bindings"]
        found = {
            "instance": self.call("GET", self.instance)["settings"],
            "users": sorted(user["name"] for user in self.call("GET", f"{self.instance}/users")["items"]),
            "account": self.call("GET", self.account),
            "project roles": sorted(binding["role"] for binding in policy if self.member in binding["members"]),
            "bucket": self.call("GET", self.bucket),
            "bucket policy": self.call("GET", f"{self.bucket}/iam")["bindings"],
            "secret": {"version": int(version["name"].rsplit("/", 1)[-1]), "state": version["state"]},
        }
        return {name: _settled(part) for name, part in found.items()}

    def is_reachable(self) -> bool:
        """A machine that boots refuses connections for a while."""
        try:
            return bool(self.host.run("true").succeeded)
        except RuntimeError:
            return False

    def _machine(self) -> dict[str, Any]:
        lines = self.host.run(MACHINE).stdout.splitlines()
        return {" ".join(words[:2]): words[2:] for words in map(str.split, lines)}


def _settled(part: Any) -> Any:
    """A part without its counters, and lists in one order."""
    if isinstance(part, dict):
        return {key: _settled(value) for key, value in part.items() if key not in COUNTERS}
    return sorted(map(_settled, part), key=json.dumps) if isinstance(part, list) else part


def _bind(policy: dict[str, Any], role: str, member: str, *, bound: bool) -> dict[str, Any]:
    others = [
        {**binding, "members": [one for one in binding["members"] if (binding["role"], one) != (role, member)]}
        for binding in policy.get("bindings", [])
    ]
    bindings = [binding for binding in others if binding["members"]]
    return {**policy, "bindings": [*bindings, {"role": role, "members": [member]}] if bound else bindings}

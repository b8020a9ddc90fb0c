"""Compare the machine with what is wanted of it, which is JSON on standard input, and print what differs as JSON.

Each difference has a key, by which the role knows what to do, and words, by which a person knows what it is. Nothing is
written, and nothing of a file's content is printed.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PROJECT = "label=com.docker.compose.project=mlflow"
COMPOSE = "com.docker.compose."
# What the role gives an image that it builds, so that another one by the same name is known.
BUILT_AS = "mlflow_ops.gcp.built_as"

Differences = dict[str, str]


def ask(*command: str, text: str = "") -> str | None:
    """What a command prints; None if it fails or is not there."""
    try:
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def paths(wanted: list[dict[str, Any]]) -> Differences:
    """Files and folders that are missing or open to others."""
    found = {}
    for want in wanted:
        path, mode, uid = want["path"], want["mode"], int(want["uid"])
        key = f"path {path} {mode} {uid}"
        try:
            seen = pathlib.Path(path).stat()
        except OSError:
            found[key] = f"{path} is not there"
            continue
        has = (f"{seen.st_mode & 0o7777:o}", seen.st_uid)
        if has != (mode, uid):
            found[key] = f"{path} has mode {has[0]} and owner {has[1]} instead of {mode} and {uid}"
    return found


def contents(wanted: dict[str, str]) -> Differences:
    """Files with other content, by their hashes; one that is not there is among the paths."""
    found = {}
    for path, digest in wanted.items():
        file = pathlib.Path(path)
        if not file.is_file() or sha256(file.read_bytes()) != digest:
            found[f"content {path}"] = f"{path} has another content" if file.exists() else f"{path} is not there"
    return found


def old_keys(keys: list[dict[str, Any]]) -> list[str]:
    """Key files that lie beside those that are wanted."""
    wanted = {f"{key['path']}/{key['file']}" for key in keys}
    found = [str(path) for key in keys for path in sorted(pathlib.Path(key["path"]).glob("*")) if path.is_file()]
    return [path for path in found if path not in wanted]


class Docker:
    """What Docker holds, asked side by side."""

    def __init__(self, compose: str, images: list[str]) -> None:
        with ThreadPoolExecutor() as pool:
            listed = pool.submit(ask, "docker", "ps", "--all", "--quiet", "--filter", PROJECT)
            hashes = pool.submit(ask, "docker", "compose", "--file", "-", "config", "--hash", "*", text=compose)
            seen = dict(
                zip(images, pool.map(lambda name: ask("docker", "image", "inspect", name), images), strict=True)
            )
        ids = listed.result()
        self.answers = ids is not None
        self.images = {name: json.loads(text)[0] for name, text in seen.items() if text}
        inspected = ask("docker", "inspect", *ids.split()) if ids else None
        self.containers = [c for c in json.loads(inspected or "[]") if label(c, "oneoff") == "False"]
        found = hashes.result()
        self.hashes = None if found is None else dict(line.split() for line in found.splitlines())

    def container(self, service: str) -> dict[str, Any] | None:
        """The container of a service."""
        return next((one for one in self.containers if label(one, "service") == service), None)

    def runs_another(self, service: str, image: str) -> bool:
        """Whether the container was made from another image than the one that has the name now."""
        container = self.container(service)
        return container is not None and image in self.images and container["Image"] != self.images[image]["Id"]

    def is_healthy(self, service: str) -> bool:
        """Whether the container runs and its own check succeeds."""
        container = self.container(service)
        return bool(container and container["State"].get("Health", {}).get("Status") == "healthy")


def label(container: dict[str, Any], name: str) -> str:
    """One of Compose's labels."""
    return str((container["Config"].get("Labels") or {}).get(COMPOSE + name, ""))


def images(docker: Docker, wanted: dict[str, str], built: str) -> Differences:
    """Images that are missing, or others by the same name: `wanted` names the image of each service."""
    found = {}
    for service, name in wanted.items():
        if name not in docker.images:
            found[f"image {name}"] = f"the image {name} is not there"
        elif name == built and (docker.images[name]["Config"].get("Labels") or {}).get(BUILT_AS) != name:
            found[f"image {name}"] = f"the image {name} is another one by that name"
        elif docker.runs_another(service, name):
            found[f"image {name}"] = f"the image {name} is not the one that the container {service} was made from"
    return found


def container(docker: Docker, service: str) -> str:
    """What is wrong with the container of a service; empty if nothing is."""
    seen = docker.container(service)
    if seen is None:
        return "is not there"
    state = seen["State"]
    if state["Status"] != "running":
        return f"does not run ({state['Status']})"
    if docker.hashes is not None and label(seen, "config-hash") != docker.hashes.get(service):
        return "was made from another compose.yml"
    return "" if docker.is_healthy(service) else f"is {state.get('Health', {}).get('Status', 'without a health check')}"


def in_docker(docker: Docker, wanted: dict[str, str], built: str) -> Differences:
    """What differs of images and containers."""
    if not docker.answers:
        everything = {**{f"image {name}": "" for name in wanted.values()}, **{f"up {name}": "" for name in wanted}}
        return {"docker": "Docker does not answer, so its images and containers are not known", **everything}
    found = images(docker, wanted, built)
    for service, image in wanted.items():
        if wrong := container(docker, service):
            found[f"up {service}"] = f"the container {service} {wrong}"
        elif docker.hashes is None:
            found[f"up {service}"] = f"whether the container {service} is as wanted is not known without docker compose"
        elif f"image {image}" in found:
            # Its own image may come back as another one.
            found[f"up {service}"] = ""
    for other in docker.containers:
        if (name := label(other, "service")) not in wanted:
            found[f"up {name}"] = f"the container {name} is not wanted"
    return found


def clients(question: str, wanted: str) -> Differences:
    """Whether only those reach MLflow who are allowed to; without a wish, nothing may be left of an earlier one."""
    seen = (ask("bash", "-c", question) or "").strip()
    if wanted:
        return (
            {}
            if seen == wanted
            else {wanted: "who may reach MLflow is not limited as tracking_server_allowed_networks says"}
        )
    return {"no clients": "who may reach MLflow is limited, though it is published on loopback alone"} if seen else {}


def main(wanted: dict[str, Any]) -> dict[str, Any]:
    """All that differs, and what a check needs to know to go on."""
    keys = [{**key, "path": f"{key['path']}/{key['file']}", "mode": "600"} for key in wanted["keys"]]
    digests = (
        {wanted["compose_file"]: sha256(wanted["compose"].encode())}
        | wanted["contents"]
        | {k["path"]: k["sha256"] for k in keys}
    )
    leftovers = [path for path in wanted["unwanted"] if pathlib.Path(path).exists()]
    docker = Docker(wanted["compose"], list(wanted["images"].values()))
    found = paths([*wanted["paths"], *keys]) | contents(digests)
    found |= {f"no {path}": f"{path} is there, and nothing uses it" for path in leftovers}
    found |= clients(wanted["client_question"], wanted["clients"])
    found |= in_docker(docker, wanted["images"], wanted["built"])
    return {
        "missing": list(found),
        "differences": list(dict.fromkeys(filter(None, found.values()))),
        "old_keys": old_keys(wanted["keys"]),
        "has_folder": pathlib.Path(wanted["compose_file"]).parent.is_dir(),
        "can_log_in": docker.hashes is not None
        and docker.is_healthy("cloud-sql-proxy")
        and f"image {wanted['built']}" not in found,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))

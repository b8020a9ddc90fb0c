"""Runs `ansible-test sanity` on the collection as a user would install it: built, unpacked, with no ignore file.

ansible-test wants a real `ansible_collections/mlflow_ops/gcp` outside any git repository and keeps its virtual
environments there and in its home. Both live in a cache folder of this checkout's own: the second run takes seconds and
the user's home stays as it is. The pip that ansible-test would download from a server of its own comes from here.
"""

import ast
import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Where ansible-test looks before it downloads; it runs the file with the new environment's python and pip's arguments.
GET_PIP = ".ansible/test/cache/get_pip_24_2.py"
GET_PIP_TEXT = """\
import subprocess
import sys

arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([{python!r}, "-m", "pip", "--python", sys.executable, "install", *arguments]))
"""


def cache_folder() -> Path:
    """One for each checkout: two of them may run side by side."""
    parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "mlflow-ops-gcp" / f"sanity-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


def install(archive: Path, collection: Path) -> None:
    """Unpack the built artifact in place of the last one; ansible-test's own environment (tests/output) stays."""
    collection.mkdir(parents=True, exist_ok=True)
    for old in collection.iterdir():
        if old.name == "tests":
            (old / "config.yml").unlink(missing_ok=True)
        elif old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    shutil.unpack_archive(archive, collection, "gztar")


def provide_pip(home: Path) -> None:
    """A home in which ansible-test finds pip, set up as the user's own (ansible-test drops PIP_* variables)."""
    script = home / GET_PIP
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(GET_PIP_TEXT.format(python=sys.executable))
    settings = configparser.RawConfigParser()
    listing = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    # The environment's settings last: they win.
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, value = line.split("=", 1)
        section, key = name.rsplit(".", 1)
        section = "global" if section == ":env:" else section
        settings.read_dict({section: {key: ast.literal_eval(value)}})
    config = home / ".config/pip/pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    with config.open("w") as file:
        settings.write(file)


def main() -> int:
    cache = cache_folder()
    home = cache / "home"
    collection = cache / "ansible_collections" / "mlflow_ops" / "gcp"
    environment = os.environ | {"HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    provide_pip(home)
    with tempfile.TemporaryDirectory() as folder:
        build = ["ansible-galaxy", "collection", "build", "--output-path", folder]
        if rc := subprocess.run(build, cwd=ROOT, env=environment, check=False).returncode:
            return rc
        install(next(Path(folder).glob("*.tar.gz")), collection)
    sanity = ["ansible-test", "sanity", "--venv", "--python", PYTHON, "--color", "no", *sys.argv[1:]]
    return subprocess.run(sanity, cwd=collection, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

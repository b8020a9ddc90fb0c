#!/bin/sh
# Runs once in a container of the base image, which then becomes the MLflow image. It looks like upstream's:
# python and pip on PATH, MLflow and nothing else, root. The wheels are mounted, so that they never are a layer.
# The root file system may be read-only later: the bytecode is compiled here.
set -eu

apt-get update -qq
apt-get install -qq -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io ca-certificates python3 >/dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
ln -s /usr/bin/python3 /usr/local/bin/python
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED # upstream's pip installs without a virtual environment

python3 -m zipfile -e /build/wheels/uv-*.whl /tmp/uv
uv=$(echo /tmp/uv/uv-*.data/scripts/uv)
chmod +x "$uv"
"$uv" pip install --quiet --system --no-index --find-links /build/wheels --no-deps --require-hashes --no-cache \
  --link-mode copy --compile-bytecode --requirements /build/recipe/requirements.txt
rm -rf /tmp/uv
python -m pip --version
mlflow --version

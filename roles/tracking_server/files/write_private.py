"""Write standard input to a file that its owner alone may read: [--check] PATH OWNER GROUP.

Ansible's own copy and template keep the content in a file of the control node meanwhile, where a killed run leaves it.
"""

import grp
import os
import pathlib
import pwd
import stat
import sys

MODE = 0o600


def differences(path: pathlib.Path, content: bytes, owner: int, group: int) -> list[str]:
    """What the file is not yet that it is to be; never what is in it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ["it is not there"]
    if not stat.S_ISREG(found.st_mode):
        return ["it is no plain file"]
    about = {
        "content": path.read_bytes() != content,
        f"mode {stat.S_IMODE(found.st_mode):o}": stat.S_IMODE(found.st_mode) != MODE,
        f"owner {found.st_uid}": found.st_uid != owner,
        f"group {found.st_gid}": found.st_gid != group,
    }
    return [name for name, differs in about.items() if differs]


def write(path: pathlib.Path, content: bytes, owner: int, group: int) -> None:
    """Replace the file at once; readers see the old one or the new one."""
    # Always the same name, so that the next run takes away what a killed one has left.
    part = path.with_name(f".{path.name}.new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
        os.fchown(file.fileno(), owner, group)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def main(path: pathlib.Path, owner: str, group: str, check: bool) -> None:
    """Print what differs, if anything does, and put it right; with --check only print it."""
    user = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
    team = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    content = sys.stdin.buffer.read()
    found = differences(path, content, user, team)
    if found and not check:
        write(path, content, user, team)
    print(", ".join(found), end="")


if __name__ == "__main__":
    *flags, file_path, its_owner, its_group = sys.argv[1:]
    try:
        main(pathlib.Path(file_path), its_owner, its_group, "--check" in flags)
    except OSError as error:
        sys.exit(str(error.strerror))
    except KeyError as error:
        sys.exit(str(error.args[0]))

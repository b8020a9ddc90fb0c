"""Wrong input that shows on a bare machine: one line (what, why, the way out), before anything is written anywhere."""

from typing import Any

UNTOUCHED = "Nothing was changed."


def test_a_machine_that_does_not_answer(stage: Any, card: dict[str, Any]) -> None:
    nobody = card["target"]["host"].rpartition(".")[0] + ".99"
    output = stage.refuses("--extra-vars", f"ansible_host={nobody}")
    assert f"mlflow-vm ({nobody}) cannot be reached: Failed to connect to the host via ssh" in output
    assert "No route to host" in output
    assert f"{UNTOUCHED} Correct ansible_host, ansible_port, ansible_user or the key in the inventory" in output


def test_a_machine_that_refuses_the_connection(stage: Any) -> None:
    output = stage.refuses("--check", "--extra-vars", "ansible_port=2222")
    assert "cannot be reached: Failed to connect to the host via ssh" in output
    assert "port 2222: Connection refused" in output
    assert f"{UNTOUCHED} Correct ansible_host, ansible_port" in output


def test_a_user_who_may_not_become_root(stage: Any) -> None:
    home = "cp --recursive /home/debian/.ssh /home/plain && chown --recursive plain /home/plain"
    made = f"useradd --create-home plain && {home}"
    with stage.changed(made, "userdel --force --remove plain 2>/dev/null; true"):
        output = stage.refuses("--extra-vars", "ansible_user=plain")
    assert "gives no shell as root: " in output
    assert "sudo password" in output
    assert f"{UNTOUCHED} Let plain become root with sudo, or give its password with --ask-become-pass" in output


def test_a_machine_without_python(stage: Any) -> None:
    with stage.changed("mv /usr/bin/python3 /usr/bin/python3.away", "mv /usr/bin/python3.away /usr/bin/python3"):
        output = stage.refuses()
    assert "mlflow-vm has no /usr/bin/python3, which Ansible needs on a machine." in output
    assert f"{UNTOUCHED} Run `apt-get install python3` there" in output


def test_an_unsupported_system(stage: Any) -> None:
    edited = "sed -i -e 's/^ID=.*/ID=ubuntu/' -e 's/^VERSION_ID=.*/VERSION_ID=24.04/' /usr/lib/os-release"
    with stage.changed(
        f"cp --archive /usr/lib/os-release /root/ && {edited}", "mv /root/os-release /usr/lib/os-release"
    ):
        output = stage.refuses()
    assert "mlflow-vm runs ubuntu 24.04, where container_host_source debian was never tried" in output
    assert f"{UNTOUCHED} Set container_host_source to docker (Docker's repository), or install Docker Engine" in output


def test_no_docker_where_somebody_else_installs_it(stage: Any) -> None:
    output = stage.refuses("--check", "--extra-vars", "container_host_source=none")
    assert "mlflow-vm has no Docker Engine with Compose v2, and container_host_source is none." in output
    assert f"{UNTOUCHED} Install both there, or set container_host_source to debian or docker" in output


def test_a_port_that_another_program_has(stage: Any) -> None:
    listens = "systemd-run --quiet --unit=other python3 -m http.server 5432 --bind 127.0.0.1 && sleep 1"
    with stage.changed(listens, "systemctl stop other"):
        output = stage.refuses()
    assert (
        "Port 5432 of mlflow-vm, which tracking_server_proxy_publish (127.0.0.1:5432) wants, is taken by python3."
        in output
    )
    assert f"{UNTOUCHED} Stop that there, or give tracking_server_proxy_publish another port" in output


def test_a_port_without_an_address(stage: Any) -> None:
    output = stage.refuses("--check", "--extra-vars", "tracking_server_publish=5000")
    assert "tracking_server_publish is 5000, which is not an address of mlflow-vm and a port." in output
    assert f"{UNTOUCHED} Give both, such as 127.0.0.1:5000" in output


def test_an_address_that_the_machine_lacks(stage: Any) -> None:
    output = stage.refuses("--extra-vars", "tracking_server_publish=10.9.8.7:5000")
    assert "mlflow-vm has no address 10.9.8.7, on which tracking_server_publish (10.9.8.7:5000)" in output
    assert f"{UNTOUCHED} It has 127.0.0.1, " in output
    assert "choose one of these, or 0.0.0.0 for all" in output


def test_an_address_that_everybody_reaches(stage: Any) -> None:
    output = stage.refuses("--extra-vars", '{"tracking_server_allowed_networks": []}')
    assert "and MLflow has no login: whoever reaches that port reads, changes and deletes every run." in output
    assert f"{UNTOUCHED} Name the networks of those who may in tracking_server_allowed_networks, such as" in output


def test_networks_that_are_none(stage: Any) -> None:
    output = stage.refuses("--check", "--extra-vars", '{"tracking_server_allowed_networks": ["10.0.0.7/24"]}')
    said = "tracking_server_allowed_networks: 10.0.0.7/24 names no network exactly: write 10.0.0.0/24."
    assert f"{said} {UNTOUCHED}" in output


def test_wheels_for_another_kind_of_machine(stage: Any) -> None:
    output = stage.refuses("--check", "--extra-vars", '{"tracking_server_wheel_platforms": ["manylinux_2_28_aarch64"]}')
    assert "mlflow-vm is a machine of type x86_64, and tracking_server_wheel_platforms names none such" in output
    assert f"{UNTOUCHED} Name platforms for x86_64 there" in output


def test_a_full_system_disk(stage: Any) -> None:
    """Nobody fills the disk of the machine that runs the tests, so more is asked for than any disk has."""
    output = stage.refuses("--check", "--extra-vars", '{"container_host__packages_kb": 999000000000}')
    assert "MB free on /, and Docker's packages take 999000000 MB." in output
    assert f"{UNTOUCHED} Free some space or enlarge the disk" in output


def test_a_full_disk(stage: Any) -> None:
    with stage.changed("mount -t tmpfs -o size=500m none /var/lib/docker", "umount /var/lib/docker"):
        output = stage.refuses()
    assert "mlflow-vm has 512 MB free where Docker keeps its images, and MLflow's take 3000 MB." in output
    assert f"{UNTOUCHED} Free some space or enlarge the disk of /var/lib/docker" in output


def test_a_package_mirror_that_does_not_answer(stage: Any) -> None:
    """Only apt itself can find that out; it comes before anything of ours is on the machine."""
    elsewhere = (
        "mv /etc/apt /etc/apt.away && mkdir --parents /etc/apt/apt.conf.d"
        " && echo 'deb http://127.0.0.1:9 trixie main' > /etc/apt/sources.list"
        " && echo 'Acquire::Retries 0;' > /etc/apt/apt.conf.d/impatient"
    )
    with stage.changed(elsewhere, "rm --recursive /etc/apt && mv /etc/apt.away /etc/apt"):
        output = stage.refuses("--tags", "container_host", playbook="playbooks/deploy.yml")
    assert "docker.io, docker-cli, docker-compose, iptables could not be installed on mlflow-vm: " in output
    assert "Failed to fetch http://127.0.0.1:9/dists/trixie/InRelease" in output
    assert "Let `apt-get update` work there" in output

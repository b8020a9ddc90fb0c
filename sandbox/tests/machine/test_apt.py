"""The machine's Debian mirror is found in what apt says of itself."""

from sandbox.machine.apt import Mirror, parse_mirror


def test_main_and_security_are_told_apart_from_other_archives() -> None:
    lines = [
        "Google|cloud-sdk|main|https://packages.example/apt",
        "Debian|Debian-Security|main|http://mirror.example/debian-security",
        "Debian|Debian Backports|main|http://mirror.example/debian",
        "Debian|Debian|contrib|http://mirror.example/contrib",
        "Debian|Debian|main|http://mirror.example/debian",
    ]
    assert parse_mirror(lines) == Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_security_beside_the_main_archive_where_nothing_names_it() -> None:
    assert parse_mirror(["Debian|Debian|main|http://m/debian"]) == Mirror("http://m/debian", "http://m/debian-security")


def test_no_debian() -> None:
    assert parse_mirror(["Ubuntu|Ubuntu|main|http://u/ubuntu", "", "|||"]) is None


def test_sources_of_a_suite() -> None:
    assert Mirror("http://m/debian", "http://m/debian-security").sources("trixie") == [
        "deb http://m/debian trixie main",
        "deb http://m/debian trixie-updates main",
        "deb http://m/debian-security trixie-security main",
    ]

"""By what a plan knows its configuration."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.bootstrap import Bootstrap, BootstrapFile
from phoenixctl.model.fleet import Fleet
from phoenixctl.planning.config_digest import config_digest
from tests.builders import fleet, node


def with_file(source: str, target: str = "/etc/motd") -> Fleet:
    f = fleet(node("a"))
    bootstrap = Bootstrap(files=(BootstrapFile(source, target),))
    return replace(f, pools={"main": replace(f.pools["main"], bootstrap=bootstrap)})


def test_where_a_checkout_lies_makes_no_other_configuration() -> None:
    ada, bob = with_file("/home/ada/shop/motd"), with_file("/srv/bob/motd")
    assert config_digest(ada) == config_digest(bob)
    assert config_digest(ada) != config_digest(with_file("/home/ada/shop/motd2"))
    assert config_digest(ada) != config_digest(with_file("/home/ada/shop/motd", "/etc/issue"))

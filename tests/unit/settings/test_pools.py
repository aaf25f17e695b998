"""Pools: what they must say, how their nodes are prepared, how EC2 makes them."""

from __future__ import annotations

import pytest

from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import Order, Pool, Rollout, Share
from tests.unit.settings.loading import loaded, problems

HEAD = "fleet: {name: f}\n"
EC2 = "region: eu-central-1, zones: eu-central-1a, types: m6i.large"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBseOsRzZ3q80MlV3++JrAj1iQpVOAvnuBvy7gQ87t8A"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBseOsRzZ3q80MlV3++JrAj1iQpVOAvnuBvy7gQ87t8B"


def aws(keys: str = "image: ami-0abc") -> str:
    return f"{HEAD}pools: {{p: {{provider: aws, size: 2, aws: {{{EC2}, {keys}}}}}}}\n"


def bootstrap(keys: str) -> str:
    return f"{HEAD}pools: {{p: {{bootstrap: {{{keys}}}}}}}\n"


def keys_of(folder, keys):
    pool = loaded(folder, aws(f"image: ami-0abc, authorized_keys: {keys}")).fleet.pools["p"].aws
    assert pool
    return pool.authorized_keys


@pytest.mark.parametrize(
    ("pool", "line"),
    [
        ("{min: 3, max: 2}", "pools.p.min: min 3 is above max 2"),
        ("{size: 3}", "pools.p.size: a static pool has the nodes that are listed"),
        ("{provider: local}", "pools.p: missing: size"),
        ("{provider: local, size: 21}", "size 21 is not between min 1 and max 20"),
        ("{provider: aws, size: 1}", "pools.p: missing: aws, how EC2 makes its nodes"),
        (
            f"{{aws: {{{EC2}, image: ami-0}}}}",
            "pools.p.aws: the provider of this pool is static; leave aws out, or write provider",
        ),
        (f"{{provider: aws, aws: {{{EC2}, image: ami-0}}}}", "pools.p: missing: size, the nodes"),
    ],
)
def test_a_pool_must_make_sense(tmp_path, pool, line):
    (found,) = problems(tmp_path, f"{HEAD}pools: {{p: {pool}}}\n")
    assert line in found


def test_a_pool_of_defaults_has_those_of_the_model(tmp_path):
    text = f"{HEAD}pools: {{written: {{}}, bare: }}\n"
    assert dict(loaded(tmp_path, text).fleet.pools) == {
        "written": Pool("written"),
        "bare": Pool("bare"),
    }


def test_a_rollout_that_says_little_keeps_the_rest_of_its_defaults(tmp_path):
    text = """\
        fleet: {name: f}
        pools: {p: {rollout: {settle: 5s}}}
        agents: {a: {command: [x], rollout: {settle: 5s}}}
        """
    fleet = loaded(tmp_path, text).fleet
    assert fleet.pools["p"].rollout == Rollout(order=Order.SURGE, settle_seconds=5.0)
    assert fleet.agents["a"].rollout == Rollout(settle_seconds=5.0)


@pytest.mark.parametrize(
    ("rollout", "line"),
    [
        ("order: in_place, max_unavailable: 0%", "max_unavailable: in place none could ever be"),
        ("order: in_place, min_healthy: 3", "min_healthy: 3 of 3 stay healthy, so in place none"),
        ("min_healthy: 4", "min_healthy: 4 can never be healthy, there are 3; lower it"),
    ],
)
def test_a_rollout_in_which_no_node_could_be_replaced_is_refused(tmp_path, rollout, line):
    created = f"pools: {{p: {{provider: local, size: 3, rollout: {{{rollout}}}}}}}\n"
    listed = f"pools: {{p: {{rollout: {{{rollout}}}}}}}\nnodes: [{{name: 'n[1-3]'}}]\n"
    for text in (created, listed):
        (found,) = problems(tmp_path, HEAD + text)
        assert f"pools.p.rollout.{line}" in found


@pytest.mark.parametrize(
    ("written", "share"),
    [
        ("3", Share(count=3)),
        ("0", Share(count=0)),
        ("25%", Share(ratio=0.25)),
        ("99.9%", Share(ratio=0.999)),
    ],
)
def test_a_share_is_a_number_or_a_percentage(tmp_path, written, share):
    text = f"{HEAD}guards: {{max_destroy: {written}}}\n"
    assert loaded(tmp_path, text).fleet.guards.max_destroy == share


@pytest.mark.parametrize("written", ["0.25", "101%", "-1", "true", '"3"', "", "3 %", "[3]"])
def test_what_is_no_share_is_refused(tmp_path, written):
    (found,) = problems(tmp_path, f"{HEAD}guards: {{max_destroy: {written}}}\n")
    assert "guards.max_destroy: expected a number such as 3, or a part such as 25%" in found


def test_a_short_aws_block_has_the_defaults_of_the_model(tmp_path):
    pool = loaded(tmp_path, aws()).fleet.pools["p"]
    assert pool.aws == AwsPool(
        region="eu-central-1",
        zones=(AwsZone("eu-central-1a"),),
        types=("m6i.large",),
        image="ami-0abc",
    )


def test_a_zone_may_have_its_subnet(tmp_path):
    text = aws("launch_template: base:$Latest").replace(
        "zones: eu-central-1a",
        "zones: [eu-central-1b, {zone: eu-central-1a, subnet: subnet-1}]",
    )
    pool = loaded(tmp_path, text).fleet.pools["p"].aws
    assert pool
    assert pool.zones == (AwsZone("eu-central-1b"), AwsZone("eu-central-1a", "subnet-1"))
    assert pool.launch_template == "base:$Latest"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("user: admin", "pools.p.aws: missing: image, or a launch_template that has one"),
        ("image: debian-12", "aws.image: expected the id of an AMI, as ami-0abc"),
        ("image: ami-0, root_volume: 20G", "aws.root_volume: a volume has whole GiB; write it"),
        ("image: ami-0, security_groups: web", "security_groups[0]: expected the id of a security"),
        ("image: ami-0, market: sport", "aws.market: expected one of on_demand, spot"),
        ("image: ami-0, address: both", "aws.address: expected one of private, public"),
        ("image: ami-0, endpoint: 127.0.0.1:5000", "expected an http or https address without"),
        ("image: ami-0, endpoint: 'https://me:secret@h'", "address without a login"),
        ("image: ami-0, tags: {'phoenix:node': x}", "expected a tag's name that begins neither"),
        ("image: ami-0, tags: {'aws:x': x}", "expected a tag's name that begins neither"),
        ("image: ami-0, launch_template: 'a:b'", "expected the id or name of a launch template"),
        ("image: ami-0, spot: true", "aws.spot: unknown key"),
    ],
)
def test_what_is_wrong_with_an_aws_block_is_told(tmp_path, keys, line):
    (found,) = problems(tmp_path, aws(keys))
    assert found.startswith("phoenixctl.yaml:2:")
    assert line in found


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("zones: eu-central-1a", "zones: []", "aws.zones: name one zone at least"),
        ("types: m6i.large", "types: []", "aws.types: name one type at least"),
        ("types: m6i.large", "types: large", "aws.types[0]: expected an EC2 type such as"),
        (
            "zones: eu-central-1a",
            "zones: [eu-central-1a, eu-west-1b]",
            "aws.zones[1]: eu-west-1b is no zone of region eu-central-1",
        ),
        ("zones: eu-central-1a", "zones: eu-central-1", "eu-central-1 is no zone of region"),
        ("zones: eu-central-1a", "zones: [[a]]", "aws.zones[0]: expected a zone such as"),
        ("zones: eu-central-1a", "zones: [{}]", "aws.zones[0].zone: missing: The availability"),
        (
            "zones: eu-central-1a",
            "zones: [{zone: eu-central-1a, subnet: mine}]",
            "aws.zones[0].subnet: expected the id of a subnet",
        ),
        ("region: eu-central-1, ", "", "aws.region: missing: The region."),
    ],
)
def test_what_is_wrong_with_regions_zones_and_types_is_told(tmp_path, before, after, line):
    (found,) = problems(tmp_path, aws().replace(before, after))
    assert line in found


def test_nodes_that_ec2_will_make_can_be_named(tmp_path):
    text = f"{aws()}agents: {{a: {{command: [x], nodes: [p-2]}}}}\n"
    assert loaded(tmp_path, text).fleet.agents["a"].nodes == ("p-2",)


def test_public_keys_come_from_files_or_as_they_are_and_each_counts_once(tmp_path):
    (tmp_path / "team.pub").write_text(f"# ours\n{KEY} a@b\n\n{OTHER_KEY}\n")
    assert keys_of(tmp_path, f"[team.pub, {OTHER_KEY}]") == (f"{KEY} a@b", OTHER_KEY)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "authorized_keys[0]: there is no file"),
        ("", "holds no public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n", "key.pub holds a private key; name"),
        (f"{KEY}\n{KEY[:40]}\n", "line 2 of "),
        (f"no-pty {KEY}\n", "line 1 of "),
        (KEY.replace("ssh-ed25519 ", "ssh-rsa "), "is no public key (ssh-ed25519 AAAA… comment)"),
        (f"{KEY} \x1b[31m\n", "is no public key"),
        ("ssh-ed25519", "is no public key"),
    ],
)
def test_what_is_no_file_of_public_keys_is_told_and_not_repeated(tmp_path, content, line):
    if content is not None:
        (tmp_path / "key.pub").write_text(content)
    (found,) = problems(tmp_path, aws("image: ami-0abc, authorized_keys: key.pub"))
    assert line in found
    assert "AAAAC3" not in found
    assert "c2VjcmV0" not in found


def test_a_private_key_in_the_configuration_is_refused_and_not_repeated(tmp_path):
    secret = '"-----BEGIN OPENSSH PRIVATE KEY-----\\nc2VjcmV0\\n"'
    (found,) = problems(tmp_path, aws(f"image: ami-0abc, authorized_keys: {secret}"))
    assert "authorized_keys[0]: expected text without line ends" in found
    assert "c2VjcmV0" not in found


def test_a_key_of_the_configuration_itself_is_checked_too(tmp_path):
    (found,) = problems(tmp_path, aws(f"image: ami-0abc, authorized_keys: {KEY[:-5]}=="))
    assert "authorized_keys[0]: this is no public key" in found


def test_a_bootstrap_of_defaults_does_nothing_but_wait(tmp_path):
    assert loaded(tmp_path, bootstrap("")).fleet.pools["p"].bootstrap == Bootstrap()


def test_bootstrap_files_are_relative_to_the_configuration_and_have_four_digit_modes(tmp_path):
    (tmp_path / "app.conf").write_text("x")
    text = bootstrap('files: [{source: ./app.conf, target: /etc/app.conf, mode: "640"}]')
    config = loaded(tmp_path, text)
    found = config.fleet.pools["p"].bootstrap
    assert found
    assert found.files[0].source == str(tmp_path / "app.conf")
    assert found.files[0].mode == "0640"
    written = config.as_written.pools["p"].bootstrap
    assert written
    assert written.files[0].source == "./app.conf"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            "files: [{source: gone, target: /etc/a}]",
            "phoenixctl.yaml:2:42: pools.p.bootstrap.files[0].source: there is no file gone",
        ),
        ("files: [{source: ., target: /etc/a}]", "files[0].source: . is a folder"),
        (
            "files: [{source: f, target: /etc/a}, {source: f, target: /etc/a}]",
            "files[1].target: files[0] goes to /etc/a already",
        ),
        ("files: [{source: f, target: etc/a}]", "expected the absolute path of a file on the node"),
        ("files: [{source: f, target: /etc/}]", "expected the absolute path of a file on the node"),
        ("files: [{source: f, target: /a/../b}]", "expected the absolute path of a file on the"),
        ("files: [{source: f, target: /a, mode: 644}]", 'such as "0644", in quotes, found 644'),
        ('files: [{source: f, target: /a, mode: "0888"}]', "a file mode in octal digits"),
        ("files: [{source: f, target: /a, owner: 'a b'}]", "expected a user, or user:group"),
        ("files: [{target: /a}]", "files[0].source: missing: The operator's file."),
        ("packages: [-y]", "packages[0]: expected the name of a package"),
        ("commands: [{run: make it}]", "commands[0].run: expected a list of the program"),
        ("commands: [{run: []}]", "commands[0].run: expected a list of the program"),
        ("commands: [{run: [x], unless: []}]", "commands[0].unless: expected a list of the"),
        ("ready: {command: [x], port: 1}", "bootstrap.ready.port: unknown key"),
        ("within: 0s", "bootstrap.within: expected a duration longer than nought"),
    ],
)
def test_what_is_wrong_with_a_bootstrap_is_told(tmp_path, keys, line):
    (tmp_path / "f").write_text("x")
    (found,) = problems(tmp_path, bootstrap(keys))
    assert line in found.replace(f"{tmp_path}", ".")


def test_an_octal_mode_without_quotes_says_what_to_write(tmp_path):
    (tmp_path / "f").write_text("x")
    (found,) = problems(tmp_path, bootstrap("files: [{source: f, target: /a, mode: 0644}]"))
    assert 'or "0644" in quotes for the text' in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("prices: {large: 1}", "prices.large: expected an EC2 type such as m6i.large or, for spot"),
        ("prices: {m6i.large: free}", "expected a number"),
        ("prices: {m6i.large: -1}", "expected a number"),
        ("store: {s3: {}}", "store.s3.bucket: missing: The bucket."),
        ("store: {s3: {bucket: Ops}}", "store.s3.bucket: expected the name of a bucket"),
        ("store: {s3: {bucket: ops, prefix: /a}}", "store.s3.prefix: expected names parted by"),
        ("store: {s3: {bucket: ops, endpoint: s3.local}}", "expected an http or https address"),
        ("store: {local: {}}", "store.local: unknown key"),
    ],
)
def test_what_is_wrong_with_prices_and_the_store_is_told(tmp_path, text, line):
    (found,) = problems(tmp_path, f"{HEAD}{text}\n")
    assert line in found

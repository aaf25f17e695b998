from __future__ import annotations

from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError, ExitCode
from phoenixctl.model.fleet import SecretRef
from phoenixctl.settings.find import find_config
from phoenixctl.settings.load import load
from phoenixctl.settings.secret import read_secret


def test_the_nearest_file_upwards_is_found(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "phoenixctl.yaml").touch()
    assert find_config(None, {}, deep) == tmp_path / "phoenixctl.yaml"
    (tmp_path / "a" / "phoenixctl.yaml").touch()
    assert find_config(None, {}, deep) == tmp_path / "a" / "phoenixctl.yaml"


def test_the_flag_wins_over_the_variable_and_that_over_the_folder(tmp_path):
    for name in ("flag.yaml", "variable.yaml", "phoenixctl.yaml"):
        (tmp_path / name).touch()
    environ = {"PHOENIXCTL_CONFIG": "variable.yaml"}
    assert find_config(Path("flag.yaml"), environ, tmp_path).name == "flag.yaml"
    assert find_config(None, environ, tmp_path).name == "variable.yaml"
    assert find_config(None, {"PHOENIXCTL_CONFIG": ""}, tmp_path).name == "phoenixctl.yaml"
    assert find_config(tmp_path, environ, Path("/")).name == "phoenixctl.yaml"


@pytest.mark.parametrize("flag", [None, Path("nowhere.yaml"), Path()])
def test_a_missing_file_says_what_to_type(tmp_path, flag):
    with pytest.raises(ConfigError) as caught:
        find_config(flag, {}, tmp_path)
    assert "phoenixctl init" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        load(tmp_path / "x.yaml", environ={})
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path, environ={})


def test_secrets_are_read_from_the_environment_or_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "token").write_text("s3cret \n")
    (tmp_path / "phoenixctl.yaml").write_text("fleet: {name: f}\n")
    config = load(tmp_path / "phoenixctl.yaml", environ={"T": "from env"})
    assert config.secret(SecretRef("env", "T")) == "from env"
    assert config.secret(SecretRef("file", "./token")) == "s3cret "
    assert config.secret(SecretRef("file", str(tmp_path / "token"))) == "s3cret "
    assert "from env" not in repr(config)


@pytest.mark.parametrize(
    ("ref", "content", "says"),
    [
        (SecretRef("env", "MISSING"), b"", "MISSING"),
        (SecretRef("file", "none"), b"", "there is no file"),
        (SecretRef("file", "token"), b"\n", "is empty"),
        (SecretRef("file", "token"), b"canary\xff", "is not UTF-8 text"),
        (SecretRef("file", "token"), b"canary\0", "NUL"),
        (SecretRef("file", "."), b"", "is a folder"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told_without_its_value(tmp_path, ref, content, says):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(ref, tmp_path, {})
    assert says in caught.value.what
    everything = f"{caught.value.what}{caught.value.hint}{caught.value.__cause__}"
    assert "canary" not in everything
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None

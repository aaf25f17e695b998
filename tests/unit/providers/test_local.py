"""What the provider `local` does without starting anything."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from phoenixctl.model.fleet import Pool
from phoenixctl.providers.local import LocalProvider
from phoenixctl.providers.local_folder import Asked, NodeFolder
from tests.conformance.requests import destroy

POOL = Pool("web", provider="local")


def test_a_node_name_cannot_lead_out_of_the_root(tmp_path: Path):
    provider = LocalProvider(tmp_path, "demo")
    with pytest.raises(ValueError, match="not a node name"):
        asyncio.run(destroy(provider, POOL, "../elsewhere"))


def test_listing_imports_neither_asyncssh_nor_psutil():
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from phoenixctl.model.fleet import Pool\n"
        "from phoenixctl.providers.local import LocalProvider\n"
        "asyncio.run(LocalProvider(Path('none'), 'demo').list(Pool('web')))\n"
        "print({'asyncssh', 'psutil'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_facts_that_cannot_be_read_are_no_facts(tmp_path: Path):
    folder = NodeFolder(tmp_path)
    assert folder.facts() is None
    for content in ("", "[]", "{}", '{"pid": "x"}'):
        (tmp_path / "node.json").write_text(content)
        assert folder.facts() is None


def test_who_asked_for_a_node_is_nobody_when_it_cannot_be_read(tmp_path: Path):
    folder = NodeFolder(tmp_path)
    folder.ask(Asked("line-1", "7"))
    assert folder.asked() == Asked("line-1", "7")
    for content in ("", "[]", "7", '["line-1"]'):
        (tmp_path / "asked").write_text(content)
        assert folder.asked() == Asked()

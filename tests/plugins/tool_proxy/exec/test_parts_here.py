"""What this machine lacks, and what is said of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config
from clawmatrix_tool_proxy.exec.cgroups import usable_cgroup
from clawmatrix_tool_proxy.exec.commands import NotStarted, ask_guard
from clawmatrix_tool_proxy.exec.config import ExecConfig
from clawmatrix_tool_proxy.exec.findings import findings_of
from clawmatrix_tool_proxy.exec.guarding.parts import PARTS, Lacking, Missing
from clawmatrix_tool_proxy.exec.guards import Guards
from clawmatrix_tool_proxy.exec.jobs import Jobs
from clawmatrix_tool_proxy.exec.parts_here import PartsHere, parts_here, refused_roots
from clawmatrix_tool_proxy.exec.roots import CommandRoots
from clawmatrix_tool_proxy.files.config import RootTable
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.own_places import OwnPlaces

if TYPE_CHECKING:
    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

ANOTHER = Path("/var/tmp").resolve()
"""A folder for temporary files that is there beside the usual one."""


async def test_this_machine_has_every_part(lab: Lab) -> None:
    told = await ask_guard(lab.guards, lab.job(probe=True, without=tuple(PARTS)))
    assert told == {"missing": {}}


async def test_root_without_a_cgroup_has_no_limit_of_processes(own_lab: Lab) -> None:
    job = own_lab.job("/bin/true", cgroup=None)
    if (await _user(own_lab)) != "0":
        pytest.skip("only root goes past the kernel's own limit")
    with pytest.raises(NotStarted) as refused:
        await own_lab.do(job)
    assert refused.value.part == "process-limit"
    assert (await own_lab.do(job._replace(without=("process-limit",)))).ended.exit == 0


def test_a_missing_part_is_refused_until_it_is_accepted() -> None:
    with pytest.raises(Lacking) as refused:
        Missing(("landlock-tcp",)).note("seccomp", "there is none")
    assert refused.value.part == "seccomp"
    missing = Missing(("seccomp",))
    missing.note("seccomp", "there is none")
    assert missing.parts == {"seccomp": "there is none"}


async def test_a_guard_that_does_not_start_is_told(tmp_path: Path) -> None:
    here = await parts_here(Guards([str(tmp_path / "python")]), _jobs(tmp_path))
    assert here.failure is not None
    assert here.refusal(()) == here.failure


async def test_a_root_inside_the_state_of_the_node_is_refused_by_name(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, own=tmp_path)
    here = await parts_here(Guards(), jobs)
    assert list(await refused_roots(Guards(), jobs, here)) == ["code"]
    assert await refused_roots(Guards(), _jobs(tmp_path), here) == {}


async def test_a_root_in_which_the_next_configuration_could_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Started there again, the node would read that one and not its own.
    root, user = tmp_path / "root", tmp_path / "user" / "clawmatrix" / "clawmatrix.toml"
    (root / "sub").mkdir(parents=True)
    user.parent.mkdir(parents=True)
    user.write_text(f"node_id = 'office'\nsecret = '{'s' * 40}'\nstate_dir = '{tmp_path}/state'\n")
    user.chmod(0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(root / "sub")
    config = Config.load(user)
    assert config.path == user
    refused = await refused_roots(Guards(), _jobs_of(config, root), PartsHere({}))
    assert refused == {
        "code": f"a command could make a configuration at {root}/sub/clawmatrix.toml"
    }
    # There is one now, and it is the node's own: commands find it empty.
    user.rename(root / "sub" / "clawmatrix.toml")
    assert (
        await refused_roots(
            Guards(), _jobs_of(Config.load(root / "sub" / "clawmatrix.toml"), root), PartsHere({})
        )
        == {}
    )


async def test_private_folders_are_made_outside_of_roots_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "root" / "tmp"))
    (tmp_path / "root" / "tmp" / "other").mkdir(parents=True)
    jobs = _jobs(tmp_path / "root")
    job = await jobs.make(["/bin/true"], RootPath("code"))
    assert Path(job.private).parent == ANOTHER
    assert await refused_roots(Guards(), jobs, PartsHere({})) == {}
    other = await _jobs(tmp_path / "root" / "tmp" / "other").make(["/bin/true"], RootPath("code"))
    assert Path(other.private).parent == tmp_path / "root" / "tmp"


def test_the_doctor_names_missing_parts_roots_and_an_open_network() -> None:
    here = PartsHere({"landlock-tcp": "version 2", "seccomp": "none"})
    config = ExecConfig(without=("seccomp",), network=True)
    found = findings_of(here, config, {"code": "it holds the state"})
    assert [one.status for one in found] == ["problem", "warning", "problem", "warning", "ok"]
    assert "landlock-tcp" in found[0].detail
    assert "code" in found[2].detail
    assert here.refusal(config.without) == "this machine lacks landlock-tcp (version 2)"
    assert here.refusal(("landlock-tcp", "seccomp")) is None


def test_a_cgroup_is_found_where_processes_are_counted_below(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    unit = tmp_path / "mount" / "user.slice" / "unit"
    (unit / "node").mkdir(parents=True)
    own.write_text("0::/user.slice/unit/node\n")
    for folder in (unit.parent, unit, unit / "node"):
        (folder / "cgroup.subtree_control").write_text("")
    assert usable_cgroup(tmp_path / "mount", own) is None
    (unit / "cgroup.subtree_control").write_text("memory pids\n")
    assert usable_cgroup(tmp_path / "mount", own) == str(unit)
    assert usable_cgroup(tmp_path / "mount", tmp_path / "none") is None


def _jobs(root: Path, own: Path | None = None) -> Jobs:
    state = root.parent / "state" if own is None else own
    config = Config.from_mapping(
        {"node_id": "office", "secret": "s" * 40, "state_dir": str(state), "plugins": []}
    )
    return _jobs_of(config, root)


def _jobs_of(config: Config, root: Path) -> Jobs:
    roots = CommandRoots({"code": RootTable(path=root, write=True)})
    return Jobs(ExecConfig(), roots, OwnPlaces(config), usable_cgroup())


async def _user(lab: Lab) -> str:
    return (await lab.sh("id -u")).out.strip()

"""The command ``clawmatrix`` as a process, and the plugins that add to it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from clawmatrix_core.cli.shell import execute
from tests.tools.forking import commands

SECRET = "s" * 40


def clawmatrix(
    *arguments: str, cwd: Path, path: Path | None = None, verbose: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with one more folder to import from."""
    places = [
        str(place) for place in (path, *filter(None, [os.environ.get("PYTHONPATH")])) if place
    ]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "HOME": str(cwd)}
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "CLAWMATRIX_LOG"):
        environ.pop(name, None)
    return commands().run(arguments, cwd=cwd, env=environ)


def add_plugin(folder: Path, name: str, code: str) -> Path:
    """Install a plugin of a third party in a folder, which is returned."""
    module = f"thirdparty_{name}"
    (folder / f"{module}.py").write_text(textwrap.dedent(code))
    info = folder / f"clawmatrix_{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: clawmatrix-{name}\nVersion: 1.5\n"
    )
    (info / "entry_points.txt").write_text(f"[clawmatrix.plugins]\n{name} = {module}\n")
    return folder


def write_config(folder: Path, text: str = "") -> Path:
    path = folder / "clawmatrix.toml"
    path.write_text(f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\n{text}')
    path.chmod(0o600)
    return path


GREETER = """
    import click
    from clawmatrix_core.cli.context import pass_settings
    from clawmatrix_core.hookspecs import hookimpl

    @click.command()
    @pass_settings
    def greet(settings):
        "Greet."
        click.echo(f"hello from {settings.config_file().name}")

    @click.command()
    def run():
        "Take the place of a command of the core."

    @hookimpl
    def register_commands():
        return [greet, run]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def test_the_installed_script_shows_its_version() -> None:
    script = Path(sys.executable).with_name("clawmatrix")
    done = subprocess.run(
        [script, "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.startswith("clawmatrix 0.")


def test_showing_the_version_imports_no_plugin_and_no_node() -> None:
    code = (
        "import sys; from clawmatrix_core.cli.shell import execute; execute(['--version']);"
        "heavy = {'anyio', 'cattrs', 'clawmatrix_control', 'pluggy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.endswith("[]\n")


def test_the_help_lists_commands_of_the_core_and_of_plugins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert execute(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("init", "run", "config", "plugins", "status", "peers", "ping"):
        assert f"\n  {name} " in text


def test_the_help_of_a_command_that_has_others_below_it_shows_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert execute(["invite", "--help"]) == 0
    assert "-c, --config FILE" in capsys.readouterr().out
    assert execute(["trust", "--help"]) == 0
    assert "--config" not in capsys.readouterr().out


def test_no_arguments_are_a_usage_error_that_shows_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert execute([]) == 2
    assert "Usage: clawmatrix" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["--nonsense"]])
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("clawmatrix: No such ")
    assert error.count("\n") == 1


def test_a_missing_configuration_is_exit_code_2(tmp_path: Path) -> None:
    done = clawmatrix("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "`clawmatrix init` makes one" in done.stderr


def test_every_problem_of_the_configuration_is_named(tmp_path: Path) -> None:
    path = write_config(tmp_path, 'plugins = ["control"]\ntags = 3\n[nonsense]\n')
    done = clawmatrix("run", "-c", str(path), cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("clawmatrix: ") for line in lines)
    assert "tags: " in done.stderr
    assert "nonsense: unknown key" in done.stderr


def test_commands_of_a_third_party_come_with_its_name_in_the_configuration(
    tmp_path: Path, site: Path
) -> None:
    add_plugin(site, "greeter", GREETER)
    path = write_config(tmp_path, 'plugins = ["control", "greeter"]\n')
    for arguments in (["-c", str(path), "greet"], ["greet", "-c", str(path)], ["greet"]):
        done = clawmatrix(*arguments, cwd=tmp_path, path=site)
        assert (done.returncode, done.stdout) == (0, "hello from clawmatrix.toml\n"), done.stderr


def test_a_third_party_that_is_not_named_adds_nothing(tmp_path: Path, site: Path) -> None:
    add_plugin(site, "greeter", GREETER)
    write_config(tmp_path)
    assert clawmatrix("greet", cwd=tmp_path, path=site).returncode == 2


def test_a_plugin_cannot_replace_a_command_of_the_core(tmp_path: Path, site: Path) -> None:
    add_plugin(site, "greeter", GREETER)
    write_config(tmp_path, 'plugins = ["greeter"]\n')
    done = clawmatrix("run", "--help", cwd=tmp_path, path=site)
    assert "Run the node of the configuration" in done.stdout


@pytest.mark.parametrize("code", ["import nothing_of_that_name", "raise RuntimeError('broken')"])
def test_a_plugin_that_cannot_be_imported_breaks_no_command(
    code: str, tmp_path: Path, site: Path
) -> None:
    add_plugin(site, "broken", code)
    write_config(tmp_path, 'plugins = ["control", "broken"]\n')
    done = clawmatrix("--help", cwd=tmp_path, path=site)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ping" in done.stdout
    done = clawmatrix("config", "check", cwd=tmp_path, path=site)
    assert done.returncode == 2
    assert done.stderr.startswith('clawmatrix: plugins: "broken": could not be imported: ')


def test_a_command_of_a_plugin_that_is_left_out_says_so(tmp_path: Path) -> None:
    path = write_config(tmp_path, "plugins = []\n")
    done = clawmatrix("status", cwd=tmp_path)
    assert done.returncode == 2
    assert f"'status' is a command of a plugin that {path} leaves out" in done.stderr


def test_a_command_that_nobody_has_may_be_of_a_plugin_that_is_not_installed(
    site: Path, tmp_path: Path
) -> None:
    add_plugin(site, "greeter", GREETER)
    with (site / "clawmatrix_greeter-1.5.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Requires-Dist: no-such-one; extra == 'greeter'\n")
    write_config(tmp_path, 'plugins = ["control", "greeter"]\n')
    done = clawmatrix("greet", cwd=tmp_path, path=site)
    assert done.returncode == 2
    told = "greeter needs no-such-one: pip install 'clawmatrix-greeter[greeter]'"
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", "config", "schema"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (141, b"")


def test_an_internal_error_is_one_line_and_a_trace_when_asked(tmp_path: Path, site: Path) -> None:
    code = """
        import click
        from clawmatrix_core.hookspecs import hookimpl

        @click.command()
        def fail():
            raise RuntimeError("by \\x1b[2J mistake")

        @hookimpl
        def register_commands():
            return [fail]
    """
    add_plugin(site, "failing", code)
    write_config(tmp_path, 'plugins = ["failing"]\n')
    done = clawmatrix("fail", cwd=tmp_path, path=site)
    line = "clawmatrix: plugin failing: RuntimeError: by �[2J mistake (-vv shows where)\n"
    assert (done.returncode, done.stderr) == (1, line)
    done = clawmatrix("fail", "-vv", cwd=tmp_path, path=site)
    assert done.stderr.startswith("Traceback ")
    assert done.stderr.endswith(line)


def test_a_command_of_a_plugin_that_is_installed_but_not_named_says_so(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name in ("greet", "other"):
        add_plugin(site, name, "raise RuntimeError('a plugin that nobody named was imported')")
    path = write_config(tmp_path, 'plugins = ["control"]\n')

    def told(*arguments: str) -> str:
        done = clawmatrix(*arguments, cwd=tmp_path, path=site)
        assert done.returncode == 2
        return done.stderr

    assert told("greet") == (
        "clawmatrix: No such command 'greet'; the plugin greet is installed and not in use:"
        f" name it in `plugins` of {path} (see `clawmatrix --help`)\n"
    )
    other = told("statsu")
    assert "No such command 'statsu'" in other
    assert (
        f"the plugins greet, other are installed and not in use: name one in `plugins` of {path}"
        in other
    )
    write_config(tmp_path, 'plugins = ["control"]\ndisable = ["greet", "other"]\n')
    assert "not in use" not in told("greet")
    path.unlink()
    assert "name it in `plugins` of the configuration" in told("greet")


def test_a_command_of_a_plugin_that_failed_says_so(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    add_plugin(site, "greet", "raise RuntimeError('no paper')")
    write_config(tmp_path, 'plugins = ["control", "greet"]\n')
    done = clawmatrix("greet", cwd=tmp_path, path=site)
    assert done.returncode == 2
    assert "No such command 'greet'; the plugin greet has failed: could not be" in done.stderr
    assert "no paper (see `clawmatrix plugins list`)" in done.stderr

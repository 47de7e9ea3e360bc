"""``${}``: where values come from, and that they never become YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from config.conftest import VALID, Yaml
from config.installed import Installed
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import ConfigError, PluginError, Secret
from agent_core.config.document.interpolation import ResolveError, Resolver

DATABASE = """\
sources: [{id: line1, type: polling_source, config: {devices: [{id: A, driver: simulator_driver}]}}]
sinks:
  - id: db
    type: database_sink
    config:
      dsn: "${DSN}"
      password: ${PASSWORD}
      table: T
"""


def resolver(folder: Path, **environ: str) -> Resolver:
    return Resolver(folder, environ)


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("${A}${B}", "1two"),
        ("<${A}>", "<1>"),
        ("${ A }", "1"),
        ("${MISSING:-x}", "x"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("${MISSING:-${A}}", "1"),
        ("${MISSING:-a:-b}", "a:-b"),
        ("${MISSING:-{x}}", "{x}"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("$$$${A}", "$${A}"),
        ("pa$$word", "pa$$word"),
        ("$A costs $5", "$A costs $5"),
        ("${NESTED}", "${A}"),
    ],
)
def test_references(tmp_path: Path, text: str, resolved: str) -> None:
    assert resolver(tmp_path, A="1", B="two", EMPTY="", NESTED="${A}").resolve(text) == resolved


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${A", "${ is never closed"),
        ("${}", "${} is empty"),
        ("${MISSING}", "the variable MISSING is not set"),
        ("${some-thing}", "nothing resolves this ${...}"),
        ("${file:nowhere}", "no such file: "),
    ],
)
def test_a_reference_without_a_value_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ResolveError) as caught:
        resolver(tmp_path).resolve(text)
    assert str(caught.value).startswith(message)


@given(st.text())
def test_any_text_resolves_or_is_explained(text: str) -> None:
    try:
        resolved = Resolver(Path("nowhere"), {}).resolve(text)
    except ResolveError:
        return
    assert "${" in text or resolved == text


def test_the_environment_wins_over_dotenv_next_to_the_yaml(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=from dotenv\nexport B='two words'\n# comment\n", encoding="utf-8")
    assert resolver(tmp_path, A="from environment").resolve("${A}, ${B}") == "from environment, two words"


def test_dotenv_may_have_a_byte_order_mark_and_dollar_signs(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PW=pa$$w${A}rd\n", encoding="utf-8-sig")
    assert resolver(tmp_path, A="never").resolve("${PW}") == "pa$$w${A}rd"


def test_a_broken_dotenv_is_reported_with_its_line(yaml: Yaml) -> None:
    (yaml.folder / ".env").write_text('A=1\nB="never closed\n', encoding="utf-8")
    found = yaml.problems(VALID.replace("id: warehouse", "id: ${A}"))
    assert found == [".env:2:1: this line cannot be read (write NAME=value)"]


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\r\n", encoding="utf-8")
    assert resolver(tmp_path).resolve("${file:secret}") == "hunter2"
    assert resolver(tmp_path).resolve(f"${{file:{tmp_path / 'secret'}}}") == "hunter2"
    assert resolver(tmp_path).resolve("${file:nowhere:-none}") == "none"


def test_a_file_that_is_not_text_is_explained(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(ResolveError, match="is not UTF-8"):
        resolver(tmp_path).resolve("${file:secret}")


def test_a_plugin_is_asked_last(yaml: Yaml) -> None:
    installed = Installed(secrets=lambda reference: {"vault:db": "hunter2", "DSN": "never"}.get(reference))
    text = DATABASE.replace("${PASSWORD}", '"${vault:db}"')
    config = yaml.load(text, installed, {"DSN": "host/db"})
    assert config.sinks[0].config["dsn"] == "host/db"
    password = config.sinks[0].config["password"]
    assert isinstance(password, Secret)
    assert password.reveal() == "hunter2"


def test_a_plugin_that_fails_is_a_problem_at_the_place_of_the_reference(yaml: Yaml) -> None:
    def fail(reference: str) -> str:
        raise PluginError(f"resolving ${{{reference}}} failed: OSError: vault is sealed")

    found = yaml.problems(DATABASE, Installed(secrets=fail), {"DSN": "x"})
    assert found == [
        "agent.yaml:7:17: sinks[0].config.password: resolving ${PASSWORD} failed: OSError: vault is sealed"
    ]


def test_every_unset_variable_is_reported_with_its_place(yaml: Yaml) -> None:
    hint = "(set it in the environment or in .env, or write ${%s:-default})"
    assert yaml.problems(DATABASE) == [
        f"agent.yaml:6:12: sinks[0].config.dsn: the variable DSN is not set {hint % 'DSN'}",
        f"agent.yaml:7:17: sinks[0].config.password: the variable PASSWORD is not set {hint % 'PASSWORD'}",
    ]


@pytest.mark.parametrize(
    "value", ["x\nsinks: []", "{a: b}", "[1, 2]", "&a", "*a", "!!python/object:os.system", "# no", "': ", "null", "12"]
)
def test_a_value_is_never_read_as_yaml(yaml: Yaml, value: str) -> None:
    config = yaml.load(DATABASE, environ={"DSN": value, "PASSWORD": "p"})
    assert config.sinks[0].config["dsn"] == value


def test_a_value_becomes_the_number_or_boolean_that_the_schema_wants(yaml: Yaml) -> None:
    text = DATABASE + '      port: ${PORT}\n      tls: "${TLS}"\n      max_lag: ${LAG}\n'
    text += "    workers: ${WORKERS:-4}\n"
    environ = {"DSN": "x", "PASSWORD": "12345", "PORT": "1522", "TLS": "false", "LAG": "2.5"}
    sink = yaml.load(text, environ=environ).sinks[0]
    assert (sink.config["port"], sink.config["tls"], sink.config["max_lag"], sink.workers) == (1522, False, 2.5, 4)
    password = sink.config["password"]
    assert isinstance(password, Secret)
    assert password.reveal() == "12345"


def test_a_wrong_value_prints_as_its_template_never_itself(yaml: Yaml) -> None:
    text = DATABASE + "      port: ${PORT}\n      pool: {min: '${PORT}'}\n      columns: {c: {fild: '${PORT}'}}\n"
    environ = {"DSN": "x", "PASSWORD": "p", "PORT": "hunter2"}
    found = yaml.problems(text, environ=environ)
    assert found[:2] == [
        "agent.yaml:9:13: sinks[0].config.port: expected a whole number, got ${PORT}",
        "agent.yaml:10:19: sinks[0].config.pool.min: expected a whole number, got ${PORT}",
    ]
    assert "hunter2" not in "".join(found)


def test_a_secret_prints_as_stars_even_when_it_is_wrong(yaml: Yaml) -> None:
    found = yaml.problems(DATABASE.replace("${PASSWORD}", "12345"), environ={"DSN": "x"})
    assert found == [
        "agent.yaml:7:17: sinks[0].config.password: expected text, preferably ${NAME}, got *** (put it in quotes)"
    ]


def test_a_secret_is_resolved_again_each_time(yaml: Yaml) -> None:
    dotenv = yaml.folder / ".env"
    dotenv.write_text("PASSWORD=first\n", encoding="utf-8")
    password = yaml.load(DATABASE, environ={"DSN": "x"}).sinks[0].config["password"]
    assert isinstance(password, Secret)
    assert (password.reveal(), str(password), repr(password)) == ("first", "***", "***")
    dotenv.write_text("PASSWORD=second\n", encoding="utf-8")
    assert password.reveal() == "second"
    dotenv.unlink()
    with pytest.raises(ConfigError, match=r"agent.yaml:7:17: sinks\[0\].config.password: the variable PASSWORD"):
        password.reveal()


def test_a_secret_written_into_the_yaml_itself_works_too(yaml: Yaml) -> None:
    password = yaml.load(DATABASE.replace("${PASSWORD}", "plain"), environ={"DSN": "x"}).sinks[0].config["password"]
    assert isinstance(password, Secret)
    assert password.reveal() == "plain"


def test_an_optional_secret_may_be_left_out(yaml: Yaml) -> None:
    assert yaml.load().sinks[0].config["key"] is None


def test_the_secret_is_redacted_from_the_moment_it_is_read(yaml: Yaml) -> None:
    yaml.load(DATABASE, environ={"DSN": "host/db", "PASSWORD": "hunter2"})
    assert yaml.redaction.redact("log-in as agent/hunter2 at host/db") == "log-in as agent/*** at host/db"


def test_a_type_may_come_from_the_environment(yaml: Yaml) -> None:
    assert yaml.load(VALID.replace("csv_sink", "${SINK}"), environ={"SINK": "csv_sink"}).sinks[0].type == "csv_sink"


def test_a_type_that_cannot_be_resolved_is_one_problem(yaml: Yaml) -> None:
    (found,) = yaml.problems(VALID.replace("csv_sink", "${SINK}"))
    assert found.startswith("agent.yaml:9:11: sinks[0].type: the variable SINK is not set")


def test_whatever_a_plugin_resolves_is_redacted(yaml: Yaml) -> None:
    installed = Installed(secrets=lambda reference: "hunter2")
    config = yaml.load(VALID.replace("id: warehouse", "id: ${vault:name}"), installed)
    assert config.sinks[0].id == "hunter2"
    assert yaml.redaction.redact("sink hunter2 is up") == "sink *** is up"

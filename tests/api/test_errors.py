import pickle

import pytest

from agent_core.api import ConfigError, ConfigProblem, Secret


def test_a_problem_reads_as_place_path_message_hint() -> None:
    problem = ConfigProblem("unknown plugin", ("sinks", 0, "type"), "did you mean x?", "agent.yaml", 3, 9)
    assert str(problem) == "agent.yaml:3:9: sinks[0].type: unknown plugin (did you mean x?)"


def test_a_config_error_says_all_problems() -> None:
    error = ConfigError([ConfigProblem("one"), ConfigProblem("two")])
    assert str(error) == "one\ntwo"
    assert ConfigError("alone").problems == (ConfigProblem("alone"),)


def test_a_secret_prints_as_stars_and_is_read_anew_each_time() -> None:
    texts = iter(["old", "new"])
    secret = Secret(lambda: next(texts))
    assert f"{secret} {secret!r}" == "*** ***"
    assert (secret.reveal(), secret.reveal()) == ("old", "new")


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(lambda: "x"))

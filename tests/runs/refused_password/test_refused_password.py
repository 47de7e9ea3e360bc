"""A refused password costs one log-in attempt, whatever the number of sinks and workers; a new one needs no restart."""

from runs.conftest import TABLE, Case, Database

from agent_core.testing.agent_process import wait_until


def test_ten_workers_of_two_sinks_make_one_attempt_and_go_on_when_the_password_is_changed(
    case: Case, database: Database
) -> None:
    server = database.server
    server.sql(TABLE.replace("TAG_DATA", "OTHER_DATA"))
    env = case.folder / ".env"
    env.write_text("PLANT_PASSWORD=wrong\n", encoding="utf-8")
    with case.agent(database.environ) as agent:
        agent.wait_for("sink=first old=up new=locked_out")
        agent.wait_for("sink=second old=up new=locked_out")
        lines = agent.output.count("records/s")
        wait_until(lambda: agent.output.count("records/s") > lines + 15, what="many probe intervals")
        assert server.counters()["bad_logons"] == 1, "one attempt for both sinks, ten workers and every probe"
        assert "wrong" not in agent.output, "a secret prints as ***"

        env.write_text(f"PLANT_PASSWORD={server.password}\n", encoding="utf-8")
        agent.wait_for("sink=first old=locked_out new=up")
        agent.wait_for("sink=second old=locked_out new=up")
        assert agent.stop() == 0, agent.output
    assert server.counters()["bad_logons"] == 1
    for sink in ("first", "second"):
        ledger = agent.ledger(sink)
        assert ledger["collected"] == ledger["delivered"] > 0


def test_a_password_that_expires_soon_is_announced_with_the_days_left(case: Case, database: Database) -> None:
    server = database.server
    server.sql(TABLE.replace("TAG_DATA", "OTHER_DATA"))
    server.expire_soon(5)
    (case.folder / ".env").write_text(f"PLANT_PASSWORD={server.password}\n", encoding="utf-8")
    with case.agent(database.environ) as agent:
        agent.wait_for("ORA-28002")
        assert "5 days" in agent.output
        wait_until(lambda: database.count() > 0, what="rows all the same")
        assert agent.stop() == 0, agent.output

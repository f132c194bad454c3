"""The environment is checked where it is asked for."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from runbell.errors import ConfigurationError
from runbell.rules import Routing
from runbell.secrets import parse_slack
from runbell.settings import NOTIFIABLE, Settings, checked_url, parse_notify_on

REQUIRED = {
    "table_name": "TABLE_NAME",
    "queue_url": "QUEUE_URL",
    "dead_letter_queue_url": "DEAD_LETTER_QUEUE_URL",
    "algolia_secret": "ALGOLIA_SECRET_ARN",
    "slack_secret": "SLACK_SECRET_ARN",
    "api_token_secret": "API_TOKEN_SECRET_ARN",
    "connection_secrets_prefix": "CONNECTION_SECRETS_PREFIX",
    "schedule_group": "SCHEDULE_GROUP",
    "schedule_role": "SCHEDULE_ROLE_ARN",
    "schedule_dead_letter_queue": "SCHEDULE_DEAD_LETTER_QUEUE_ARN",
    "poll_function": "POLL_FUNCTION_ARN",
    "schedule": "SCHEDULE_EXPRESSION",
}


@pytest.mark.parametrize(("attribute", "name"), REQUIRED.items())
def test_a_required_value_is_read_without_its_margins(attribute: str, name: str) -> None:
    assert getattr(Settings({name: " value\n"}), attribute) == "value"


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        *REQUIRED.items(),
        ("routing", "SLACK_CHANNEL"),
        ("retention", "RETENTION_DAYS"),
        ("discover", "DISCOVER"),
    ],
)
@pytest.mark.parametrize("environment", [{}, {"": ""}, None])
def test_a_missing_value_is_named(
    attribute: str, name: str, environment: dict[str, str] | None
) -> None:
    blank = {name: "  "} if environment is None else environment
    with pytest.raises(ConfigurationError, match=f"variable {name} is not set"):
        getattr(Settings(blank), attribute)


def test_a_value_that_nobody_asks_for_may_be_missing() -> None:
    settings = Settings({"TABLE_NAME": "runs", "RETENTION_DAYS": "wrong"})
    assert settings.table_name == "runs"


@pytest.mark.parametrize("blank", [{}, {"COMEBACK_QUEUE_URL": ""}, {"COMEBACK_QUEUE_URL": " "}])
def test_without_a_queue_for_it_poll_keeps_to_its_schedule(blank: dict[str, str]) -> None:
    assert Settings(blank).comeback_queue_url is None
    assert Settings({"COMEBACK_QUEUE_URL": "https://queue\n"}).comeback_queue_url == "https://queue"


def test_routing_is_the_channel_with_what_it_wants_to_hear() -> None:
    environment = {"SLACK_CHANNEL": "#runs", "NOTIFY_ON": "failed, succeeded"}
    settings = Settings({**environment, "STALLED_AFTER_MINUTES": "5"})
    kinds = frozenset({"failed", "succeeded"})
    assert settings.routing == Routing("#runs", kinds, stalled_after=timedelta(minutes=5))
    settings = Settings({**environment, "STALLED_AFTER_MINUTES": "0"})
    assert settings.routing == Routing("#runs", kinds, stalled_after=None)


@pytest.mark.parametrize("wish", ["all", "watched"])
def test_discover_is_all_or_watched(wish: str) -> None:
    assert Settings({"DISCOVER": f" {wish}"}).discover == wish


@pytest.mark.parametrize("wish", ["none", "ALL", "all,watched"])
def test_discover_refuses_anything_else(wish: str) -> None:
    with pytest.raises(ConfigurationError, match=r"DISCOVER is .*: the choices are all, watched"):
        _ = Settings({"DISCOVER": wish}).discover


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (",".join(NOTIFIABLE), set(NOTIFIABLE)),
        (" failed ,, failed ", {"failed"}),
        ("", set()),
        (",", set()),
    ],
)
def test_notify_on_is_a_list_with_commas(text: str, kinds: set[str]) -> None:
    assert parse_notify_on("NOTIFY_ON", text) == kinds


@pytest.mark.parametrize("text", ["everything", "failed,Succeeded", "failed;skipped", "other"])
def test_notify_on_refuses_a_kind_that_does_not_exist(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"NOTIFY_ON names .*: the choices are created"):
        parse_notify_on("NOTIFY_ON", text)


@pytest.mark.parametrize(("text", "days"), [("1", 1), (" 90 ", 90), ("3650", 3650)])
def test_retention_is_whole_days(text: str, days: int) -> None:
    assert Settings({"RETENTION_DAYS": text}).retention == timedelta(days=days)


@pytest.mark.parametrize("text", ["0", "3651", "-1", "1.5", "a month", "1e3", "²"])
def test_retention_refuses_anything_else(text: str) -> None:
    with pytest.raises(ConfigurationError, match="give whole days from 1 to 3650"):
        _ = Settings({"RETENTION_DAYS": text}).retention


@pytest.mark.parametrize(("text", "channel"), [("", None), ("  ", None), (" #alarm ", "#alarm")])
def test_the_fallback_channel_may_be_left_out(text: str, channel: str | None) -> None:
    assert Settings({"FALLBACK_CHANNEL": text}).fallback_channel == channel
    assert Settings({}).fallback_channel is None


@pytest.mark.parametrize("attribute", ["algolia_base_url", "slack_base_url"])
def test_a_base_url_is_held_to_the_rule_for_urls(attribute: str) -> None:
    name = attribute.upper()
    assert getattr(Settings({}), attribute) is None
    assert getattr(Settings({name: "https://proxy.example/"}), attribute) == "https://proxy.example"
    with pytest.raises(ConfigurationError, match=f"{name} is refused"):
        getattr(Settings({name: "http://proxy.example"}), attribute)


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("", None),
        ("  ", None),
        ("https://data.us.algolia.com", "https://data.us.algolia.com"),
        ("https://data.us.algolia.com//", "https://data.us.algolia.com"),
        ("HTTPS://Proxy.Example:8443/a/b/", "HTTPS://Proxy.Example:8443/a/b"),
        (" https://proxy.example\n", "https://proxy.example"),
        ("http://localhost", "http://localhost"),
        ("http://LOCALHOST:4566/x", "http://LOCALHOST:4566/x"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/x"),
        ("https://xn--bcher-kva.example/pfäd", "https://xn--bcher-kva.example/pfäd"),
        ("https://10.proxy.example", "https://10.proxy.example"),
    ],
)
def test_https_and_loopback_are_taken(url: str, checked: str | None) -> None:
    assert checked_url("URL", url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost",
        "https://proxy",
        "https://proxy.localhost",
        "https://proxy.localhost.",
        "https://proxy.example.",
        "https://127.0.0.1",
        "https://127.1",
        "https://10.0.0.1/",
        "https://192.168.1.1:8443",
        "https://169.254.169.254/latest/meta-data",
        "https://169.254.100.1:9001",
        "https://8.8.8.8",
        "https://0.0.0.0",
        "https://0",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://a.0x7f",
        "https://0177.0.0.1",
        "https://127.0.0.1.",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:a9fe:a9fe]",
        "https://[fd00:ec2::254]/latest/meta-data",
        "https://[fe80::1%25eth0]",
        "https://[64:ff9b::7f00:1]",
        "https://[2600:1f18::1]",
        "https://\uff11\uff12\uff17.0.0.1",
        "https://\u24db\u24de\u24d2al.example",
        "https://sl\u212a.example",
        "https://proxy\u3002example",
        "https://proxy.example\\.evil.example",
        "https://proxy.example%2f.evil.example",
        "https://-proxy.example",
        "https://proxy..example",
        "http://proxy.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://localhost.",
        "http://127.0.0",
        "http://127.0.0.1.1",
        "http://2130706433",
        "http://127.\u0660.\u0660.\u0661",
        "http://[::2]",
        "http://[::ffff:127.0.0.1]",
        "http://127.0.0.1\\.evil.example",
        "http://127.0.0.1\n.evil.example",
        "http://127.0.0.1%2eevil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example@127.0.0.1",
        "https://key:secret@proxy.example",
        "https://@proxy.example",
        "https://proxy.example?x=1",
        "https://proxy.example?",
        "https://proxy.example#x",
        "https://proxy.example/#",
        "https://proxy.example/\r\nx-header: 1",
        "https://proxy.example/a b",
        "https://",
        "https:///path",
        "https:proxy.example",
        "https://proxy.example:port",
        "https://proxy.example:99999",
        "https://[::1",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,x",
        "ftp://localhost/x",
        "gopher://127.0.0.1/x",
        "//localhost/x",
        "localhost:8080",
        "127.0.0.1",
        "proxy.example",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^THE_URL "):
        checked_url("THE_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/services/T0/B0/s3cret",
        "https://hooks.example/services/T0/B0/s3cret?x=1",
        "https://user:s3cret@hooks.example/services",
        "https://hooks.example:port/services/T0/B0/s3cret",
        "https://hooks.example/services/ s3cret",
        "ftp://hooks.example/services/T0/B0/s3cret",
    ],
)
def test_a_refusal_shows_nothing_of_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_url("the webhook", url)
    assert "s3cret" not in str(caught.value)
    assert "hooks" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8", "[::1]"])
def test_lambdas_own_api_is_no_stand_in(host: str) -> None:
    """Whoever may post to it could answer in a function's name."""
    environment = {
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "SLACK_BASE_URL": f"http://{host}:9001",
    }
    with pytest.raises(ConfigurationError, match="SLACK_BASE_URL is refused"):
        _ = Settings(environment).slack_base_url
    with pytest.raises(ConfigurationError, match="webhook_url is refused"):
        parse_slack(
            json.dumps({"webhook_url": f"http://{host}:9001/x"}), Settings(environment).runtime_api
        )
    other = {**environment, "SLACK_BASE_URL": f"http://{host}:9002"}
    assert Settings(other).slack_base_url == f"http://{host}:9002"
    with pytest.raises(ConfigurationError):
        checked_url("URL", f"http://{host}/x", runtime_api="127.0.0.1:80")


def test_nobody_named_means_that_everybody_may_press_buttons() -> None:
    assert Settings({}).slack_users == frozenset()
    assert Settings({"SLACK_USERS": " "}).slack_users == frozenset()


def test_who_may_press_buttons_is_named_by_id() -> None:
    assert Settings({"SLACK_USERS": "U0123456789, W0123456789"}).slack_users == {
        "U0123456789",
        "W0123456789",
    }


@pytest.mark.parametrize("users", ["anna", "S0123456789", "U0123456789;U1", "u0123456789", "U"])
def test_what_is_no_id_of_a_user_is_refused(users: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SLACK_USERS names "):
        _ = Settings({"SLACK_USERS": users}).slack_users

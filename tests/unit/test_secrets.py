"""Credentials are read rarely, checked once, and never shown."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from runbell.errors import ConfigurationError, SecretUnavailableError
from runbell.secrets import (
    REMEMBERED,
    SETTLING,
    TOKEN_REMEMBERED,
    AlgoliaCredentials,
    Secret,
    SlackCredentials,
    parse_algolia,
    parse_api_tokens,
    parse_slack,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

ALGOLIA = {"app_id": "APP0000001", "api_key": "k3y", "region": "us"}
WEBHOOK = "https://hooks.slack.com/services/T0/B0/s3cret"


def secret_of(client: FakeSecretsManager, clock: Clock) -> Secret[str]:
    return Secret(cast("Any", client), "arn:secret", str, clock)


class TestReading:
    def test_a_secret_is_remembered_for_five_minutes(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.text = "old"
        secret = secret_of(secrets_manager, clock)
        assert secret.get() == "old"
        secrets_manager.text = "new"
        clock.advance(REMEMBERED - 0.1)
        assert secret.get() == "old"
        clock.advance(0.1)
        assert secret.get() == "new"
        assert secrets_manager.readings == 2

    def test_a_refused_secret_is_read_anew(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.text = "old"
        secret = secret_of(secrets_manager, clock)
        secret.get()
        secrets_manager.text = "new"
        assert secret.anew("old") == "new"
        assert secret.get() == "new"

    def test_refusals_within_five_seconds_lead_to_one_reading(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secret = secret_of(secrets_manager, clock)
        refused = secret.get()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: secret.anew(refused), range(50)))
        assert secrets_manager.readings == 2
        clock.advance(SETTLING - 0.1)
        secret.anew(refused)
        assert secrets_manager.readings == 2
        clock.advance(0.1)
        secret.anew(refused)
        assert secrets_manager.readings == 3

    def test_what_another_has_read_anew_is_not_read_again(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.text = "old"
        secret = secret_of(secrets_manager, clock)
        secret.get()
        secrets_manager.text = "new"
        secret.anew("old")
        clock.advance(SETTLING)
        assert secret.anew("old") == "new"
        assert secrets_manager.readings == 2

    def test_many_threads_at_a_cold_start_lead_to_one_reading(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.takes = 0.02
        secret = secret_of(secrets_manager, clock)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: secret.get(), range(50)))
        assert secrets_manager.readings == 1

    def test_a_secret_may_be_remembered_for_less(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.text = "old"
        secret = Secret(
            cast("Any", secrets_manager), "arn", str, clock, remembered=TOKEN_REMEMBERED
        )
        secret.get()
        secrets_manager.text = "new"
        clock.advance(TOKEN_REMEMBERED - 0.1)
        assert secret.get() == "old"
        clock.advance(0.1)
        assert secret.get() == "new"

    def test_a_failed_reading_is_repeated_once_a_second(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secret: Secret[AlgoliaCredentials] = Secret(
            cast("Any", secrets_manager), "arn:secret", parse_algolia, clock
        )
        secrets_manager.text = "{}"
        for _ in range(50):
            with pytest.raises(ConfigurationError, match="ALGOLIA lacks region"):
                secret.get()
        assert secrets_manager.readings == 1
        secrets_manager.text = json.dumps(ALGOLIA)
        clock.advance(SETTLING)
        assert secret.get().app_id == "APP0000001"

    @pytest.mark.parametrize(
        "code",
        [
            "AccessDeniedException",
            "DecryptionFailure",
            "InvalidRequestException",
            "ResourceNotFoundException",
        ],
    )
    def test_what_a_person_must_mend_is_a_configuration_error(
        self, code: str, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.error = ClientError({"Error": {"Code": code}}, "GetSecretValue")
        with pytest.raises(ConfigurationError, match=f"arn:secret can't be read: {code}"):
            secret_of(secrets_manager, clock).get()

    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue"),
            ClientError({"Error": {"Code": "InternalServiceError"}}, "GetSecretValue"),
            ClientError({}, "GetSecretValue"),
            EndpointConnectionError(endpoint_url="https://secretsmanager.example"),
        ],
    )
    def test_what_may_pass_is_worth_another_try(
        self, error: Exception, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.error = error
        with pytest.raises(SecretUnavailableError, match="arn:secret can't be read") as caught:
            secret_of(secrets_manager, clock).get()
        assert caught.value.retryable

    def test_a_secret_shows_nothing_of_what_it_holds(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        secrets_manager.text = "s3cret"
        secret = secret_of(secrets_manager, clock)
        secret.get()
        assert "s3cret" not in repr(secret)


class TestAlgolia:
    def test_it_is_an_application_a_key_and_a_region(self) -> None:
        text = json.dumps({**ALGOLIA, "region": " eu ", "api_key": " k3y\n", "more": 1})
        assert parse_algolia(text) == AlgoliaCredentials("APP0000001", "eu", "k3y")

    @pytest.mark.parametrize("name", ALGOLIA)
    @pytest.mark.parametrize("value", [None, "", "  ", 7, ["x"], {}])
    def test_an_entry_that_is_missing_is_named(self, name: str, value: object) -> None:
        with pytest.raises(ConfigurationError, match=f"ALGOLIA lacks {name}"):
            parse_algolia(json.dumps({**ALGOLIA, name: value}))

    @pytest.mark.parametrize("name", ALGOLIA)
    def test_the_templates_placeholder_is_refused_with_what_to_do(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"placeholder for {name}.*put-secret-value"):
            parse_algolia(json.dumps({**ALGOLIA, name: "REPLACE_ME"}))

    @pytest.mark.parametrize("region", ["de", "US", "us.evil.example/", "us#", "s3cret"])
    def test_an_unknown_region_is_refused_without_showing_it(self, region: str) -> None:
        with pytest.raises(ConfigurationError, match="another region than us or eu") as caught:
            parse_algolia(json.dumps({**ALGOLIA, "region": region}))
        assert region == "us" or "s3cret" not in str(caught.value)

    def test_the_secret_of_a_connection_is_called_by_its_name(self) -> None:
        with pytest.raises(ConfigurationError, match="the secret runbell/connections/emea lacks"):
            parse_algolia("{}", "runbell/connections/emea")

    @pytest.mark.parametrize("name", ["app_id", "api_key"])
    @pytest.mark.parametrize("value", ["s3cret\r\nx: y", "s3crét", "s3cret\x00"])
    def test_what_no_header_can_carry_is_refused_without_showing_it(
        self, name: str, value: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=f"{name} holds characters") as caught:
            parse_algolia(json.dumps({**ALGOLIA, name: value}))
        assert value not in str(caught.value)

    @pytest.mark.parametrize("text", ["", "s3cret", "[]", '"s3cret"', "null", '{"app_id": '])
    def test_what_is_no_object_is_refused_without_showing_it(self, text: str) -> None:
        for parse in (parse_algolia, parse_slack):
            with pytest.raises(ConfigurationError, match="is no JSON object: put") as caught:
                parse(text)
            assert "s3cret" not in str(caught.value)

    def test_the_key_is_not_shown(self) -> None:
        assert "k3y" not in repr(parse_algolia(json.dumps(ALGOLIA)))


class TestSlack:
    def test_it_is_a_bot_token(self) -> None:
        credentials = parse_slack('{"bot_token": " xoxb-1 ", "webhook_url": ""}')
        assert credentials == SlackCredentials(bot_token="xoxb-1")

    def test_or_it_is_a_webhook(self) -> None:
        credentials = parse_slack(json.dumps({"webhook_url": f"{WEBHOOK}\n"}))
        assert credentials == SlackCredentials(webhook_url=WEBHOOK)

    @pytest.mark.parametrize(
        "document",
        [{}, {"bot_token": ""}, {"bot_token": None}, {"bot_token": "x", "webhook_url": WEBHOOK}],
    )
    def test_it_is_exactly_one_of_the_two(self, document: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="either bot_token or webhook_url, and not"):
            parse_slack(json.dumps(document))

    @pytest.mark.parametrize("name", ["bot_token", "webhook_url"])
    def test_the_templates_placeholder_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"placeholder for {name}"):
            parse_slack(json.dumps({name: "REPLACE_ME"}))

    @pytest.mark.parametrize("value", [" ", 7, ["x"]])
    def test_an_entry_of_the_wrong_type_is_named(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="SLACK lacks bot_token"):
            parse_slack(json.dumps({"bot_token": value}))

    @pytest.mark.parametrize(
        "url", [WEBHOOK.replace("https", "http"), WEBHOOK + "?x", "s3cret", "file:///s3cret"]
    )
    def test_a_webhook_is_held_to_the_rule_for_urls_without_showing_it(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="webhook_url") as caught:
            parse_slack(json.dumps({"webhook_url": url}))
        assert "s3cret" not in str(caught.value)

    def test_a_token_that_no_header_can_carry_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="bot_token holds characters"):
            parse_slack(json.dumps({"bot_token": "xoxb\n1"}))

    def test_it_may_hold_what_slack_signs_with(self) -> None:
        credentials = parse_slack('{"bot_token": "xoxb-1", "signing_secret": " 8f74 "}')
        assert credentials == SlackCredentials(bot_token="xoxb-1", signing_secret="8f74")
        credentials = parse_slack(json.dumps({"webhook_url": WEBHOOK, "signing_secret": "8f74"}))
        assert credentials == SlackCredentials(webhook_url=WEBHOOK, signing_secret="8f74")
        assert "8f74" not in repr(credentials)

    @pytest.mark.parametrize("value", ["", " ", None, 7, "REPLACE_ME", "a\nb", "\ud800", ["x"]])
    def test_a_signing_secret_that_is_none_leaves_announcements_alone(self, value: object) -> None:
        document = {"bot_token": "xoxb-1", "signing_secret": value}
        assert parse_slack(json.dumps(document)) == SlackCredentials(bot_token="xoxb-1")

    def test_neither_is_shown(self) -> None:
        assert "xoxb-1" not in repr(SlackCredentials(bot_token="xoxb-1"))
        assert "s3cret" not in repr(SlackCredentials(webhook_url=WEBHOOK))


class TestApiTokens:
    def test_it_is_the_secrets_text(self) -> None:
        assert parse_api_tokens(" 0123456789abcdef\n") == ("0123456789abcdef",)

    @pytest.mark.parametrize("between", ["\n", "\r\n", " \n\n\t"])
    def test_two_of_them_are_two_lines(self, between: str) -> None:
        text = f"0123456789abcdef{between}fedcba9876543210"
        assert parse_api_tokens(text) == ("0123456789abcdef", "fedcba9876543210")

    @pytest.mark.parametrize(
        "text", ["", "   ", "short", " 0123456789abcde ", f"{'x' * 16}\nshort"]
    )
    def test_a_short_one_is_refused_without_showing_it(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="one shorter than 16") as caught:
            parse_api_tokens(text)
        assert "short\n" not in str(caught.value)
        assert "0123" not in str(caught.value)

    def test_more_than_two_are_refused_without_showing_them(self) -> None:
        text = "\n".join(f"s3cret-{n}-0123456789" for n in range(3))
        with pytest.raises(ConfigurationError, match="more than 2 lines: put one token") as caught:
            parse_api_tokens(text)
        assert "s3cret" not in str(caught.value)

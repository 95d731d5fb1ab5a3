"""Every provider of the catalogue has its credentials found, or the reason why they cannot be told stands here.

The values are made up when the test runs: none of them stands in this file.
"""

from __future__ import annotations

import base64
import re

import pytest

from runbook_tui.exposure.rulefile import from_format, shipped_rules, spell_out
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.foundation.places import shipped
from runbook_tui.providers.catalogue import Catalogue

CATALOGUE = Catalogue.load()
SHIPPED = shipped_rules()
RULES = RuleSet([*(from_format(*one) for one in CATALOGUE.formats()), *SHIPPED])
_UUID = "<hex:8>-<hex:4>-4<hex:3>-a<hex:3>-<hex:12>"
_SNOWFLAKE = base64.b64encode(spell_out("10<digit:16>").encode()).decode()

# Provider -> texts in which {} is the credential, and the credential as its vendor documents it or as it is observed.
TOLD: dict[str, list[tuple[str, str]]] = {
    "aws": [  # the id alone is public
        ("AWS_SECRET_ACCESS_KEY={}", "<b64:39>x"),
        ("Access key ID,Secret access key\nAKIA<b32:16>,{}", "<b64:39>x"),
    ],
    "discord": [
        ("Authorization: Bot {}", f"{_SNOWFLAKE}.<mix:6>.<mix:27>"),
        ("'{}'", f"{_SNOWFLAKE}.<mix:6>.<mix:38>"),
    ],
    "discord-webhook": [
        ("https://discord.com/api/webhooks/{}", "<digit:18>/<mix:68>"),
        ("https://discord.com/api/webhooks/{}", "<digit:18>/<hex:100>"),
    ],
    "fastpix": [("FASTPIX_PASSWORD={}", _UUID), ('fastpix_secret_key: "{}"', _UUID)],
    "github": [
        ("{}", "ghp_<mix:36>"),
        ("{}", "github_pat_<mix:22>_<mix:59>"),
        ("{}", "ghs_<mix:36>"),
        ("token={}", "ghs_<digit:7>_eyJ<mix:33>.eyJ<mix:220>.<mix:86>"),
    ],
    "nowpayments": [("NOWPAYMENTS_API_KEY={}", "<upper:7>-<upper:7>-<upper:7>-<upper:7>")],
    "openai": [
        ("{}", "sk-proj-<mix:74>T3Blbk<>FJ<mix:74>"),
        ("{}", "sk-admin-<mix:48>"),
        ("{}", "sk-svcacct-<mix:48>"),
        ("{}", "sk-<mix:20>T3Blbk<>FJ<mix:20>"),
    ],
    "openbao": [
        ("{}", "hvs.<mix:24>"),
        ("{}", "hvb.<mix:140>"),
        ("{}", "hvr.<mix:24>"),
        ("VAULT_TOKEN={}", "s.<mix:24>"),
    ],
    "paypal": [("PAYPAL_CLIENT_SECRET={}", "E<mix:79>")],
    "stripe": [
        ("{}", "sk_live_<mix:99>"),
        ("{}", "rk_live_<mix:24>"),
        ("{}", "sk_org_<mix:40>"),
        ("{}", "whsec_<mix:32>"),
    ],
}
NO_FORM = {
    "streampixel": "its pages show no key and tell no length, alphabet or beginning of one",
    "iptv": "panels of many makers, whose keys and passwords the reseller may choose",
}


def test_no_provider_is_forgotten() -> None:
    """Promise: each provider's credentials are looked for, or the reason why they cannot be is written down."""
    assert sorted([*TOLD, *NO_FORM]) == sorted(CATALOGUE.ids())


@pytest.mark.parametrize(("provider", "text", "form"), [(who, *one) for who, some in TOLD.items() for one in some])
def test_a_providers_credential_is_found(provider: str, text: str, form: str) -> None:
    """Promise: a credential in its provider's form is found, whole, and belongs to that provider."""
    value = spell_out(form)
    line = f"# settings\n{spell_out(text).format(value)}\n"
    (match,) = [match for match in RULES.find(line.encode()) if match.value == value.encode()]
    assert match.rule.provider == provider


@pytest.mark.parametrize("provider", NO_FORM)
def test_a_credential_without_a_form_is_found_by_its_name(provider: str) -> None:
    """Promise: where a vendor's credentials have no form, no rule claims one, and the name next to it is enough."""
    assert [rule.id for rule in RULES.rules if rule.provider == provider] == []
    value = spell_out("<mix:32>")
    (match,) = RULES.find(f'{provider}_api_key = "{value}"\n'.encode())
    assert (match.rule.id, match.value) == ("assigned", value.encode())


def test_a_rule_tells_where_its_form_comes_from() -> None:
    """Promise: a rule has the day on which its vendor's text was read, or says in its file that nothing was."""
    for path in shipped("exposure", "rules").glob("*.yaml"):
        for entry in re.split(r"(?m)^(?=  - id: )", path.read_text())[1:]:
            read = re.search(r"(?m)^    checked_on: 20\d\d-\d\d-\d\d(  # \S.*)?$", entry)
            unread = re.search(r"(?m)^    source: https://\S+  # \S.*$", entry)
            assert bool(read) != bool(unread), entry
    assert len([rule for rule in SHIPPED if rule.checked_on]) >= 55


@pytest.mark.parametrize(
    "text",
    [
        *('credential := "AKID/19700101/us-east-1/dynamodb/aws4_request"', "token: secret_<>test_value_for_the_docs_1"),
        *("?AWSAccessKeyId=<upper:20>&Expires=1", '"ClientRequestToken": "<hex:8>-<hex:4>-4<hex:3>-a<hex:3>-<hex:12>"'),
        *("access_token=2YotnFZF<>Ejr1zCsicMWpAA", f"password: '{base64.b64encode(b'not my real password').decode()}'"),
        *("authenticity_token: <b64:86>==", "secret_key_len = crypto_sign_curve25519_BYTES"),
        *("sq0idp-<mix:22>", 'key_token = "0011<>2233445566<>778899aabbccddeeff"'),
        "const testPubAccessKey1 = `mQENBFXb<mix:56>`",
        f'disk_encryption_key = "{base64.b64encode(b"Hello from the documentation 1").decode()}"',
        *(
            "vcr_cassettes_for_the_second_version_of_the_public_api",
            "buildkite: bkua_pipelines_of_the_default_cluster_as_a_list",
        ),
        *("hvs.someMethodOfAVaultClient", "cfk_option_of_the_kernel_configuration_and_its_default_1"),
        *(
            "sntrys_organization_token_that_has_no_payload_at_all_and_is_only_a_name",
            "bedrock-api-key-from-the-console",
        ),
        *("https:<>//0<hex:31>@o1.ingest.sentry.io/1", "sha256:<hex:64>", "md5 <hex:32>", "commit <hex:40>"),
    ],
)
def test_what_is_no_credential(text: str) -> None:
    """Promise: names in programs, hashes, public keys and samples are no findings."""
    assert [match.rule.id for match in RULES.find(spell_out(text).encode())] == []

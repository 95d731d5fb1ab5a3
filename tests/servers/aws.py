"""moto's AWS server with its real signature and policy checks switched on."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from servers.processes import answers, plain_environment, serve

REGION = "us-east-1"


@dataclass(frozen=True)
class AwsKey:
    id: str
    secret: str = field(repr=False)


class MotoServer:
    """One AWS account. IAM, STS, Secrets Manager and the rest share `url`.

    moto's own limits: an *inactive* key still works, a *deleted* one is refused (403 InvalidClientTokenId).
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self) -> None:
        """Forget every user, key and secret; from now on each action is authenticated."""
        self._post("/moto-api/reset", "")
        self._unchecked(0)

    def user(self, name: str, policy: Mapping[str, Any] | None = None, *, keys: int = 1) -> list[AwsKey]:
        """Make an IAM user with an inline policy (default: may do everything) and `keys` access keys (at most 2)."""
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = policy or {"Version": "2012-10-17", "Statement": [everything]}
        self._unchecked(2 + keys)
        iam = self.client("iam", AwsKey("AKIAFAKEFAKEFAKEFAKE", "fake"))
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        made = [iam.create_access_key(UserName=name)["AccessKey"] for _ in range(keys)]
        self._unchecked(0)
        return [AwsKey(key["AccessKeyId"], key["SecretAccessKey"]) for key in made]

    def client(self, service: str, key: AwsKey) -> Any:
        """A botocore client that signs with `key`: the independent witness of what the server now accepts."""
        import botocore.config
        import botocore.session

        config = botocore.config.Config(proxies={}, retries={"max_attempts": 0})
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=config,
        )

    def refusal(self, key: AwsKey) -> str:
        """What AWS says to `key`: the error code, or "" when the key is accepted."""
        import botocore.exceptions

        try:
            self.client("sts", key).get_caller_identity()
        except botocore.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    def _unchecked(self, actions: int) -> None:
        """The next `actions` AWS actions are not authenticated; all later ones are."""
        self._post("/moto-api/reset-auth", str(actions))

    def _post(self, path: str, body: str) -> None:
        httpx.post(self.url + path, content=body, trust_env=False).raise_for_status()


@contextlib.contextmanager
def run_moto(folder: Path) -> Iterator[MotoServer]:
    program = str(Path(sys.executable).with_name("moto_server"))
    with serve(
        lambda port: [program, "-H", "127.0.0.1", "-p", str(port)],
        lambda port: answers(f"http://127.0.0.1:{port}/moto-api/data.json"),
        folder,
        plain_environment(INITIAL_NO_AUTH_ACTION_COUNT="0"),
    ) as port:
        yield MotoServer(f"http://127.0.0.1:{port}")

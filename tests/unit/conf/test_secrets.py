"""Secrets in settings: masked in what is logged and kept with a run, wherever they stand; other settings stay."""

import pytest

from conf.secrets import MASKED, options_without_secrets, settings_without_secrets, text_without_secrets
from lake.config import LakeConfig
from serving.config import ServingConfig


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("aws_secret_access_key", "hush", MASKED),
        ("AWS_SESSION_TOKEN", "hush", MASKED),
        ("spark.ssl.keyPass", "hush", MASKED),
        ("pwd", "hush", MASKED),
        ("bearer", "hush", MASKED),
        ("google_service_account", '{"private_key": "hush"}', MASKED),
        ("endpoint_url", "http://me:hush@host:9000", f"http://{MASKED}@host:9000"),
        ("spark.jars.repositories", "https://a/x,https://me:hush@b/x", f"https://a/x,https://{MASKED}@b/x"),
        ("url", "jdbc:mysql://h/x?user=a&password=hush&b=c", f"jdbc:mysql://h/x?user=a&password={MASKED}&b=c"),
        ("spark.driver.extraJavaOptions", "-Xss4m -Dssl.trustStorePassword=hush -Da=b", f"-Xss4m -Dssl.trustStorePassword={MASKED} -Da=b"),
        ("region", "eu-central-1", "eu-central-1"),
        ("spark.executor.memory", "2g", "2g"),
        ("endpoint_url", "http://host:9000/a@b", "http://host:9000/a@b"),
    ],
)
def test_options_are_kept_without_secrets(name: str, value: str, kept: str) -> None:
    assert options_without_secrets({name: value}) == {name: kept}
    lake = LakeConfig(storage_options={name: value}, spark_settings={name: value})
    assert lake.storage_options == {name: value}
    assert (dumped := lake.model_dump(mode="json"))["storage_options"] == dumped["spark_settings"] == {name: kept}


def test_settings_of_any_depth_are_kept_without_secrets() -> None:
    given = {"max_tokens": 9, "api_key": "hush", "nested": [{"token": "hush", "deeper": {"url": "https://me:hush@host", "name": "x"}}], "flag": True}
    kept = {"max_tokens": 9, "api_key": MASKED, "nested": [{"token": MASKED, "deeper": {"url": f"https://{MASKED}@host", "name": "x"}}], "flag": True}
    assert settings_without_secrets(given) == kept


def test_uris_are_kept_without_secrets() -> None:
    lake = LakeConfig(path="s3://id:hush@bucket/x", mlflow_uri="postgresql://host/db?user=me&password=hush")
    serving = ServingConfig(milvus_uri="https://me:hush@host:19530")
    assert "hush" not in lake.model_dump_json() + serving.model_dump_json()
    assert serving.milvus_uri == "https://me:hush@host:19530"
    assert text_without_secrets("http://localhost:19530") == "http://localhost:19530"

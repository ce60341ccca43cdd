"""What of a lake is there, told without opening it: a command that lacks something says so before Arrow, Spark or MLflow are imported, and makes nothing."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from conf.errors import ConfigError, ContractError, EncoderError, NoNamesError
from conf.mistakes import did_you_mean
from lake.acts import ACTS
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.pseudonyms import KEY_ID_PROPERTY, check_key_id, load_key, pseudonym
from lake.tables import TableSpec, table_uri
from lake.units import UNITS

CHARS_OF_CAUSE = 400


def has_table(lake: LakeConfig, spec: TableSpec) -> bool:
    """Whether somebody has written the table yet. Raises ConfigError where an object store does not answer."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    uri = table_uri(lake.path, spec)
    try:
        return DeltaTable.is_deltatable(uri, lake.storage_options or None)
    except (OSError, DeltaError) as error:
        if "://" not in uri:
            raise
        raise no_answer(uri, error) from None


def is_made(lake: LakeConfig) -> bool:
    """Whether the lake has any table."""
    return any(has_table(lake, spec) for spec in TABLES.values())


def no_answer(uri: str, error: Exception) -> ConfigError:
    """The error of whoever asks an object store that does not give what it is asked for."""
    return ConfigError(
        f"lake.path: {uri} cannot be read ({_in_a_line(error)}); expected an object store that answers: correct lake.path, lake.storage_options "
        "(such as region, endpoint_url, allow_http) or the credentials in the environment"
    )


def _in_a_line(error: Exception) -> str:
    """What delta-rs says, which paints a tree of causes."""
    return " ".join(re.sub(r"\x1b\[\d*m|↳", " ", str(error)).split())[:CHARS_OF_CAUSE]


def no_table(lake: LakeConfig, spec: TableSpec) -> ContractError:
    """The error of whoever reads a table that nobody has written yet."""
    return ContractError(f"{spec.name}: no table at {table_uri(lake.path, spec)}; it is written by {spec.writers}")


def require_tables(lake: LakeConfig, names: Iterable[str]) -> None:
    """Raise ContractError where one of the tables is absent."""
    for name in names:
        if not has_table(lake, TABLES[name]):
            raise no_table(lake, TABLES[name])


def require_any_table(lake: LakeConfig, names: Sequence[str]) -> None:
    """Raise ContractError where all of the tables are absent."""
    if not any(has_table(lake, TABLES[name]) for name in names):
        raise ContractError(f"no table at {lake.path}; expected one or more of {', '.join(names)}; {TABLES[names[0]].writers} makes the first")


def require_encoder(lake: LakeConfig) -> None:
    """Raise EncoderError where a lake that keeps its own registry has none yet; whether there is an encoder in it, MLflow alone can tell."""
    if not has_registry(lake):
        raise EncoderError(f"{registry_file(lake)}: no registry, and so no encoder; it is written by 'kindred trainer train'")


def has_registry(lake: LakeConfig) -> bool:
    """Whether there is a registry to ask; a server is taken to be there. Asking MLflow itself would make an empty one."""
    return lake.mlflow_uri is not None or registry_file(lake).is_file()


def registry_file(lake: LakeConfig) -> Path:
    """MLflow's SQLite of a lake that keeps its own registry. Raises ConfigError where the lake is no folder."""
    if "://" in lake.path:
        raise ConfigError(f"lake.mlflow_uri: the lake {lake.path} is no local folder, so MLflow's SQLite has no place; give the URI of a server")
    return lake.local_dir() / "mlflow.db"


def check_lake_key(lake: LakeConfig, key: bytes) -> None:
    """Raise ConfigError where the acts of this lake were made with another pseudonym key."""
    from deltalake import DeltaTable

    if has_table(lake, ACTS):
        acts = DeltaTable(table_uri(lake.path, ACTS), storage_options=lake.storage_options or None)
        check_key_id(acts.metadata().configuration.get(KEY_ID_PROPERTY), key, ACTS.name)


def platforms_of_lake(lake: LakeConfig) -> frozenset[str]:
    """The platforms whose acts or units a lake holds, as ids and pseudonyms begin with them; none where it holds neither."""
    from deltalake import DeltaTable

    for spec in (ACTS, UNITS):
        if has_table(lake, spec):
            table = DeltaTable(table_uri(lake.path, spec), storage_options=lake.storage_options or None)
            return frozenset(str(partition["platform"]) for partition in table.partitions())
    return frozenset()


def check_platform(lake: LakeConfig, name: str, installed: Iterable[str] = ()) -> None:
    """Raise ConfigError where no account's pseudonym begins with this name: the lake has no acts of it, and no installed parser gives any.

    A lake that holds nothing yet, asked by somebody who does not know the parsers, takes any name.
    """
    here, others = platforms_of_lake(lake), set(installed)
    if name in here | others or not here | others:
        return
    installed_are = f"; installed are {', '.join(sorted(others))}" if others else ""
    in_lake = f"; the lake has {', '.join(sorted(here))}" if here else ""
    raise ConfigError(f"no accounts of a platform {name!r}{installed_are}{in_lake}{did_you_mean(name, here | others)}")


def user_id_of_name(lake: LakeConfig, platform: str, name: str) -> str:
    """The `user_id` of an account's name. Raises NoNamesError without the key, where the lake was made with another one, or has nothing of the platform."""
    try:
        check_platform(lake, platform)
        key = load_key(lake.pseudonym_key_file)
        check_lake_key(lake, key)
    except ConfigError as error:
        raise NoNamesError(str(error)) from None
    return pseudonym(key, platform, name)

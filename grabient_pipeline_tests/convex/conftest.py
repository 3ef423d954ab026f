"""The commands of the earlier system are run as all others are."""

from grabient_pipeline_tests.cli.conftest import data_dir, grabient, keys, process, three_palettes

__all__ = ["data_dir", "grabient", "keys", "process", "three_palettes"]

"""The settings of a server and of its models: those of mlcore, whose names are the same where the meaning is."""

from mlcore.settings import CorsSettings as CORSSettings
from mlcore.settings import ModelParameters, ModelSettings, Settings

__all__ = ["CORSSettings", "ModelParameters", "ModelSettings", "Settings"]

"""Where models come from: folders, or whatever else a user's class knows."""

from mlcore.repository.interface import ModelRepository as ModelRepository
from mlcore.repository.interface import RepositoryEntry as RepositoryEntry
from mlcore.repository.interface import make_repository as make_repository

"""Settings and plans as plain data, on their way to a worker."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from mlcore.errors import ModelLoadError
from mlcore.implementation import Target
from mlcore.loading import Plan
from mlcore.settings import ModelSettings, Settings, secrets_of
from mlcore.trust import Trust


def settings_to_facts(settings: Settings) -> dict[str, Any]:
    """Return the server's settings as plain data, but for secrets, with where it imports modules from."""
    return {"settings": settings.model_dump(mode="json", exclude=secrets_of(type(settings))), "path": sys.path}


def settings_from_facts(facts: dict[str, Any]) -> Settings:
    """Import modules from where the server does, and return its settings; none is read from the environment."""
    if facts["path"] is not None:
        sys.path[:] = facts["path"]
    return Settings.model_validate(facts["settings"])


def plan_to_facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data.

    Raises:
        ModelLoadError: Its class was given in Python, and a worker could not import it.
    """
    target = plan.target
    if target is not None and target.given is not None:
        found: Any = None
        if target.module != "__main__" and "<locals>" not in target.name:
            found = import_module(target.module)
            for part in target.name.split("."):
                found = getattr(found, part, None)
        if found is not target.given:
            raise ModelLoadError(
                f"implementation: a worker cannot import {target.module}.{target.name}; put the class into a module, "
                "or set parallel_workers to 0"
            )
    return {
        "settings": plan.settings.model_dump(mode="json", exclude={"implementation"}),
        "implementation": plan.settings.implementation if isinstance(plan.settings.implementation, str) else "",
        "folder": str(plan.settings.folder) if plan.settings.folder is not None else None,
        "target": None if target is None else [target.module, target.name, target.file],
        "problem": plan.problem,
        "trust": msgspec.to_builtins(plan.settings.trust),
        "root": str(plan.root) if plan.root is not None else None,
    }


def plan_from_facts(facts: dict[str, Any]) -> Plan:
    """Return the plan that the data says."""
    target = Target(*facts["target"]) if facts["target"] is not None else None
    implementation = facts["implementation"] or f"{target.module}:{target.name}" if target else facts["implementation"]
    settings = ModelSettings.model_validate({**facts["settings"], "implementation": implementation})
    settings = settings.trusting(msgspec.convert(facts["trust"], Trust))
    if facts["folder"] is not None:
        settings = settings.located(Path(facts["folder"]))
    root = Path(facts["root"]) if facts["root"] is not None else None
    return Plan(settings, target, facts["problem"], root)

"""The JSON Schema of scenario files: what an editor needs to complete and check one while it is written."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from testbed.scenario.model import Scenario
from testbed.scenario.stepped import SteppedScenario


def json_schema() -> str:
    """The schema as text: the form with steps, or the short one.  Names that must exist it cannot check."""
    schema = TypeAdapter(SteppedScenario | Scenario).json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"

"""The JSON Schema of topology files: what an editor needs to complete and check one while it is written."""

from __future__ import annotations

import json
from typing import Any

from testbed.topology.model import Topology


def json_schema() -> str:
    """The schema as text.  What parts must be to each other (names that exist, subnets apart) it cannot say."""
    schema: dict[str, Any] = Topology.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"

"""The data file of real responses, where it lies beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[4] / "shared" / "data" / "at-responses.json"
MISSING = f"{PATH} is not there; it lies beside the checkout where the project is built"
ROWS: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["cases"] if PATH.exists() else []

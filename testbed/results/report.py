"""`report.html`: one page that needs nothing beside it, drawn from a result and the story of its run."""

from __future__ import annotations

import re
from itertools import zip_longest

from testbed.measure.words import Direction
from testbed.results import drawing, summary, words
from testbed.results.model import Result
from testbed.results.story import SHOWN, Story

PAGE = "report.html.j2"


def report_html(result: Result, story: Story) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("testbed.results"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["css"] = css_class
    templates.filters["ms"] = words.milliseconds
    return templates.get_template(PAGE).render(
        result=result,
        story=story,
        chapters=list(zip_longest(result.handoffs[:SHOWN], story.pictures)),
        directions=list(Direction),
        drawing=drawing,
        summary=summary,
        words=words,
    )


def css_class(name: str) -> str:
    """A word as a class name: `far UE` is `far-ue`; all P-CSCFs are `pcscf`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return next((server for server in ("pcscf", "scscf") if slug.startswith(server)), slug)

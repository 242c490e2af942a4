"""`report.html`: one page that needs nothing beside it, drawn from a result and the story of its run."""

from __future__ import annotations

from testbed.results.model import Result
from testbed.results.story import Story


def report_html(result: Result, story: Story) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("testbed.results"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return templates.get_template("report.html.j2").render(result=result, story=story)

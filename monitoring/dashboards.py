"""Writes the dashboards of `grafana/` from `panels.py`.

Run it with `scripts/docs`; a test fails while a dashboard is not what the code says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh, VariableSort

sys.path.insert(0, str(Path(__file__).parent))
from panels import BOARDS, Board, Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT, _STAT_HEIGHT = 24, 8, 4


def dashboards() -> Iterator[tuple[Path, str]]:
    """Return the place and the text of each dashboard."""
    for name, board in BOARDS.items():
        yield HERE / "grafana" / f"{name}.json", JSONEncoder(sort_keys=True, indent=2).encode(_built(board)) + "\n"


def _built(board: Board) -> Any:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["mlcore"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus").label("Data source"))
        .with_variable(_variable("instance", "label_values(mlcore_info, instance)", "Server"))
    )
    if any("$model" in query.expression for panels in board.rows.values() for p in panels for query in p.queries):
        made = made.with_variable(
            _variable("model", 'label_values(mlcore_model_state{instance=~"$instance"}, model)', "Model")
        )
    for title, panels in board.rows.items():
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(_panel(panel, _WIDTH // len(panels)))
    return made.build()


def _variable(name: str, query: str, label: str) -> Any:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _panel(panel: Panel, span: int) -> Any:
    made: Any = stat.Panel() if panel.is_stat else timeseries.Panel()
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(_SOURCE)
    made = made.span(span).height(_STAT_HEIGHT if panel.is_stat else _HEIGHT)
    if not panel.is_stat:
        made = made.min(0)
    for index, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id("ABCDEFGH"[index])
        made = made.with_target(asked.instant() if panel.is_stat else asked.range())
    return made


if __name__ == "__main__":
    for path, text in dashboards():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote monitoring/grafana/{path.name}\n")

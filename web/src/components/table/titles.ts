/** The tooltips of cells. */
import { stateText } from "../../lib/orders/signals";
import type { ColumnId } from "../../lib/table/columns";
import type { RowView } from "../../lib/table/rows";

export function cellTitle(column: ColumnId, row: RowView, text: string): string | undefined {
  switch (column) {
    case "command":
    case "name":
    case "exe":
    case "user":
      return text;
    case "place":
    case "cgroup":
      return row.cgroup || undefined;
    case "state":
      return stateText(row.state);
    default:
      return undefined;
  }
}

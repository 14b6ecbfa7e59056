/** What a cell says when the pointer rests on it. */
import { stateWords } from "../../lib/orders/signals";
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
      return stateWords(row.state);
    default:
      return undefined;
  }
}

/** A table with a head; columns that are empty in every row are left out. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isFilled = head.map((_, column) => rows.some((row) => (row[column] ?? "") !== ""));
  const line = (cells: readonly string[]) =>
    `| ${cells
      .filter((_, column) => isFilled[column] === true)
      .map((cell) => cellText(cell))
      .join(" | ")} |`;
  const rule = head.map(() => "---");
  return [line(head), line(rule), ...rows.map((row) => line(row))].join("\n");
}

function cellText(text: string): string {
  return text === "" ? "-" : text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** `text` with what stands between two markers replaced. */
export function between(text: string, marker: string, content: string): string {
  const open = `<!-- generated: ${marker} -->`;
  const close = "<!-- /generated -->";
  const start = text.indexOf(open);
  const end = text.indexOf(close, start);
  if (start < 0 || end < 0) throw new Error(`there is no ${open} … ${close}`);
  return `${text.slice(0, start + open.length)}\n${content}\n${text.slice(end)}`;
}
